"""How well a risk orders times to an event, some of them censored. Needs lifelines: ``pip install lifelines``."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pandas as pd

from utils.errors import UsageError

NAN = float("nan")


@dataclass(frozen=True)
class RiskGroups:
    """Patients above and not above the median risk.

    Attributes:
        curves: group name -> table with index ``time`` and columns ``survival``, ``low``, ``high`` (95 %), ``at_risk``.
        p: of the log-rank test; NaN where a group is empty or nothing happened.
    """

    curves: dict[str, pd.DataFrame]
    p: float


def concordance(times: np.ndarray, events: np.ndarray, risks: np.ndarray) -> float:
    """Return the part of comparable pairs in which the patient of higher risk has the earlier event (Harrell 1982).

    Args:
        times: (N,) to the event or to the end of observation.
        events: (N,) whether the event was observed.
        risks: (N,), higher for earlier events.

    Returns:
        1 for a perfect order, 0.5 for none; NaN where no pair can be compared or a value is no number.

    Raises:
        UsageError: lifelines is not installed.
    """
    lifelines = _lifelines()
    if not len(times) or not _all_finite(times, risks):
        return NAN
    try:
        return float(lifelines.utils.concordance_index(times, -np.asarray(risks, float), events))
    except ZeroDivisionError:  # its word for: no comparable pair
        return NAN


def risk_groups(times: np.ndarray, events: np.ndarray, risks: np.ndarray) -> RiskGroups:
    """Return Kaplan-Meier curves of the patients above and not above the median risk, and how they differ.

    The median is that of these patients, so the groups describe them and are no rule for others.

    Args:
        times, events, risks: as for `concordance`.

    Raises:
        UsageError: lifelines is not installed.
    """
    _lifelines()
    times, events, risks = np.asarray(times, float), np.asarray(events, bool), np.asarray(risks, float)
    if not len(times) or not _all_finite(times, risks):
        return RiskGroups({}, NAN)
    high = risks > np.median(risks)
    sides = {"high risk": high, "low risk": ~high}
    curves = {name: _curve(times[side], events[side]) for name, side in sides.items() if side.any()}
    return RiskGroups(curves, _log_rank(times, events, high))


def _curve(times: np.ndarray, events: np.ndarray) -> pd.DataFrame:
    fitted = _lifelines().KaplanMeierFitter(alpha=0.05).fit(times, events)
    low, high = (fitted.confidence_interval_survival_function_.iloc[:, side] for side in (0, 1))
    survival, at_risk = fitted.survival_function_.iloc[:, 0], fitted.event_table["at_risk"]
    curve = pd.DataFrame({"survival": survival, "low": low, "high": high, "at_risk": at_risk})
    return curve.rename_axis("time")


def _log_rank(times: np.ndarray, events: np.ndarray, high: np.ndarray) -> float:
    if not events.any() or high.all() or not high.any():
        return NAN
    test = _lifelines().statistics.logrank_test(times[high], times[~high], events[high], events[~high])
    return float(test.p_value)


def _all_finite(*values: np.ndarray) -> bool:
    return bool(np.isfinite(np.asarray(values, float)).all())


def _lifelines() -> ModuleType:
    try:
        import lifelines
        import lifelines.statistics
        import lifelines.utils
    except ImportError as error:
        raise UsageError("survival figures need lifelines: pip install lifelines") from error
    return lifelines
