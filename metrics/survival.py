"""How well a risk orders times to an event, some of them censored."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from metrics.bootstrap import Estimator
from metrics.cases import Cases, no_figure_because, rows_by_name
from utils.errors import UsageError

NAN = float("nan")
HIGH, LOW = "high risk", "low risk"


@dataclass(frozen=True)
class Risks(Cases):
    """Times, events and predicted risks of N slides, or of N patients.

    Attributes:
        times: (N,) to the event or to the end of observation.
        events: (N,) whether the event was observed.
        risks: (N,), higher for earlier events; NaN where a model gave no number.
        of_model: (N,) number of the model: risks of different models are on different scales.
    """

    known = ("times", "events")
    predicted_as = ("risks",)
    kept = ("of_model",)

    times: np.ndarray
    events: np.ndarray
    risks: np.ndarray
    of_model: np.ndarray

    @property
    def models(self) -> np.ndarray:
        """The model of each row (N,)."""
        return self.of_model

    def as_of_one_model(self) -> "Risks":
        """Return the same rows, as if one model had said all."""
        return replace(self, of_model=np.zeros(len(self), int))

    def known_of(self, groups: Sequence[np.ndarray], voting: str) -> dict[str, Any]:
        """Return the longest time of a patient's slides, and whether the event was observed then."""
        last = [rows[np.argmax(self.times[rows])] for rows in groups]
        return {"times": self.times[last], "events": self.events[last]} if last else {}

    def above_median(self) -> np.ndarray:
        """Say of each row (N,) whether its risk is above the median of its model's rows."""
        high = np.zeros(len(self), bool)
        for rows in rows_by_name(self.models.tolist()).values():
            high[rows] = self.risks[rows] > np.median(self.risks[rows])
        return high


@dataclass(frozen=True)
class RiskGroups:
    """Patients above and not above the median risk.

    Attributes:
        curves: group name -> table with index ``time`` and columns ``survival``, ``low``, ``high`` (95 %), ``at_risk``,
            ``events``.
        p: of the log-rank test; NaN where a group is empty or nothing happened.
    """

    curves: dict[str, pd.DataFrame]
    p: float


def require_lifelines() -> ModuleType:
    """Return the library that figures of survival come from; it takes a second to import.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module("lifelines.utils")
    except ImportError as error:
        raise UsageError(
            "survival needs the library lifelines: pip install lifelines, or pip install .[survival]"
        ) from error


def p_text(p: float) -> str:
    """Return a p-value as a reader sees it."""
    if np.isnan(p):
        return "undefined"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def concordance(times: np.ndarray, events: np.ndarray, risks: np.ndarray) -> float:
    """Return the part of comparable pairs in which the patient of higher risk has the earlier event (Harrell 1982).

    Args:
        times: (N,) to the event or to the end of observation.
        events: (N,) whether the event was observed.
        risks: (N,), higher for earlier events; a pair of equal ones counts half.

    Returns:
        1 for a perfect order, 0.5 for none; NaN where no pair can be compared or a value is no number.
    """
    if not np.isfinite([times, risks]).all():
        return NAN
    times, events, risks = np.asarray(times, float), np.asarray(events, bool), np.asarray(risks, float)
    if not _pairs(times, events, risks)[1].any():
        return NAN
    return float(require_lifelines().concordance_index(times, -risks, events))


def concordance_estimator(risks: Risks) -> Estimator:
    """Return the concordance, the mean of the models', as a function of how often each row is drawn.

    It is that of ``concordance``, for a thousand draws at once. Patients are compared with those of the same model
    alone. A model without comparable pairs does not count. Patients
    are drawn within those with the event and those without.
    """
    parts = rows_by_name(risks.models.tolist()).values()
    defined = bool(len(risks)) and bool(np.isfinite([risks.times, risks.risks]).all())
    events = risks.events.astype(bool)
    pairs = [(rows, *_pairs(risks.times[rows], events[rows], risks.risks[rows])) for rows in parts if defined]

    def of_draws(weights: np.ndarray) -> np.ndarray:
        of_models = [_of_pairs(weights[:, rows], first, comparable, right) for rows, first, comparable, right in pairs]
        return _mean_of_defined(np.array(of_models).reshape(len(of_models), len(weights)))[:, None]

    return Estimator(["concordance"], of_draws, events.astype(int))


def undefined_because(risks: Risks) -> list[str]:
    """Return why the concordance is undefined, one line a reason; empty where it is defined."""
    broken = no_figure_because(risks, ~np.isfinite(risks.risks))
    if broken:
        return broken
    if np.isnan(concordance_estimator(risks).of_draws(np.ones((1, len(risks))))).any():
        return ["of no two slides is it known whose event came first, so no concordance is defined"]
    return []


def risk_groups(times: np.ndarray, events: np.ndarray, high: np.ndarray) -> RiskGroups:
    """Return Kaplan-Meier curves of two groups of patients, and how they differ.

    Args:
        times, events: as for `concordance`.
        high: (N,) who is of high risk.
    """
    times, events, high = np.asarray(times, float), np.asarray(events, bool), np.asarray(high, bool)
    sides = {HIGH: high, LOW: ~high}
    curves = {name: _curve(times[side], events[side]) for name, side in sides.items() if side.any()}
    return RiskGroups(curves, _log_rank(times, events, high))


def halves_by_risk(risks: Risks) -> RiskGroups:
    """Return the groups above and not above the median risk; with several models, the median of each model's patients.

    Medians are those of these patients, so the groups describe them and are no rule for others. Whom several models
    tested is of high risk where most of them say so.
    """
    if not np.isfinite(risks.risks).all():
        return RiskGroups({}, NAN)
    groups = list(rows_by_name(risks.slide_ids).values())
    above, first = risks.above_median(), [rows[0] for rows in groups]
    high = np.array([above[rows].mean() > 0.5 for rows in groups], bool)
    return risk_groups(risks.times[first], risks.events[first], high) if first else RiskGroups({}, NAN)


def _pairs(times: np.ndarray, events: np.ndarray, risks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows with an event (E,), whom they are known to precede (E, N), and whether they should (E, N).

    Someone observed for as long as another until that one's event is known to have it later.
    """
    first = np.flatnonzero(events)
    sooner = times[first][:, None] < times
    comparable = sooner | ((times[first][:, None] == times) & ~events)
    difference = risks[first][:, None] - risks
    right = comparable * ((difference > 0) + 0.5 * (difference == 0))
    return first, comparable.astype(np.float32), right.astype(np.float32)


def _of_pairs(weights: np.ndarray, first: np.ndarray, comparable: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the concordance (B,) of draws (B, N)."""
    of_first = weights[:, first]
    counted, won = (np.sum((of_first @ pairs) * weights, axis=1) for pairs in (comparable, right))
    return np.divide(won, counted, out=np.full(len(weights), NAN), where=counted > 0)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean (B,) over models (M, B) of what is not NaN."""
    known = ~np.isnan(values)
    n_known = known.sum(axis=0)
    return np.divide(
        np.where(known, values, 0).sum(axis=0), n_known, out=np.full(values.shape[1], NAN), where=n_known > 0
    )


def _curve(times: np.ndarray, events: np.ndarray) -> pd.DataFrame:
    """Return the Kaplan-Meier estimate with Greenwood's interval of its log-log, from time 0 on."""
    survival = stats.ecdf(stats.CensoredData.right_censored(times, ~events)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # without a bound before the first event and at 0
        bounds = survival.confidence_interval(0.95, method="log-log")
    found = {"survival": survival.probabilities, "low": bounds.low.probabilities, "high": bounds.high.probabilities}
    curve = pd.DataFrame(found, index=pd.Index(survival.quantiles, name="time"))
    start = pd.DataFrame(1.0, index=pd.Index([0.0], name="time"), columns=curve.columns)
    curve = pd.concat([start, curve])
    curve.loc[curve["survival"] == 1, ["low", "high"]] = 1.0
    return curve.assign(
        at_risk=[int((times >= time).sum()) for time in curve.index],
        events=[0, *(int(events[times == time].sum()) for time in survival.quantiles)],
    )


def _log_rank(times: np.ndarray, events: np.ndarray, high: np.ndarray) -> float:
    if not events.any() or high.all() or not high.any():
        return NAN
    sides = [stats.CensoredData.right_censored(times[side], ~events[side]) for side in (high, ~high)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(stats.logrank(*sides).pvalue)
