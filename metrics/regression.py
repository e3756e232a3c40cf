"""How good predicted numbers are. What is undefined is NaN, and never a crash."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrics.bootstrap import Estimator
from metrics.cases import Cases, no_figure_because

FIGURES = ["mae", "rmse", "r2", "pearson", "spearman"]
NAN = float("nan")


@dataclass(frozen=True)
class Numbers(Cases):
    """True and predicted numbers of N slides, or of N patients.

    Attributes:
        targets: (N,) true numbers; of a patient, the mean of the slides'.
        predicted: (N,); NaN where a model gave no number.
    """

    known = ("targets",)
    predicted_as = ("predicted",)

    targets: np.ndarray
    predicted: np.ndarray

    def known_of(self, groups: Sequence[np.ndarray], voting: str) -> dict[str, Any]:
        """Return the mean of the slides' numbers."""
        return {"targets": np.array([self.targets[rows].mean() for rows in groups], float)}


def regression_figures(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return ``mae``, ``rmse``, ``r2``, ``pearson`` and ``spearman``.

    Args:
        targets: (N,) true numbers.
        predicted: (N,).

    Returns:
        The figures. All NaN for no value or one that is no number; ``r2`` needs two targets that differ, correlations
        two values that differ on both sides.
    """
    return number_estimator(targets, predicted).values(len(targets))


def number_estimator(targets: np.ndarray, predicted: np.ndarray) -> Estimator:
    """Return `regression_figures` as a function of how often each row is drawn."""
    targets, predicted = np.asarray(targets, float), np.asarray(predicted, float)

    def of_draws(weights: np.ndarray) -> np.ndarray:
        if not len(targets) or not np.isfinite([targets, predicted]).all():
            return np.full((len(weights), len(FIGURES)), NAN)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _figures(targets, predicted, weights)

    return Estimator(FIGURES, of_draws)


def undefined_because(numbers: Numbers) -> list[str]:
    """Return why figures are undefined, one line a reason; empty where all are defined."""
    broken = no_figure_because(numbers, ~np.isfinite(numbers.predicted))
    if broken:
        return broken
    if np.ptp(numbers.targets) == 0:
        return ["all true values are the same, so neither R² nor a correlation is defined"]
    return ["all predictions are the same, so no correlation is defined"] if np.ptp(numbers.predicted) == 0 else []


def _figures(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the figures (B, F) of draws (B, N)."""
    errors, total = predicted - targets, weights.sum(axis=1)
    squared = weights @ errors**2 / total
    variance = _covariance(targets, targets, weights)
    columns = {
        "mae": weights @ np.abs(errors) / total,
        "rmse": np.sqrt(squared),
        "r2": np.where(variance > 0, 1 - squared / variance, NAN),
        "pearson": _correlation(targets, predicted, weights),
        "spearman": _correlation(_ranks(targets, weights), _ranks(predicted, weights), weights),
    }
    return np.stack([columns[name] for name in FIGURES], axis=1)


def _correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation (B,) of x and y, each (N,) or (B, N), of draws (B, N)."""
    spreads = [np.sqrt(_covariance(values, values, weights)) for values in (x, y)]
    product = spreads[0] * spreads[1]
    return np.where(product > 0, np.clip(_covariance(x, y, weights) / product, -1, 1), NAN)


def _covariance(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the covariance (B,) of draws; exactly 0 where all values drawn are alike."""
    total = weights.sum(axis=1)
    x, y = _from_first(x, weights), _from_first(y, weights)
    means = [np.sum(weights * values, axis=1) / total for values in (x, y)]
    return np.sum(weights * (x - means[0][:, None]) * (y - means[1][:, None]), axis=1) / total


def _from_first(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return values (B, N) as differences from the first that is drawn."""
    values = np.broadcast_to(values, weights.shape)
    return values - np.take_along_axis(values, np.argmax(weights > 0, axis=1)[:, None], axis=1)


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the rank (B, N) of each value (N,) among those drawn; the mean of their ranks for equal ones."""
    _, group_of_row = np.unique(values, return_inverse=True)
    order = np.argsort(group_of_row, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(group_of_row[order])), len(order) - 1)
    up_to = np.cumsum(weights[:, order], axis=1)[:, ends]
    before = np.pad(up_to[:, :-1], ((0, 0), (1, 0)))
    return ((before + up_to + 1) / 2)[:, group_of_row]
