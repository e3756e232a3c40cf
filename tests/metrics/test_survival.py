"""Risks against times to events."""

import sys

import numpy as np
import pytest

from metrics.survival import concordance, risk_groups
from utils.errors import UsageError

pytest.importorskip("lifelines")
TIMES, EVENTS = np.array([1.0, 2, 3, 4]), np.array([True, True, False, True])


def test_the_higher_risk_should_have_the_earlier_event():
    assert concordance(TIMES, EVENTS, -TIMES) == 1
    assert concordance(TIMES, EVENTS, TIMES) == 0
    assert concordance(TIMES, EVENTS, np.zeros(4)) == 0.5


def test_pairs_in_which_nobody_is_known_to_be_first_do_not_count():
    # comparable: (1, 2), (1, 3), (1, 4), (2, 3), (2, 4); the last two are ranked wrong
    assert concordance(TIMES, EVENTS, np.array([4.0, 1, 2, 3])) == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("times", "events", "risks"), [([], [], []), ([1, 2], [False, False], [1, 2]), ([1, 2], [True, True], [np.nan, 2])]
)
def test_what_cannot_be_compared_is_nan(times, events, risks):
    assert np.isnan(concordance(np.array(times, float), np.array(events, bool), np.array(risks, float)))
    assert np.isnan(risk_groups(np.array(times, float), np.array(events, bool), np.array(risks, float)).p)


def test_groups_of_risk_have_their_own_curves():
    rng = np.random.default_rng(0)
    risks = np.arange(80.0)
    times = rng.exponential(np.where(risks > 39.5, 1, 10))
    groups = risk_groups(times, np.ones(80, bool), risks)
    assert groups.p < 0.001
    assert {name: int(curve["at_risk"].max()) for name, curve in groups.curves.items()} == {
        "high risk": 40,
        "low risk": 40,
    }
    high = groups.curves["high risk"]
    # all events seen: Kaplan-Meier is the part still without one
    middle = high.index[20]
    assert high["survival"][middle] == pytest.approx(np.mean(times[40:] > middle))


def test_without_lifelines_the_message_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "lifelines", None)
    with pytest.raises(UsageError, match="pip install lifelines"):
        concordance(TIMES, EVENTS, TIMES)
