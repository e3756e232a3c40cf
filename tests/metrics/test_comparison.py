"""Two models on the same slides."""

import numpy as np
import pytest

from metrics.comparison import compare_runs
from metrics.delong import delong_test
from tests.metrics.cohorts import of, predictions
from utils.errors import UsageError


def test_a_better_model_is_told_from_a_worse_one():
    good, poor = predictions(separation=3), predictions(separation=0)
    table = compare_runs(good, poor, n_resamples=60).set_index(["level", "figure"])
    row = table.loc["patient", "auc_macro"]
    patients = good.by_patient(), poor.by_patient()
    test = delong_test(patients[0].labels == 1, *(side.probabilities[:, 1] for side in patients))
    assert row["difference"] == pytest.approx(test.difference) and row["p"] == pytest.approx(test.p)
    assert 0 < row["low"] < row["difference"] < row["high"] and row["p"] < 0.05
    assert np.isnan(table.loc["slide", "auc_macro"]["p"])  # slides of a patient are not independent


def test_the_order_of_slides_does_not_matter_and_strangers_are_left_out(caplog):
    a, b = predictions(), predictions(seed=1)
    shuffled = b.rows(np.random.default_rng(0).permutation(len(b))[:50])
    table = compare_runs(a, shuffled, n_resamples=10)
    same = sorted(shuffled.slide_ids, key=a.slide_ids.index)
    rows = [a.slide_ids.index(name) for name in same]
    assert table.equals(compare_runs(a.rows(rows), b.rows(rows), n_resamples=10))
    assert "10 slides that only one run predicted" in caplog.text


def test_each_of_more_classes_is_tested():
    table = compare_runs(predictions(90, 3), predictions(90, 3, seed=1), n_resamples=10)
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
        compare_runs(of([0, 1], [0.3, 0.6]), other)


def test_nothing_crashes_where_nothing_is_defined():
    table = compare_runs(of([0], [0.3]), of([0], [np.nan]), n_resamples=10)
    assert table["difference"].isna().all() and table["p"].isna().all()
