"""Risks against times to events, held to lifelines."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.cases import ensemble, pooled
from metrics.survival import Risks, concordance, concordance_estimator, halves_by_risk, risk_groups, undefined_because
from tests.metrics.cohorts import risks

TIMES, EVENTS = np.array([1.0, 2, 3, 4]), np.array([True, True, False, True])


def test_the_higher_risk_should_have_the_earlier_event():
    assert concordance(TIMES, EVENTS, -TIMES) == 1
    assert concordance(TIMES, EVENTS, TIMES) == 0
    assert concordance(TIMES, EVENTS, np.zeros(4)) == 0.5


def test_pairs_in_which_nobody_is_known_to_be_first_do_not_count():
    # comparable: (1, 2), (1, 3), (1, 4), (2, 3), (2, 4); the last two are ranked wrong
    assert concordance(TIMES, EVENTS, np.array([4.0, 1, 2, 3])) == pytest.approx(3 / 5)


@pytest.mark.parametrize("seed", range(5))
def test_the_concordance_of_many_draws_is_that_of_lifelines(seed):
    rng = np.random.default_rng(seed)
    times, events = rng.integers(1, 12, 40).astype(float), rng.random(40) < 0.6
    risk = np.round(rng.normal(size=40), 1)  # times and risks that are equal, too
    ids = tuple(map(str, range(40)))
    given = Risks(ids, ids, times, events, risk, np.zeros(40, int))
    assert concordance_estimator(given).values(40)["concordance"] == pytest.approx(concordance(times, events, risk))


@pytest.mark.parametrize(
    ("times", "events", "risk"), [([], [], []), ([1, 2], [False, False], [1, 2]), ([1, 2], [True, True], [np.nan, 2])]
)
def test_what_cannot_be_compared_is_nan(times, events, risk):
    assert np.isnan(concordance(np.array(times, float), np.array(events, bool), np.array(risk, float)))


def test_the_concordance_of_a_draw_is_that_of_its_rows():
    given = risks(30)
    times_drawn = np.random.default_rng(0).integers(0, 3, (5, 30))
    found = concordance_estimator(given).of_draws(times_drawn.astype(float))[:, 0]
    rows = [np.repeat(np.arange(30), weights) for weights in times_drawn]
    np.testing.assert_allclose(found, [concordance(given.times[r], given.events[r], given.risks[r]) for r in rows])


def test_pooled_risks_are_compared_within_their_model_alone():
    given = risks(60, n_models=2)
    parts = [given.rows(np.flatnonzero(given.of_model == model)) for model in range(2)]
    each = [concordance(part.times, part.events, part.risks) for part in parts]
    together = pooled(parts)
    assert concordance_estimator(together).values(60)["concordance"] == pytest.approx(np.mean(each))
    assert (
        halves_by_risk(together).curves["high risk"]["at_risk"].max() == 30
    )  # half of each model's, whatever its scale


def test_a_model_without_comparable_patients_does_not_count():
    given, silent = risks(30), replace(risks(30), events=np.zeros(30, bool), of_model=np.ones(30, int))
    named = replace(silent, slide_ids=tuple(f"other_{i}" for i in range(30)))
    assert concordance_estimator(pooled([given, named])).values(60) == concordance_estimator(given).values(30)


def test_a_slide_that_several_models_tested_counts_in_each_but_is_one_patient_of_a_curve():
    one, other = risks(20), replace(risks(20, seed=1), times=risks(20).times, events=risks(20).events)
    other = replace(other, of_model=np.ones(20, int))
    together = pooled([one, other])
    assert len(together) == 40 and len(set(together.slide_ids)) == 20
    assert sum(curve["at_risk"].max() for curve in halves_by_risk(together).curves.values()) == 20
    np.testing.assert_allclose(ensemble([one, other]).risks, (one.risks + other.risks) / 2)


def test_groups_of_risk_have_their_own_curves():
    rng = np.random.default_rng(0)
    high = np.arange(80) >= 40
    times = rng.exponential(np.where(high, 1, 10))
    groups = risk_groups(times, np.ones(80, bool), high)
    assert groups.p < 0.001
    assert {name: int(curve["at_risk"].max()) for name, curve in groups.curves.items()} == {
        "high risk": 40,
        "low risk": 40,
    }
    curve = groups.curves["high risk"]
    # all events seen: Kaplan-Meier is the part still without one
    middle = curve.index[20]
    assert curve["survival"][middle] == pytest.approx(np.mean(times[40:] > middle))
    assert curve.iloc[0].to_dict() == {"survival": 1, "low": 1, "high": 1, "at_risk": 40, "events": 0}


def test_curves_their_intervals_and_the_log_rank_test_are_those_of_lifelines():
    lifelines, test = pytest.importorskip("lifelines"), pytest.importorskip("lifelines.statistics")
    given = risks(60)
    high = given.above_median()
    groups = risk_groups(given.times, given.events, high)
    fitted = lifelines.KaplanMeierFitter().fit(given.times[high], given.events[high])
    curve, bounds = groups.curves["high risk"].iloc[1:-1], fitted.confidence_interval_survival_function_
    np.testing.assert_allclose(curve["survival"], fitted.survival_function_.loc[curve.index].iloc[:, 0])
    np.testing.assert_allclose(curve[["low", "high"]], bounds.loc[curve.index])
    p = test.logrank_test(given.times[high], given.times[~high], given.events[high], given.events[~high]).p_value
    assert groups.p == pytest.approx(p)


def test_a_patient_has_the_mean_risk_and_the_longest_time():
    slides = replace(risks(3), patient_ids=("a", "b", "a"), times=np.array([1.0, 2, 3]), risks=np.array([1.0, 2, 4]))
    patients = slides.by_patient()
    assert patients.slide_ids == ("a", "b") and slides.patients_that_differ() == ["a"]
    assert patients.risks.tolist() == [2.5, 2] and patients.times.tolist() == [3, 2]
    assert patients.events.tolist() == [False, True]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (risks(0), "no slide"),
        (replace(risks(2), risks=np.array([np.nan, 1])), "1 predictions are no numbers, such as that of patient_0"),
        (risks(1), "of no two slides is it known whose event came first"),
    ],
)
def test_what_is_undefined_says_why_and_crashes_nothing(given, reason):
    assert reason in undefined_because(given)[0]
    assert np.isnan(concordance_estimator(given).values(len(given))["concordance"])
    assert np.isnan(halves_by_risk(given).p)
