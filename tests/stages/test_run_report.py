"""Predictions of folds become statistics, pictures and a report."""

import json

import numpy as np
import pandas as pd
import pytest

from metrics.figures import classification_figures
from metrics.predictions import pooled
from stages.run_report import write_run_report
from stages.run_statistics import MEAN_OF_FOLDS, FoldOutcome, StatisticsConfig, together
from tests.metrics.cohorts import of, predictions

QUICK = StatisticsConfig(n_resamples=10)
HISTORY = pd.DataFrame({"train_loss": [0.7, 0.5], "val_loss": [0.7, 0.6], "val_auc": [0.5, np.nan]})


def folds(n_classes: int = 2) -> list[FoldOutcome]:
    """Return two folds that test each other's validation slides."""
    whole = predictions(60, n_classes)
    halves = [whole.rows(np.flatnonzero(np.arange(60) % 30 // 15 == half)) for half in (0, 1)]
    return [FoldOutcome(number, halves[number], halves[1 - number], HISTORY) for number in (0, 1)]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_run_leaves_its_statistics_pictures_and_report(n_classes, tmp_path):
    given = folds(n_classes)
    table = write_run_report(tmp_path, "A run", given, settings={"lr": 1e-4}, config=QUICK)
    written = pd.read_csv(tmp_path / "statistics.csv")
    assert written.columns.tolist() == ["level", "set", "figure", "value", "low", "high", "std"]
    assert set(written["set"]) == {"fold 0", "fold 1", "pooled", MEAN_OF_FOLDS}
    slides = pooled([fold.test for fold in given])
    for level, part in (("slide", slides), ("patient", slides.by_patient())):
        found = table[(table["level"] == level) & (table["set"] == "pooled")].set_index("figure")["value"]
        assert found.to_dict() == pytest.approx(classification_figures(part))
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == {
        "calibration_slide",
        "learning_curves",
        *(f"{name}_{level}" for name in ("roc", "precision_recall", "confusion") for level in ("slide", "patient")),
    }
    assert "0.0001" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "statistics.json").read_text())["intervals"]["n_resamples"] == 10


def test_the_mean_of_folds_is_theirs(tmp_path):
    table = write_run_report(tmp_path, "A run", folds(), settings={}, config=QUICK)
    areas = table[(table["level"] == "slide") & (table["figure"] == "auc_macro")].set_index("set")
    of_folds = areas.loc[["fold 0", "fold 1"], "value"]
    assert areas.loc[MEAN_OF_FOLDS, "value"] == pytest.approx(of_folds.mean())
    assert areas.loc[MEAN_OF_FOLDS, "std"] == pytest.approx(of_folds.std(ddof=1))


def test_folds_that_tested_the_same_slides_are_an_ensemble():
    one, other = of([0, 1], [0.2, 0.6]), of([0, 1], [0.4, 0.8])
    assert together([FoldOutcome(0, one), FoldOutcome(1, other)])[0] == "ensemble"
    assert together([FoldOutcome(3, one)]) == ("fold 3", one)


def test_a_single_fold_without_training_has_a_report_too(tmp_path):
    table = write_run_report(tmp_path, "Evaluation", [FoldOutcome(0, predictions())], settings={}, config=QUICK)
    assert set(table["set"]) == {"fold 0"}
    assert not (tmp_path / "pictures" / "learning_curves.png").exists()


def test_what_is_undefined_is_said_in_the_report_and_crashes_nothing(tmp_path, caplog):
    given = [
        FoldOutcome(0, of([0, 0, 1], [0.2, 0.4, 0.6], ["a", "b", "b"]), of([], [])),
        FoldOutcome(1, of([0, 0, 1, 1], [0.2, 0.4, 0.6, 0.7], ["a", "b", "b", "c"]).rows([3])),
    ]
    write_run_report(tmp_path, "A run", given, settings={}, config=QUICK)
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    for warning in (
        "fold 1: no slide of class normal, so no AUC is defined",
        "fold 0: no temperature scaling: no validation slide",
        "1 patients have slides of several classes, such as b: the highest counts",
    ):
        assert warning in caplog.text and warning in report


def test_predictions_that_are_no_numbers_crash_nothing(tmp_path):
    table = write_run_report(tmp_path, "A run", [FoldOutcome(0, of([0, 1], [np.nan, 0.4]))], settings={}, config=QUICK)
    assert table["value"].isna().all()
