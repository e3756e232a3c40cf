"""Intervals hold what they promise, by patient."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import misses
from metrics import bootstrap
from metrics.bootstrap import Interval, expanded_confidence, intervals
from metrics.figures import class_estimator
from metrics.predictions import Predictions
from tests.metrics.cohorts import of, predictions


def figures_with_intervals(given: Predictions, **options) -> dict[str, Interval]:
    return bootstrap.figures_with_intervals(class_estimator(given), given.patient_ids, **options)


def mean_of(values: np.ndarray):
    """Return the mean of values (N,) as a function of how often each is drawn."""
    return lambda weights: (weights @ values / weights.sum(axis=1))[:, None]


def test_a_95_percent_interval_holds_the_true_auc_in_92_to_97_percent_of_cohorts():
    n_cohorts = 300
    below, above, undefined = misses(60, 0.8, n_cohorts, n_resamples=200)
    assert undefined == 0
    assert 0.92 <= 1 - (below + above) / n_cohorts <= 0.97


@pytest.mark.soak
@pytest.mark.parametrize("n_patients", [30, 60, 120])
@pytest.mark.parametrize("true_auc", [0.75, 0.9])
def test_intervals_hold_the_true_auc_in_small_and_large_cohorts(n_patients, true_auc):
    below, above, undefined = misses(n_patients, true_auc, 1000)
    assert 0.92 <= 1 - (below + above) / (1000 - undefined) <= 0.97


def test_intervals_are_the_same_for_the_same_seed_and_others_for_another():
    given = predictions()
    first, again, other = (figures_with_intervals(given, n_resamples=30, seed=seed) for seed in (1, 1, 2))
    assert str(first) == str(again) != str(other)


def test_an_interval_lies_around_its_figure():
    for interval in figures_with_intervals(predictions(90, 3), n_resamples=60).values():
        assert interval.low < interval.value < interval.high


def test_slides_of_a_patient_are_drawn_together():
    """Ten copies of each slide say no more than one, so the interval stays as wide."""
    rng = np.random.default_rng(0)
    values, patients = rng.normal(size=40), [str(i) for i in range(40)]
    single = intervals(mean_of(values), patients, n_resamples=200)
    copied = np.repeat(values, 10)
    many = intervals(mean_of(copied), list(np.repeat(patients, 10)), n_resamples=200)
    np.testing.assert_allclose(many, single)


def test_the_interval_of_a_mean_is_near_students():
    values = np.random.default_rng(3).normal(size=25)
    found = intervals(mean_of(values), [str(i) for i in range(25)], n_resamples=4000)[0]
    expected = stats.t.interval(0.95, 24, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(found, expected, atol=0.08 * np.ptp(expected))


def test_fewer_patients_ask_for_more_confidence():
    few, many = expanded_confidence([10, 12]), expanded_confidence([5000, 5000])
    assert 0.96 < few < 0.99 and many == pytest.approx(0.95, abs=1e-4)


def test_draws_never_lack_a_class():
    given = of([0] * 20 + [1] * 2, [*np.linspace(0, 0.6, 20), 0.3, 0.5])
    assert not np.isnan(figures_with_intervals(given, n_resamples=60)["auc_macro"].low)


def test_a_class_of_a_single_patient_leaves_its_figures_without_interval():
    given = of([0] * 20 + [1], [*np.linspace(0, 1, 20), 0.5])
    found = figures_with_intervals(given, n_resamples=60)
    assert np.isnan(found["auc_macro"].low) and not np.isnan(found["auc_macro"].value)
    assert not np.isnan(found["accuracy"].low)


@pytest.mark.parametrize("given", [of([], []), of([1], [0.5]), of([0, 0], [0.2, 0.4]), of([0, 1], [np.nan, 0.4])])
def test_an_undefined_figure_has_no_interval(given):
    interval = figures_with_intervals(given, n_resamples=20)["auc_macro"]
    assert np.isnan([interval.value, interval.low, interval.high]).all()
    assert str(interval) == "undefined"


def test_an_auc_of_1_has_no_interval():
    """All draws are alike, which says nothing of how sure it is."""
    interval = figures_with_intervals(of([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9]))["auc_macro"]
    assert interval.value == 1 and np.isnan(interval.low)
