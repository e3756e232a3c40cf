"""All figures of a set of predictions, by name. What is undefined is NaN, and `undefined_because` says why.

For two classes, curves are of class 1; for more, one of each class against the rest.
"""

from collections.abc import Sequence

import numpy as np

from metrics.bootstrap import Estimator
from metrics.cases import no_figure_because
from metrics.predictions import Predictions

SPECIFICITIES = (0.90, 0.95)
NAN = float("nan")


def classification_figures(
    predictions: Predictions, *, specificities: Sequence[float] = SPECIFICITIES
) -> dict[str, float]:
    """Return the figures of labelled predictions, in the order of a table.

    ``accuracy``, ``balanced_accuracy`` (mean recall over the classes present), ``f1_macro``, ``auc_macro`` and
    ``average_precision_macro`` (class 1 of two classes; of more, the mean over the classes present), ``auc_micro``
    (more than two classes: one curve over all (slide, class) pairs), ``sensitivity_at_specificity_<s>`` (highest
    sensitivity of a threshold whose specificity is at least s), ``brier``. With more than two classes,
    ``auc``, ``average_precision`` and the sensitivities of each class against the rest have the class as suffix,
    such as ``auc[tumor]``.

    Raises:
        UsageError: the labels are not known.
    """
    return class_estimator(predictions, specificities).values(len(predictions))


def class_estimator(predictions: Predictions, specificities: Sequence[float] = SPECIFICITIES) -> Estimator:
    """Return `classification_figures` as a function of how often each slide is drawn; patients within their classes.

    A mean over classes is NaN in a draw that lacks a class that the predictions have: it would be another figure.

    Raises:
        UsageError: the labels are not known.
    """
    labels = predictions.known_labels
    names = figure_names(predictions.class_names, specificities)

    def of_draws(weights: np.ndarray) -> np.ndarray:
        if not len(labels) or np.isnan(predictions.probabilities).any():
            return np.full((len(weights), len(names)), NAN)
        with np.errstate(invalid="ignore", divide="ignore"):
            figures = _figures(predictions, weights, specificities)
        return np.stack([figures[name] for name in names], axis=1)

    return Estimator(names, of_draws, labels)


def figure_names(class_names: Sequence[str], specificities: Sequence[float] = SPECIFICITIES) -> list[str]:
    """Return the names of the figures for these classes."""
    names = ["auc_macro", "average_precision_macro", "balanced_accuracy", "accuracy", "f1_macro", "brier"]
    at = [_sensitivity_name(specificity) for specificity in specificities]
    if len(class_names) == 2:
        return names + at
    each = ("auc", "average_precision", *at)
    return [names[0], "auc_micro", *names[1:], *(f"{figure}[{name}]" for figure in each for name in class_names)]


def is_mean_over_classes(name: str) -> bool:
    """Say whether a figure takes all classes together and so is another one where a class is absent."""
    return name.endswith(("_macro", "_micro")) or name == "balanced_accuracy"


def undefined_because(predictions: Predictions) -> list[str]:
    """Return why figures of these predictions are undefined, one line a reason; empty where all are defined."""
    broken = no_figure_because(predictions, np.isnan(predictions.probabilities).any(axis=1))
    if broken:
        return broken
    absent = [
        name for number, name in enumerate(predictions.class_names) if not (predictions.known_labels == number).any()
    ]
    if not absent:
        return []
    if len(absent) == predictions.n_classes - 1:
        return [f"no slide of class {', '.join(absent)}, so no AUC is defined"]
    return [f"no slide of class {', '.join(absent)}, which the means over classes leave out"]


def confusion_matrix(predictions: Predictions) -> np.ndarray:
    """Return how many slides of each class (rows) were predicted as each class (columns), (C, C)."""
    cells = predictions.known_labels * predictions.n_classes + predictions.predicted
    return np.bincount(cells, minlength=predictions.n_classes**2).reshape([predictions.n_classes] * 2)


def curve_classes(n_classes: int) -> list[int]:
    """Return the classes that have a curve: class 1 of two, each of more."""
    return [1] if n_classes == 2 else list(range(n_classes))


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean squared error of the probabilities (Brier 1950).

    Two classes: of class 1, from 0 to 1. More: summed over the classes, from 0 to 2.

    Args:
        labels: (N,).
        probabilities: (N, C).
    """
    return float(_squared_errors(labels, probabilities).mean()) if len(labels) else NAN


def _figures(predictions: Predictions, weights: np.ndarray, specificities: Sequence[float]) -> dict[str, np.ndarray]:
    """Return each figure (B,) of draws (B, N)."""
    labels, probabilities = predictions.known_labels, predictions.probabilities
    one_hot = labels[:, None] == np.arange(predictions.n_classes)
    figures = _threshold_free(one_hot, probabilities, predictions.class_names, weights, specificities)
    cells = np.eye(predictions.n_classes**2)[labels * predictions.n_classes + predictions.predicted]
    figures |= _of_confusion((weights @ cells).reshape(-1, *[predictions.n_classes] * 2))
    figures["brier"] = weights @ _squared_errors(labels, probabilities) / weights.sum(axis=1)
    lacks_a_class = (weights @ one_hot[:, one_hot.any(axis=0)] == 0).any(axis=1)
    return {
        name: np.where(lacks_a_class, NAN, value) if is_mean_over_classes(name) else value
        for name, value in figures.items()
    }


def _squared_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    errors = (probabilities - (labels[:, None] == np.arange(probabilities.shape[1]))) ** 2
    return errors[:, curve_classes(probabilities.shape[1])].sum(axis=1)


def _threshold_free(
    one_hot: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    weights: np.ndarray,
    specificities: Sequence[float],
) -> dict[str, np.ndarray]:
    """Return the figures of ROC and precision-recall curves; means are over the classes that have both sides."""
    classes = curve_classes(len(names))
    of_class = {c: curve_figures(one_hot[:, c], probabilities[:, c], weights, specificities) for c in classes}
    present = [figures for c, figures in of_class.items() if 0 < one_hot[:, c].sum() < len(one_hot)]
    undefined = np.full(len(weights), NAN)
    means = {
        f"{name}_macro": np.mean([figures[name] for figures in present], axis=0) if present else undefined
        for name in ("auc", "average_precision")
    }
    if len(classes) == 1:
        return means | of_class[1]
    pairs = np.repeat(weights, len(names), axis=1)
    micro = curve_figures(one_hot.ravel(), probabilities.ravel(), pairs, ())["auc"] if present else undefined
    each = {f"{name}[{names[c]}]": value for c, figures in of_class.items() for name, value in figures.items()}
    return means | {"auc_micro": micro} | each


def curve_figures(
    positive: np.ndarray, scores: np.ndarray, weights: np.ndarray, specificities: Sequence[float] = ()
) -> dict[str, np.ndarray]:
    """Return AUC, average precision and sensitivities (B,) of one class (N,) by its scores (N,), of draws (B, N).

    They are scikit-learn's, of many draws at once: scores are sorted once for all of them.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # the last of equal scores
    right = _sums_up_to(weights[:, order] * positive[order], ends)
    wrong = _sums_up_to(weights[:, order] * ~positive[order], ends)
    true_rate, false_rate = right / right[:, -1:], wrong / wrong[:, -1:]
    precision = right[:, 1:] / np.maximum(right + wrong, 1)[:, 1:]  # 0 / 1 where nothing is drawn yet: counts for 0
    figures = {
        "auc": np.sum(np.diff(false_rate) * (true_rate[:, 1:] + true_rate[:, :-1]) / 2, axis=1),
        # of no negatives, precision is 1 whatever is predicted
        "average_precision": np.sum(np.diff(true_rate) * precision, axis=1) + 0 * false_rate[:, -1],
    }
    for specificity in specificities:
        # rates are ratios of counts: without the margin, 1 - 0.9 would fall short of 1/10
        reached = np.where(false_rate <= 1 - specificity + 1e-9, true_rate, 0).max(axis=1)
        figures[_sensitivity_name(specificity)] = reached + 0 * (true_rate + false_rate)[:, -1]  # NaN stays NaN
    return figures


def _sums_up_to(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return 0 and the sums (B, 1 + E) of values (B, N) up to and with each end."""
    return np.pad(np.cumsum(values, axis=1)[:, ends], ((0, 0), (1, 0)))


def _sensitivity_name(specificity: float) -> str:
    return f"sensitivity_at_specificity_{specificity:g}"


def _of_confusion(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return accuracy, balanced accuracy and F1 (B,) of counts (B, C, C), as scikit-learn defines them."""
    right, of_class, as_class = np.einsum("bcc->bc", counts), counts.sum(axis=2), counts.sum(axis=1)
    return {
        "accuracy": right.sum(axis=1) / of_class.sum(axis=1),
        "balanced_accuracy": _mean_where(right / of_class, of_class > 0),
        "f1_macro": _mean_where(2 * right / (of_class + as_class), of_class + as_class > 0),
    }


def _mean_where(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    return np.where(counted, values, 0).sum(axis=1) / counted.sum(axis=1)
