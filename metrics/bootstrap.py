"""95 % intervals by drawing patients anew, each with all of its slides.

Slides of a patient resemble one another, so drawing slides would give intervals that are too narrow. Patients are drawn
within their class, so that a draw never lacks a class that the data have. `scipy.stats.bootstrap` draws and gives the
interval; what it is asked to compute is any function of rows.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sklearn
from scipy import stats

from metrics.figures import SPECIFICITIES, classification_figures, figures_of, is_mean_over_classes
from metrics.predictions import Predictions, rows_by_name

N_RESAMPLES = 1000
SEED = 1
CONFIDENCE = 0.95
METHOD = "BCa"


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; NaN bounds where the interval is undefined."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "undefined"
        bounds = "" if np.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{bounds}"


def figures_with_intervals(
    predictions: Predictions,
    *,
    specificities: Sequence[float] = SPECIFICITIES,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> dict[str, Interval]:
    """Return the classification figures of labelled predictions with their intervals.

    Args:
        predictions: of slides, or of patients.
        specificities: where sensitivities are given.
        n_resamples: how often patients are drawn.
        seed: of the draws.
    """
    of_rows = figures_of_rows(predictions, specificities)
    bounds = intervals(
        lambda rows: list(of_rows(rows).values()),
        predictions.patient_ids,
        strata=predictions.known_labels,
        n_resamples=n_resamples,
        seed=seed,
    )
    whole = classification_figures(predictions, specificities=specificities)
    return {
        name: Interval(value, *(bound.tolist() if np.isfinite(value) else ()))
        for (name, value), bound in zip(whole.items(), bounds, strict=True)
    }


def figures_of_rows(
    predictions: Predictions, specificities: Sequence[float]
) -> Callable[[np.ndarray], dict[str, float]]:
    """Return the function that gives the classification figures of some rows.

    A mean over classes is NaN where the rows lack a class that the predictions have: it would be another figure.
    """
    labels, probabilities, class_names = predictions.known_labels, predictions.probabilities, predictions.class_names
    n_present = len(np.unique(labels))

    def of_rows(rows: np.ndarray) -> dict[str, float]:
        figures = figures_of(labels[rows], probabilities[rows], class_names, specificities)
        if len(np.unique(labels[rows])) < n_present:
            figures |= {name: float("nan") for name in figures if is_mean_over_classes(name)}
        return figures

    return of_rows


def intervals(
    statistic: Callable[[np.ndarray], Sequence[float]],
    patient_ids: Sequence[str],
    *,
    strata: np.ndarray | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
    method: str = METHOD,
) -> np.ndarray:
    """Return the 95 % interval of each of F figures, (F, 2).

    Args:
        statistic: numbers of rows (M,), possibly repeated -> F figures.
        patient_ids: patient of each row.
        strata: (N,) class of each row; patients are drawn within the highest class of their rows. A class of a single
            patient cannot be drawn from, so its patient is drawn with those of the next class, and figures that
            need the class are undefined in draws that lack it. None: all patients alike.
        n_resamples: number of draws.
        seed: of the draws.
        method: ``percentile``, ``basic`` or ``BCa``, as `scipy.stats.bootstrap` has them.

    Returns:
        Lower and upper bounds. NaN where a figure is undefined in a draw, where no draw changes it (an AUC of 1), and
        for fewer than two patients.
    """
    groups = list(rows_by_name(patient_ids).values())
    if len(groups) < 2:
        n_figures = len(statistic(np.arange(len(patient_ids))))
        return np.full((n_figures, 2), np.nan)

    def of_draws(*drawn: np.ndarray, axis: int = -1) -> np.ndarray:  # each (..., n) numbers of patients
        patients = np.concatenate(drawn, axis=axis)
        values = [
            statistic(np.concatenate([groups[p] for p in draw])) for draw in patients.reshape(-1, patients.shape[-1])
        ]
        return np.array(values).T.reshape(-1, *patients.shape[:-1])  # (F, ...)

    parts = _patients_by_stratum(groups, strata)
    with warnings.catch_warnings(), sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        # where all draws are alike: NaN bounds say the same
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.filterwarnings("ignore", "invalid value|divide by zero", RuntimeWarning)
        result = stats.bootstrap(
            parts,
            of_draws,
            n_resamples=n_resamples,
            confidence_level=expanded_confidence([len(part) for part in parts]),
            method=method,
            random_state=np.random.default_rng(seed),
        )
    return np.stack([result.confidence_interval.low, result.confidence_interval.high], axis=-1)


def expanded_confidence(sizes: Sequence[int]) -> float:
    """Return the confidence to ask a bootstrap for, so that few patients get intervals of 95 % and not of less.

    Draws of n vary by sqrt((n - 1) / n) too little, and normal quantiles stand where Student's belong (T. Hesterberg,
    The American Statistician 69 (2015) 371-386). The smallest stratum counts for the first, everyone for the second.

    Args:
        sizes: patients of each stratum, at least two in each.
    """
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, sum(sizes) - len(sizes)) * np.sqrt(min(sizes) / (min(sizes) - 1))
    return float(2 * stats.norm.cdf(quantile) - 1)


def _patients_by_stratum(groups: list[np.ndarray], strata: np.ndarray | None) -> list[np.ndarray]:
    """Return the numbers of the patients of each stratum, at least two in each."""
    everyone = np.arange(len(groups))
    if strata is None:
        return [everyone]
    class_of = np.array([strata[rows].max() for rows in groups])
    parts: list[np.ndarray] = []
    alone = np.empty(0, int)
    for number in np.unique(class_of):
        members = np.concatenate([alone, everyone[class_of == number]])
        alone = members if len(members) < 2 else np.empty(0, int)
        if len(members) >= 2:
            parts.append(members)
    if len(alone):
        parts[-1] = np.concatenate([parts[-1], alone])
    return parts
