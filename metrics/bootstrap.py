"""95 % intervals by drawing patients anew, each with all of its slides.

Slides of a patient resemble one another, so drawing slides would give intervals that are too narrow. Patients are drawn
within their class, so that a draw never lacks a class that the data have. `scipy.stats.bootstrap` draws and gives the
interval; what it is asked to compute is any function of how often each row is drawn.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from metrics.cases import rows_by_name

N_RESAMPLES = 1000
SEED = 1
CONFIDENCE = 0.95
METHOD = "BCa"
NUMBERS_AT_ONCE = 1_000_000  # rows x draws, to bound the memory


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


@dataclass(frozen=True)
class Estimator:
    """F figures of N rows, as a function of how often each row is drawn.

    That function takes many draws at once, which is a thousand times faster than one call a draw.

    Attributes:
        names: of the figures.
        of_draws: how often each row is drawn (B, N) -> figures (B, F); NaN where undefined.
        strata: (N,) within which patients are drawn; None: everyone alike.
    """

    names: list[str]
    of_draws: Callable[[np.ndarray], np.ndarray]
    strata: np.ndarray | None = None

    def values(self, n_rows: int) -> dict[str, float]:
        """Return the figures of all N rows, each taken once."""
        return dict(zip(self.names, self.of_draws(np.ones((1, n_rows)))[0].tolist(), strict=True))


def figures_with_intervals(
    estimator: Estimator, patient_ids: Sequence[str], *, n_resamples: int = N_RESAMPLES, seed: int = SEED
) -> dict[str, Interval]:
    """Return figures with their intervals.

    Args:
        estimator: of the figures.
        patient_ids: patient of each row.
        n_resamples: how often patients are drawn.
        seed: of the draws.
    """
    bounds = intervals(
        estimator.of_draws, patient_ids, strata=estimator.strata, n_resamples=n_resamples, seed=seed
    ).tolist()
    whole = estimator.values(len(patient_ids))
    return {
        name: Interval(value, *(bound if np.isfinite(value) else ()))
        for (name, value), bound in zip(whole.items(), bounds, strict=True)
    }


def intervals(
    of_draws: Callable[[np.ndarray], np.ndarray],
    patient_ids: Sequence[str],
    *,
    strata: np.ndarray | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
    method: str = METHOD,
) -> np.ndarray:
    """Return the 95 % interval of each of F figures, (F, 2).

    Args:
        of_draws: how often each row is drawn (B, N) -> figures (B, F).
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
    groups = rows_by_name(patient_ids)
    if len(groups) < 2:
        return np.full((of_draws(np.ones((1, len(patient_ids)))).shape[1], 2), np.nan)
    number_of = {name: number for number, name in enumerate(groups)}
    patient_of_row = np.array([number_of[name] for name in patient_ids])

    def statistic(*drawn: np.ndarray, axis: int = -1) -> np.ndarray:  # each (..., n) numbers of patients
        patients = np.concatenate(drawn, axis=axis)
        times_drawn = _counts(patients.reshape(-1, patients.shape[-1]), len(groups))
        return of_draws(times_drawn[:, patient_of_row]).T.reshape(-1, *patients.shape[:-1])  # (F, ...)

    parts = _patients_by_stratum(list(groups.values()), strata)
    with warnings.catch_warnings():
        # where all draws are alike: NaN bounds say the same
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.filterwarnings("ignore", "invalid value|divide by zero", RuntimeWarning)
        result = stats.bootstrap(
            parts,
            statistic,
            n_resamples=n_resamples,
            batch=max(1, NUMBERS_AT_ONCE // len(patient_ids)),
            confidence_level=expanded_confidence([len(part) for part in parts]),
            method=method,
            random_state=np.random.default_rng(seed),
        )
    return np.stack([result.confidence_interval.low, result.confidence_interval.high], axis=-1)


def _counts(drawn: np.ndarray, n_patients: int) -> np.ndarray:
    """Return how often each patient (B, P) is among the drawn ones (B, n)."""
    shifted = drawn + n_patients * np.arange(len(drawn))[:, None]
    counts = np.bincount(shifted.ravel(), minlength=n_patients * len(drawn))
    return counts.reshape(len(drawn), n_patients).astype(float)


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
