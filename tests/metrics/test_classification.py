"""Figures of predictions, and what happens where they are undefined."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from metrics.classification import auc, class_counts, error_rate

LABELS = np.array([0, 1, 2, 0, 1, 2])
PROBABILITIES = np.random.RandomState(0).dirichlet(np.ones(3), 6)


def test_two_classes_are_ranked_by_class_1():
    assert auc(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])) == 0.75


def test_more_classes_are_averaged_one_against_the_rest():
    assert auc(LABELS, PROBABILITIES) == pytest.approx(roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr"))


def test_micro_takes_all_pairs_together():
    expected = roc_auc_score(np.eye(3)[LABELS].ravel(), PROBABILITIES.ravel())
    assert auc(LABELS, PROBABILITIES, micro=True) == pytest.approx(expected)
    assert expected != pytest.approx(auc(LABELS, PROBABILITIES))


def test_an_absent_class_is_left_out_of_the_mean_and_named(caplog):
    kept = LABELS != 2
    labels, probabilities = LABELS[kept], PROBABILITIES[kept]
    expected = np.mean([roc_auc_score(labels == c, probabilities[:, c]) for c in (0, 1)])
    assert auc(labels, probabilities, what="fold 4, test") == pytest.approx(expected)
    assert "fold 4, test lacks class [2]" in caplog.text


@pytest.mark.parametrize(
    ("labels", "probabilities", "reason"),
    [
        ([1, 1], [[0.5, 0.5], [0.1, 0.9]], "only class 1"),
        ([], np.empty((0, 2)), "no bag"),
        ([0, 1], [[np.nan, np.nan], [0.1, 0.9]], "no numbers"),
    ],
)
def test_an_undefined_auc_is_nan_and_says_why(labels, probabilities, reason, caplog):
    assert math.isnan(auc(np.array(labels), np.array(probabilities), what="fold 4, test"))
    assert "fold 4, test" in caplog.text and reason in caplog.text


def test_errors_and_class_counts():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    assert error_rate(labels, predicted) == pytest.approx(1 / 3)
    assert class_counts(labels, predicted, 3) == [(1, 2), (1, 1), (0, 0)]
    assert math.isnan(error_rate(np.array([]), np.array([])))
