"""Figures are scikit-learn's; what is undefined is NaN and says why."""

import math

import numpy as np
import pytest
from sklearn import metrics

from metrics.figures import (
    class_estimator,
    classification_figures,
    confusion_matrix,
    curve_classes,
    figure_names,
    undefined_because,
)
from tests.metrics.cohorts import of, predictions


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("decimals", [1, 8])  # 1: many equal scores
def test_figures_are_those_of_scikit_learn(n_classes, decimals):
    given = predictions(90, n_classes)
    given = given.with_probabilities(np.round(given.probabilities, decimals))
    labels, scores, figures = given.labels, given.probabilities, classification_figures(given)
    classes = curve_classes(n_classes)
    expected = {
        "accuracy": metrics.accuracy_score(labels, given.predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, given.predicted),
        "f1_macro": metrics.f1_score(labels, given.predicted, average="macro"),
        "auc_macro": np.mean([metrics.roc_auc_score(labels == c, scores[:, c]) for c in classes]),
        "average_precision_macro": np.mean(
            [metrics.average_precision_score(labels == c, scores[:, c]) for c in classes]
        ),
    }
    if n_classes > 2:
        expected["auc_micro"] = metrics.roc_auc_score(np.eye(n_classes)[labels].ravel(), scores.ravel())
        expected["auc[class_1]"] = metrics.roc_auc_score(labels == 1, scores[:, 1])
        expected["average_precision[class_1]"] = metrics.average_precision_score(labels == 1, scores[:, 1])
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    np.testing.assert_array_equal(confusion_matrix(given), metrics.confusion_matrix(labels, given.predicted))


def test_the_brier_score_of_two_classes_is_that_of_scikit_learn():
    given = predictions()
    expected = metrics.brier_score_loss(given.labels, given.probabilities[:, 1])
    assert classification_figures(given)["brier"] == pytest.approx(expected)


def test_the_brier_score_of_more_classes_sums_over_them():
    given = predictions(n_classes=3)
    each = [metrics.brier_score_loss(given.labels == c, given.probabilities[:, c]) for c in range(3)]
    assert classification_figures(given)["brier"] == pytest.approx(sum(each))


def test_sensitivity_is_that_of_the_best_threshold_that_is_specific_enough():
    # ten negatives: a specificity of 0.9 lets one of them pass, 0.95 none
    given = of([0] * 10 + [1] * 4, [0.1] * 9 + [0.7] + [0.05, 0.6, 0.8, 0.9])
    figures = classification_figures(given)
    assert figures["sensitivity_at_specificity_0.9"] == 0.75
    assert figures["sensitivity_at_specificity_0.95"] == 0.5


def test_an_absent_class_is_left_out_of_means_and_named():
    given = predictions(60, 3)
    kept = given.rows(np.flatnonzero(given.labels != 2))
    figures = classification_figures(kept)
    expected = np.mean([metrics.roc_auc_score(kept.labels == c, kept.probabilities[:, c]) for c in (0, 1)])
    assert figures["auc_macro"] == pytest.approx(expected)
    assert math.isnan(figures["auc[class_2]"])
    assert undefined_because(kept) == ["no slide of class class_2, which the means over classes leave out"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (of([], []), "no slide"),
        (of([1], [0.5]), "no slide of class normal"),
        (of([0, 0], [0.5, 0.1]), "no slide of class tumor"),
        (of([0, 1], [np.nan, 0.1]), "1 predictions are no numbers, such as that of slide_0"),
    ],
)
def test_an_undefined_auc_is_nan_and_says_why(given, reason):
    figures = classification_figures(given)
    assert list(figures) == figure_names(given.class_names)
    assert math.isnan(figures["auc_macro"])
    assert reason in undefined_because(given)[0]


def test_one_class_alone_still_has_an_accuracy():
    assert classification_figures(of([0, 0], [0.2, 0.8]))["accuracy"] == 0.5


@pytest.mark.parametrize("n_classes", [2, 3])
def test_figures_of_a_draw_are_those_of_its_rows(n_classes):
    given = predictions(60, n_classes)
    given = given.with_probabilities(np.round(given.probabilities, 1))
    times_drawn = np.random.default_rng(0).integers(0, 3, (5, 60))
    estimator = class_estimator(given)
    for weights, found in zip(times_drawn, estimator.of_draws(times_drawn.astype(float)), strict=True):
        of_rows = classification_figures(given.rows(np.repeat(np.arange(60), weights)))
        assert dict(zip(estimator.names, found, strict=True)) == pytest.approx(of_rows)


def test_a_draw_that_lacks_a_class_has_no_mean_over_classes():
    given = predictions(60, 3)
    estimator = class_estimator(given)
    figures = dict(zip(estimator.names, estimator.of_draws((given.labels != 2)[None].astype(float))[0], strict=True))
    assert math.isnan(figures["auc_macro"]) and math.isnan(figures["f1_macro"])
    assert not math.isnan(figures["auc[class_1]"])
