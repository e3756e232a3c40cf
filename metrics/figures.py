"""All figures of a set of predictions, by name. What is undefined is NaN, and `undefined_because` says why.

For two classes, curves are of class 1; for more, one of each class against the rest.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import auc, average_precision_score, roc_curve

from metrics.classification import error_rate
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
    return figures_of(predictions.known_labels, predictions.probabilities, predictions.class_names, specificities)


def figures_of(
    labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str], specificities: Sequence[float]
) -> dict[str, float]:
    """Return `classification_figures` of labels (N,) and probabilities (N, C)."""
    names = figure_names(class_names, specificities)
    if not len(labels) or np.isnan(probabilities).any():
        return dict.fromkeys(names, NAN)
    predicted = probabilities.argmax(axis=1)
    figures = _threshold_free(labels, probabilities, class_names, specificities)
    figures |= _of_confusion(_counts(labels, predicted, len(class_names)))
    figures |= {"accuracy": 1 - error_rate(labels, predicted), "brier": brier(labels, probabilities)}
    return {name: figures[name] for name in names}


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
    if not len(predictions):
        return ["no slide, so no figure is defined"]
    broken = np.flatnonzero(np.isnan(predictions.probabilities).any(axis=1))
    if len(broken):
        name = predictions.slide_ids[broken[0]]
        return [f"{len(broken)} predictions are no numbers, such as that of {name}, so no figure is defined"]
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
    return _counts(predictions.known_labels, predictions.predicted, predictions.n_classes)


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
    errors = (probabilities - (labels[:, None] == np.arange(probabilities.shape[1]))) ** 2
    return float(errors[:, curve_classes(probabilities.shape[1])].sum(axis=1).mean()) if len(labels) else NAN


def _threshold_free(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], specificities: Sequence[float]
) -> dict[str, float]:
    """Return the figures of ROC and precision-recall curves; means are over the classes that have both sides."""
    classes = curve_classes(len(names))
    of_class = {c: _of_curve(labels == c, probabilities[:, c], specificities) for c in classes}
    present = [figures for figures in of_class.values() if not np.isnan(figures["auc"])]
    means = {
        f"{name}_macro": float(np.mean([figures[name] for figures in present])) if present else NAN
        for name in ("auc", "average_precision")
    }
    if len(classes) == 1:
        return means | of_class[1]
    one_hot = labels[:, None] == np.arange(len(names))
    means["auc_micro"] = _of_curve(one_hot.ravel(), probabilities.ravel(), ())["auc"] if present else NAN
    return means | {f"{name}[{names[c]}]": value for c, figures in of_class.items() for name, value in figures.items()}


def _of_curve(positive: np.ndarray, scores: np.ndarray, specificities: Sequence[float]) -> dict[str, float]:
    """Return AUC, average precision and sensitivities of one class (N,) by its scores (N,)."""
    if positive.all() or not positive.any():
        return dict.fromkeys(("auc", "average_precision", *map(_sensitivity_name, specificities)), NAN)
    false_rate, true_rate, _ = roc_curve(positive, scores, drop_intermediate=False)
    figures = {
        "auc": float(auc(false_rate, true_rate)),
        "average_precision": float(average_precision_score(positive, scores)),
    }
    for specificity in specificities:
        # rates are ratios of counts: without the margin, 1 - 0.9 would fall short of 1/10
        reached = true_rate[false_rate <= 1 - specificity + 1e-9]
        figures[_sensitivity_name(specificity)] = float(reached.max())
    return figures


def _counts(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    return np.bincount(labels * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def _sensitivity_name(specificity: float) -> str:
    return f"sensitivity_at_specificity_{specificity:g}"


def _of_confusion(counts: np.ndarray) -> dict[str, float]:
    """Return balanced accuracy and F1 of counts (C, C), as scikit-learn defines them, without its overhead a call."""
    right, of_class, as_class = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    present, mentioned = of_class > 0, of_class + as_class > 0
    return {
        "balanced_accuracy": float(np.mean(right[present] / of_class[present])),
        "f1_macro": float(np.mean(2 * right[mentioned] / (of_class + as_class)[mentioned])),
    }
