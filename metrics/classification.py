"""Figures of a pass over bags: AUC, error, counts. What is undefined is NaN, with a warning, and never a crash."""

import logging

import numpy as np
from sklearn.metrics import roc_auc_score

logger = logging.getLogger(__name__)


def error_rate(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the part of bags whose class (N,) is not the predicted one; NaN without bags."""
    return float(np.mean(labels != predicted)) if len(labels) else float("nan")


def class_counts(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> list[tuple[int, int]]:
    """Return for each class how many of its bags are predicted right, and how many it has."""
    return [
        (int(np.sum((labels == number) & (predicted == number))), int(np.sum(labels == number)))
        for number in range(n_classes)
    ]


def auc(
    labels: np.ndarray, probabilities: np.ndarray, *, micro: bool = False, what: str = "", warn: bool = True
) -> float:
    """Return the area under the ROC curve.

    Two classes: of the probability of class 1. More: the mean over the classes present of one against the rest, or
    with ``micro`` one curve over all (bag, class) pairs.

    Args:
        labels: (N,) classes from 0.
        probabilities: (N, C).
        micro: average over pairs instead of classes (more than two classes).
        what: what the figure is of, for the warning.
        warn: whether to warn; a curve need not say the same at every epoch.

    Returns:
        The area, or NaN where fewer than two classes are present or a probability is no number.
    """
    log = logger.warning if warn else logger.debug
    if np.isnan(probabilities).any():
        log("%s has probabilities that are no numbers, so its AUC is undefined (NaN)", what or "the set")
        return float("nan")
    n_classes = probabilities.shape[1]
    present = np.unique(labels)
    if len(present) < 2:
        found = f"only class {present[0]}" if len(present) else "no bag"
        log("%s has %s, so its AUC is undefined (NaN)", what or "the set", found)
        return float("nan")
    if n_classes == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    one_hot = labels[:, None] == np.arange(n_classes)
    if micro:
        return float(roc_auc_score(one_hot.ravel(), probabilities.ravel()))
    absent = [number for number in range(n_classes) if number not in present]
    if absent:
        log("%s lacks class %s, which the mean AUC leaves out", what or "the set", absent)
    return float(np.mean([roc_auc_score(one_hot[:, number], probabilities[:, number]) for number in present]))
