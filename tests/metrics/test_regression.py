"""Predicted numbers against true ones."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from metrics.regression import regression_figures


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
