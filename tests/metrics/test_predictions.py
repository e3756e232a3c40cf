"""Slides become patients, folds become runs."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.cases import ensemble, pooled
from tests.metrics.cohorts import of, predictions
from utils.errors import UsageError


def test_a_patient_has_the_mean_probability_of_its_slides():
    patients = of([1, 0, 1], [0.2, 0.5, 0.6], ["b", "a", "b"]).by_patient()
    assert patients.slide_ids == patients.patient_ids == ("b", "a")
    np.testing.assert_allclose(patients.probabilities[:, 1], [0.4, 0.5])
    assert patients.labels.tolist() == [1, 0]


@pytest.mark.parametrize(("voting", "expected"), [("max", [1, 1]), ("maj", [0, 0])])
def test_where_slides_differ_a_patients_label_is_voted(voting, expected):
    slides = of([0, 0, 1, 0, 1], [0.5] * 5, ["a", "a", "a", "b", "b"])  # a: 2 to 1; b: a draw
    assert slides.by_patient(voting).labels.tolist() == expected
    assert slides.patients_that_differ() == ["a", "b"]


def test_an_undefined_slide_makes_its_patient_undefined():
    patients = of([0, 0, 1], [np.nan, 0.5, 0.5], ["a", "a", "b"]).by_patient()
    assert np.isnan(patients.probabilities[0]).all() and not np.isnan(patients.probabilities[1]).any()


def test_folds_are_put_together_and_a_slide_tested_twice_counts_once():
    first, second = of([0, 1], [0.2, 0.6]), of([0, 1, 1], [0.4, 0.8, 0.9]).rows([1, 2])
    together = pooled([first, second])
    assert together.slide_ids == ("slide_0", "slide_1", "slide_2")
    np.testing.assert_allclose(together.probabilities[:, 1], [0.2, 0.7, 0.9])


def test_an_ensemble_is_the_mean_whatever_the_order_of_slides():
    one, other = of([0, 1], [0.2, 0.6]), of([0, 1], [0.4, 0.8]).rows([1, 0])
    np.testing.assert_allclose(ensemble([one, other]).probabilities[:, 1], [0.3, 0.7])


def test_an_ensemble_of_different_slides_is_refused():
    with pytest.raises(UsageError, match="same slides"):
        ensemble([of([0, 1], [0.2, 0.6]), of([0], [0.2])])


def test_folds_that_disagree_on_a_label_are_refused():
    with pytest.raises(UsageError, match="slide_1: folds disagree"):
        pooled([of([0, 1], [0.2, 0.6]), of([0, 0], [0.2, 0.6])])


def test_predictions_without_labels_cannot_be_judged():
    unlabelled = replace(predictions(), labels=None)
    assert unlabelled.by_patient().labels is None
    assert pooled([unlabelled, unlabelled]).labels is None
    with pytest.raises(UsageError, match="no labels"):
        _ = unlabelled.known_labels


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        replace(predictions(), patient_ids=("a",))
    with pytest.raises(ValueError, match="from 0 to 1"):
        of([0, 2], [0.5, 0.5])
