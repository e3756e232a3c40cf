"""Predicted numbers against true ones."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from metrics.regression import FIGURES, Numbers, number_estimator, regression_figures, undefined_because


def test_figures_follow_their_definitions():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=30)
    predicted = targets + rng.normal(size=30)
    assert regression_figures(targets, predicted) == pytest.approx(
        {
            "mae": np.abs(targets - predicted).mean(),
            "rmse": np.sqrt(((targets - predicted) ** 2).mean()),
            "r2": r2_score(targets, predicted),
            "pearson": stats.pearsonr(targets, predicted).statistic,
            "spearman": stats.spearmanr(targets, predicted).statistic,
        }
    )


@pytest.mark.parametrize(
    ("targets", "predicted", "defined"),
    [
        ([], [], set()),
        ([1, np.nan], [1, 2], set()),
        ([1], [2], {"mae", "rmse"}),
        ([1, 1], [2, 3], {"mae", "rmse"}),
        ([1, 2], [2, 2], {"mae", "rmse", "r2"}),
    ],
)
def test_what_is_undefined_is_nan(targets, predicted, defined):
    figures = regression_figures(np.array(targets, float), np.array(predicted, float))
    assert {name for name, value in figures.items() if not np.isnan(value)} == defined


def test_figures_of_a_draw_are_those_of_its_rows():
    rng = np.random.default_rng(0)
    targets, predicted = np.round(rng.normal(size=(2, 30)), 1)  # with equal values
    times_drawn = rng.integers(0, 3, (5, 30))
    found = number_estimator(targets, predicted).of_draws(times_drawn.astype(float))
    for weights, figures in zip(times_drawn, found, strict=True):
        rows = np.repeat(np.arange(30), weights)
        expected = regression_figures(targets[rows], predicted[rows])
        assert dict(zip(FIGURES, figures, strict=True)) == pytest.approx(expected)


def test_a_patients_numbers_are_means():
    patients = Numbers(("1", "2", "3"), ("b", "a", "b"), np.array([1.0, 5, 1]), np.array([1.0, 4, 2])).by_patient()
    assert patients.slide_ids == ("b", "a")
    assert patients.targets.tolist() == [1, 5] and patients.predicted.tolist() == [1.5, 4]


@pytest.mark.parametrize(
    ("targets", "predicted", "reason"),
    [
        ([], [], "no slide"),
        ([1, 2], [np.nan, 2], "1 predictions are no numbers, such as that of 0"),
        ([1, 1], [2, 3], "all true values are the same"),
        ([1, 2], [2, 2], "all predictions are the same"),
    ],
)
def test_what_is_undefined_says_why(targets, predicted, reason):
    names = tuple(map(str, range(len(targets))))
    assert reason in undefined_because(Numbers(names, names, np.array(targets, float), np.array(predicted, float)))[0]
