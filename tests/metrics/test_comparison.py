"""Two models on the same slides."""

import numpy as np
import pytest

from metrics.comparison import compare_runs
from metrics.delong import delong_test
from metrics.figures import class_estimator
from metrics.regression import Numbers, number_estimator
from metrics.survival import concordance_estimator
from tests.metrics.cohorts import of, predictions, risks
from utils.errors import UsageError


def test_a_better_model_is_told_from_a_worse_one():
    good, poor = predictions(separation=3), predictions(separation=0)
    table = compare_runs(good, poor, class_estimator, n_resamples=60).set_index(["level", "figure"])
    row = table.loc["patient", "auc_macro"]
    patients = good.by_patient(), poor.by_patient()
    test = delong_test(patients[0].labels == 1, *(side.probabilities[:, 1] for side in patients))
    assert row["difference"] == pytest.approx(test.difference) and row["p"] == pytest.approx(test.p)
    assert 0 < row["low"] < row["difference"] < row["high"] and row["p"] < 0.05
    assert np.isnan(table.loc["slide", "auc_macro"]["p"])  # slides of a patient are not independent


def test_the_order_of_slides_does_not_matter_and_strangers_are_left_out(caplog):
    a, b = predictions(), predictions(seed=1)
    shuffled = b.rows(np.random.default_rng(0).permutation(len(b))[:50])
    table = compare_runs(a, shuffled, class_estimator, n_resamples=10)
    same = sorted(shuffled.slide_ids, key=a.slide_ids.index)
    rows = [a.slide_ids.index(name) for name in same]
    assert table.equals(compare_runs(a.rows(rows), b.rows(rows), class_estimator, n_resamples=10))
    assert "10 slides that only one run predicted" in caplog.text


def test_each_of_more_classes_is_tested():
    table = compare_runs(predictions(90, 3), predictions(90, 3, seed=1), class_estimator, n_resamples=10)
    tested = table[table["p"].notna()]
    assert tested["figure"].tolist() == ["auc[class_0]", "auc[class_1]", "auc[class_2]"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (predictions(n_classes=3), "other classes"),
        (of([0], [0.5]).rows([]), "no slide in common"),
        (of([1, 1], [0.2, 0.5]), "slide_0: the runs disagree"),
    ],
)
def test_runs_that_do_not_fit_are_refused(other, message):
    with pytest.raises(UsageError, match=message):
        compare_runs(of([0, 1], [0.3, 0.6]), other, class_estimator)


def test_nothing_crashes_where_nothing_is_defined():
    table = compare_runs(of([0], [0.3]), of([0], [np.nan]), class_estimator, n_resamples=10)
    assert table["difference"].isna().all() and table["p"].isna().all()


def test_smaller_errors_are_told_from_larger_ones():
    rng = np.random.default_rng(0)
    names, targets = tuple(map(str, range(60))), rng.normal(size=60)
    good, poor = (Numbers(names, names, targets, targets + size * rng.normal(size=60)) for size in (0.1, 1.0))
    table = compare_runs(good, poor, lambda n: number_estimator(n.targets, n.predicted), n_resamples=60)
    mae = table.set_index("figure").loc["mae"]
    expected = [np.abs(side.predicted - targets).mean() for side in (good, poor)]
    assert mae["difference"] == pytest.approx(expected[0] - expected[1])
    assert mae["low"] < mae["difference"] < mae["high"] < 0 and table["p"].isna().all()


def test_risks_are_compared_though_one_run_has_one_model_and_the_other_several():
    several = risks(60, n_models=2)
    single = several.as_of_one_model()
    table = compare_runs(single, several, concordance_estimator, n_resamples=60)
    row = table.set_index("level").loc["patient"]
    expected = [concordance_estimator(side).values(60)["concordance"] for side in (single, several)]
    assert [row["a"], row["b"]] == pytest.approx(expected)
    assert row["low"] < row["difference"] < row["high"]
