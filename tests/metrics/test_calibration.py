"""Probabilities that mean what they say, and temperatures that make them so."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from metrics.calibration import (
    calibration_figures,
    expected_calibration_error,
    fit_temperature,
    reliability_curve,
    scaled,
)
from metrics.predictions import Predictions
from tests.metrics.cohorts import of, predictions


def drawn_from_their_probabilities(n_slides: int = 4000) -> Predictions:
    """Return predictions that are calibrated, since labels are drawn from them."""
    rng = np.random.default_rng(0)
    positive = rng.random(n_slides)
    return of(list(rng.random(n_slides) < positive), list(positive))


def test_the_calibration_error_is_the_mean_gap_over_bins():
    # confidence 0.95, right 1 of 2: a gap of 0.45; confidence 0.65, right 2 of 2: of 0.35
    given = of([1, 0, 0, 1], [0.95, 0.95, 0.35, 0.65])
    assert expected_calibration_error(given.labels, given.probabilities) == pytest.approx(0.4)


def test_labels_drawn_from_their_probabilities_are_calibrated():
    given = drawn_from_their_probabilities()
    said, observed = reliability_curve(given.labels == 1, given.probabilities[:, 1])
    np.testing.assert_allclose(said, observed, atol=0.06)
    assert calibration_figures(given)["ece"] < 0.03
    assert fit_temperature(given).value == pytest.approx(1, abs=0.05)


def test_a_temperature_undoes_what_sharpened_the_probabilities():
    given = drawn_from_their_probabilities()
    sharp = given.with_probabilities(scaled(given.probabilities, 1 / 3))
    temperature = fit_temperature(sharp)
    assert temperature.value == pytest.approx(3, rel=0.05) and not temperature.reason
    np.testing.assert_allclose(scaled(sharp.probabilities, 3), given.probabilities, atol=1e-6)


def test_a_temperature_leaves_the_predicted_classes_as_they_are():
    given = predictions(n_classes=4)
    assert (scaled(given.probabilities, 2.5).argmax(axis=1) == given.predicted).all()


def test_figures_are_those_of_scikit_learn():
    given = predictions()
    figures = calibration_figures(given)
    assert figures["brier"] == pytest.approx(brier_score_loss(given.labels, given.probabilities[:, 1]))
    assert figures["log_loss"] == pytest.approx(log_loss(given.labels, given.probabilities))


@pytest.mark.parametrize(
    ("validation", "reason"),
    [
        (of([], []), "no validation slide"),
        (of([1, 1], [0.4, 0.9]), "all validation slides are of class tumor"),
        (of([0, 1], [np.nan, 0.9]), "no number"),
        (of([0, 1], [0.1, 0.9]), "too few, or too easy"),
    ],
)
def test_a_temperature_that_cannot_be_fitted_says_why(validation, reason):
    assert reason in fit_temperature(validation).reason


@pytest.mark.parametrize("given", [of([], []), of([0, 1], [np.nan, 0.4])])
def test_what_is_undefined_is_nan(given):
    assert np.isnan(list(calibration_figures(given).values())).all()
    assert not len(reliability_curve(given.labels == 1, given.probabilities[:, 1])[0])
