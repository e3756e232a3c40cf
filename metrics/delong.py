"""DeLong's test: do two models have the same AUC on the same patients?

E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837-845, computed from ranks as by X. Sun and
W. Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393. It holds for
independent subjects: give it one score a patient.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

CONFIDENCE = 0.95
NAN = float("nan")


@dataclass(frozen=True)
class DeLong:
    """Two correlated AUCs compared.

    Attributes:
        auc_a, auc_b: areas of the two models.
        covariance: of the two areas, (2, 2).
        z: difference by its standard error; NaN where the error is 0.
        p: two-sided; 1 where the models rank alike.
        low, high: 95 % interval of ``difference``, of the normal distribution.
        reason: why figures are undefined; empty where they are defined.
    """

    auc_a: float
    auc_b: float
    covariance: np.ndarray
    z: float
    p: float
    low: float
    high: float
    reason: str = ""

    @property
    def difference(self) -> float:
        """``auc_a`` - ``auc_b``."""
        return self.auc_a - self.auc_b


def delong_test(positive: np.ndarray, scores_a: np.ndarray, scores_b: np.ndarray) -> DeLong:
    """Compare the AUCs of two models on the same N patients.

    Args:
        positive: (N,) whether a patient is of the class.
        scores_a, scores_b: (N,), higher for the class.

    Returns:
        The comparison. Undefined figures are NaN: a side has no patient (areas), fewer than two (errors), or a score is
        no number.
    """
    positive, scores = np.asarray(positive, bool), np.array([scores_a, scores_b], float)  # (N,), (2, N)
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if np.isnan(scores).any():
        return _undefined("a score is no number")
    if not (n_positive and n_negative):
        return _undefined("no patient of the class" if n_negative else "no patient of another class")
    auc_a, auc_b = (float(roc_auc_score(positive, row)) for row in scores)
    if min(n_positive, n_negative) < 2:
        return _undefined("fewer than two patients of the class, or of the others", auc_a, auc_b)
    return _compared(auc_a, auc_b, auc_covariance(positive, scores))


def auc_covariance(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the estimated covariance (K, K) of the AUCs of K models.

    Args:
        positive: (N,) bool, at least two of each side.
        scores: (K, N).
    """
    n_positive, n_negative = positive.sum(), (~positive).sum()
    ranks = stats.rankdata(scores, axis=1)
    # a patient's rank among all less that among its own side: how many of the other side lie below, ties half
    beaten = (ranks[:, positive] - stats.rankdata(scores[:, positive], axis=1)) / n_negative  # (K, positives)
    lost_to = 1 - (ranks[:, ~positive] - stats.rankdata(scores[:, ~positive], axis=1)) / n_positive  # (K, negatives)
    return np.atleast_2d(np.cov(beaten) / n_positive + np.cov(lost_to) / n_negative)


def _compared(auc_a: float, auc_b: float, covariance: np.ndarray) -> DeLong:
    difference = auc_a - auc_b
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    error = float(np.sqrt(max(variance, 0.0)))
    if error < 1e-12:  # of rounding
        same = abs(difference) < 1e-12
        reason = "" if same else "the difference has no variance on these patients"
        bound = 0.0 if same else NAN
        return DeLong(auc_a, auc_b, covariance, NAN, 1.0 if same else NAN, bound, bound, reason)
    z = difference / error
    low, high = stats.norm.interval(CONFIDENCE, loc=difference, scale=error)
    return DeLong(auc_a, auc_b, covariance, z, float(2 * stats.norm.sf(abs(z))), float(low), float(high))


def _undefined(reason: str, auc_a: float = NAN, auc_b: float = NAN) -> DeLong:
    return DeLong(auc_a, auc_b, np.full((2, 2), NAN), NAN, NAN, NAN, NAN, reason)
