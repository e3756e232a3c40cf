"""How good predicted numbers are. What is undefined is NaN, and never a crash."""

import numpy as np
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

FIGURES = ("mae", "rmse", "r2", "pearson", "spearman")
NAN = float("nan")


def regression_figures(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return ``mae``, ``rmse``, ``r2``, ``pearson`` and ``spearman``.

    Args:
        targets: (N,) true numbers.
        predicted: (N,).

    Returns:
        The figures. All NaN for no value or one that is no number; ``r2`` needs two targets that differ, correlations
        two values that differ on both sides.
    """
    targets, predicted = np.asarray(targets, float), np.asarray(predicted, float)
    if not len(targets) or not np.isfinite([targets, predicted]).all():
        return dict.fromkeys(FIGURES, NAN)
    varied = np.ptp(targets) > 0
    correlated = varied and np.ptp(predicted) > 0
    return {
        "mae": float(mean_absolute_error(targets, predicted)),
        "rmse": float(root_mean_squared_error(targets, predicted)),
        "r2": float(r2_score(targets, predicted)) if varied else NAN,
        "pearson": float(stats.pearsonr(targets, predicted).statistic) if correlated else NAN,
        "spearman": float(stats.spearmanr(targets, predicted).statistic) if correlated else NAN,
    }
