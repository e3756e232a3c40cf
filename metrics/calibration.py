"""Do probabilities mean what they say? Expected calibration error, reliability curve, temperature scaling."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from metrics.figures import brier
from metrics.predictions import Predictions

N_BINS = 10
MAX_TEMPERATURE = 20.0  # the search runs from 1/20 to 20
SMALLEST = 1e-12  # a probability of 0 has no logarithm
NAN = float("nan")


@dataclass(frozen=True)
class Temperature:
    """What probabilities are flattened (above 1) or sharpened (below 1) by.

    Attributes:
        value: 1 leaves them as they are; NaN where it could not be fitted.
        reason: why it was not fitted, or what is odd about it; empty where all is well.
    """

    value: float
    reason: str = ""


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, *, n_bins: int = N_BINS) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal width (Guo et al. 2017).

    The confidence is the probability of the predicted class. NaN without slides, or where a probability is NaN.

    Args:
        labels: (N,).
        probabilities: (N, C).
        n_bins: of the confidence from 0 to 1, open below and closed above.
    """
    if not len(labels) or np.isnan(probabilities).any():
        return NAN
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * n_bins) - 1, 0, n_bins - 1).astype(int)
    # |accuracy - confidence| of a bin x its part of the slides = |sum of (right - confidence)| / N
    gaps = np.bincount(bins, weights=right - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(labels))


def reliability_curve(
    positive: np.ndarray, probabilities: np.ndarray, *, n_bins: int = N_BINS
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean probability and part of positives of each bin, (B,) and (B,); empty where undefined.

    Args:
        positive: (N,) whether a slide is of the class.
        probabilities: (N,) of the class.
        n_bins: of about equally many slides, so that no point rests on one or two.
    """
    if not len(positive) or np.isnan(probabilities).any():
        return np.empty(0), np.empty(0)
    inside = np.clip(probabilities, 0, 1)  # rounding leaves some a hair above 1
    observed, said = calibration_curve(np.asarray(positive, int), inside, n_bins=n_bins, strategy="quantile")
    return said, observed


def calibration_figures(predictions: Predictions) -> dict[str, float]:
    """Return ``ece``, ``brier`` and ``log_loss`` of labelled predictions; NaN where undefined."""
    labels, probabilities = predictions.known_labels, predictions.probabilities
    defined = len(predictions) and not np.isnan(probabilities).any()
    return {
        "ece": expected_calibration_error(labels, probabilities),
        "brier": brier(labels, probabilities) if defined else NAN,
        "log_loss": _log_loss(labels, probabilities) if defined else NAN,
    }


def fit_temperature(validation: Predictions) -> Temperature:
    """Return the temperature that makes validation slides most likely (Guo et al. 2017).

    Args:
        validation: labelled slides that the model was not trained on; never those it is tested on.
    """
    labels, probabilities = validation.known_labels, validation.probabilities
    if not len(labels):
        return Temperature(NAN, "no validation slide")
    if np.isnan(probabilities).any():
        return Temperature(NAN, "a validation probability is no number")
    if len(np.unique(labels)) < 2:
        return Temperature(NAN, f"all validation slides are of class {validation.class_names[labels[0]]}")
    bound = np.log(MAX_TEMPERATURE)

    def loss(log_temperature: float) -> float:
        return _log_loss(labels, scaled(probabilities, np.exp(log_temperature)))

    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded")
    temperature = float(np.exp(found.x))
    if min(loss(-bound), loss(bound)) <= found.fun + 1e-9:
        return Temperature(temperature, "the validation slides are too few, or too easy, for one to be the best")
    return Temperature(temperature)


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (N, C) after their logits are divided by a temperature; unchanged for NaN.

    The logarithms of probabilities serve as logits: they differ by a constant a row, which softmax removes.
    """
    if np.isnan(temperature):
        return probabilities
    return softmax(np.log(np.maximum(probabilities, SMALLEST)) / temperature, axis=1)


def _log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log-likelihood of N >= 1 slides."""
    logs = log_softmax(np.log(np.maximum(probabilities, SMALLEST)), axis=1)
    return float(log_loss(labels, np.exp(logs), labels=np.arange(probabilities.shape[1])))
