"""DeLong's test against its published example, the definition, and draws."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from metrics.delong import auc_covariance, delong_test

# The example of the paper (Biometrics 44, 837-845): patients with ovarian cancer and an obstructed bowel. Albumin,
# total protein, K-G score and the class (popind), of the 43 patients without a gap, with their results, as in the
# documentation of SAS/STAT (PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves").
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1   3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0   3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1   3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0   2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
TABLE = np.array(OVARIAN.split(), float).reshape(-1, 4)
POSITIVE = TABLE[:, 3] == 1
ALBUMIN, PROTEIN, SCORE = TABLE[:, 0], TABLE[:, 1], 10 - TABLE[:, 2]


@pytest.mark.parametrize(
    ("marker", "area", "difference", "error", "low", "high", "chi_square", "p"),
    [
        (ALBUMIN, 0.7366, 0.0108, 0.0953, -0.1761, 0.1976, 0.0127, 0.9102),
        (PROTEIN, 0.6478, -0.0780, 0.1046, -0.2830, 0.1271, 0.5554, 0.4561),
    ],
)
def test_the_published_example_is_reproduced(marker, area, difference, error, low, high, chi_square, p):
    found = delong_test(POSITIVE, marker, SCORE)
    assert (round(found.auc_a, 4), round(found.auc_b, 4)) == (area, 0.7258)
    assert round(found.difference, 4) == difference
    assert round(found.difference / found.z, 4) == error
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert (round(found.z**2, 4), round(found.p, 4)) == (chi_square, p)


def test_the_published_standard_errors_and_joint_test_are_reproduced():
    covariance = auc_covariance(POSITIVE, np.array([ALBUMIN, SCORE, PROTEIN]))
    assert np.sqrt(np.diag(covariance)).round(4).tolist() == [0.0927, 0.1028, 0.1000]
    areas = np.array([roc_auc_score(POSITIVE, marker) for marker in (ALBUMIN, SCORE, PROTEIN)])
    contrast = np.array([[1, -1, 0], [0, -1, 1]])
    differences = contrast @ areas
    chi_square = differences @ np.linalg.solve(contrast @ covariance @ contrast.T, differences)
    assert (round(chi_square, 4), round(stats.chi2.sf(chi_square, 2), 4)) == (2.5340, 0.2817)


def test_the_covariance_is_that_of_the_structural_components():
    """The definition, pair by pair: 1 where a positive is above a negative, 1/2 where they are equal."""
    rng = np.random.default_rng(0)
    positive = np.arange(40) < 15
    scores = np.round(rng.normal(size=(2, 40)) + positive, 1)  # rounded: with ties
    pairs = [
        (row[positive][:, None] > row[~positive]) + (row[positive][:, None] == row[~positive]) / 2 for row in scores
    ]
    expected = np.cov([p.mean(axis=1) for p in pairs]) / 15 + np.cov([p.mean(axis=0) for p in pairs]) / 25
    np.testing.assert_allclose(auc_covariance(positive, scores), expected)


def test_models_that_are_alike_but_for_noise_are_told_apart_in_5_percent_of_cohorts():
    rng = np.random.default_rng(2)
    positive = np.arange(80) < 40
    p_values = []
    for _ in range(300):
        shared = rng.normal(size=80) + positive
        p_values.append(delong_test(positive, shared + rng.normal(size=80), shared + rng.normal(size=80)).p)
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.08


def test_the_order_of_models_turns_the_sign_alone():
    one, other = delong_test(POSITIVE, ALBUMIN, SCORE), delong_test(POSITIVE, SCORE, ALBUMIN)
    assert (one.z, one.p, one.low) == pytest.approx((-other.z, other.p, -other.high))


def test_models_that_rank_alike_do_not_differ():
    found = delong_test(POSITIVE, ALBUMIN, np.exp(ALBUMIN))
    assert (found.difference, found.p, found.low, found.high) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("positive", "scores", "reason"),
    [
        ([], [], "no patient of another class"),
        ([0, 0], [0.1, 0.2], "no patient of the class"),
        ([1, 1], [0.1, 0.2], "no patient of another class"),
        ([0, 1], [np.nan, 0.2], "no number"),
        ([0, 0, 1], [0.3, 0.1, 0.2], "fewer than two"),
    ],
)
def test_what_cannot_be_compared_is_nan_and_says_why(positive, scores, reason):
    found = delong_test(np.array(positive, bool), np.array(scores), np.array(scores)[::-1])
    assert np.isnan([found.z, found.p, found.low, found.high]).all()
    assert reason in found.reason
