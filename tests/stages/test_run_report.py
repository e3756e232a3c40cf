"""Predictions of folds become statistics, pictures and a report."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from metrics.cases import pooled
from metrics.figures import classification_figures
from metrics.regression import regression_figures
from metrics.survival import concordance
from stages.run_report import FoldTables, fold_cases, report_run
from stages.run_statistics import MEAN_OF_FOLDS
from stages.statistics.kind import StatisticsConfig
from stages.statistics.of_outcome import statistics_of
from stages.statistics.together import together
from tests.stages.predicted_tables import KINDS, OUTCOMES, folds, table
from utils.errors import UsageError

QUICK = StatisticsConfig(n_resamples=10)
PICTURES = {
    "classification": {
        "calibration_slide",
        *(f"{name}_{level}" for name in ("roc", "precision_recall", "confusion") for level in ("slide", "patient")),
    },
    "regression": {"scatter_slide", "scatter_patient"},
    "survival": {"kaplan_meier_patient"},
}


def reported(folder, kind: str, given: dict[int, FoldTables]) -> pd.DataFrame:
    return report_run(folder, OUTCOMES[kind], given, title="A run", settings={"lr": 1e-4}, config=QUICK)


def values(found: pd.DataFrame, level: str, name: str) -> dict[str, float]:
    return found[(found["level"] == level) & (found["set"] == name)].set_index("figure")["value"].to_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_leaves_its_statistics_pictures_and_report(kind, tmp_path):
    reported(tmp_path, kind, folds(kind))
    written = pd.read_csv(tmp_path / "statistics.csv")
    assert written.columns.tolist() == ["level", "set", "figure", "value", "low", "high", "std"]
    assert set(written["set"]) == {"fold 0", "fold 1", "pooled", MEAN_OF_FOLDS}
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == {"learning_curves"} | PICTURES[kind]
    assert "0.0001" in (tmp_path / "report.html").read_text(encoding="utf-8")
    said = json.loads((tmp_path / "statistics.json").read_text())
    assert said["intervals"]["n_resamples"] == 10 and said["main_set"] == "pooled"


def test_pooled_figures_of_classes_are_those_of_all_slides_and_patients(tmp_path):
    given = folds("classification")
    found = reported(tmp_path, "classification", given)
    slides = pooled([fold.test for fold in fold_cases(statistics_of(OUTCOMES["classification"]), given)])
    assert values(found, "slide", "pooled") == pytest.approx(classification_figures(slides))
    assert values(found, "patient", "pooled") == pytest.approx(classification_figures(slides.by_patient()))


def test_pooled_figures_of_numbers_are_those_of_all_slides_and_patients(tmp_path):
    found, rows = reported(tmp_path, "regression", folds("regression")), table("regression")
    means = rows.groupby("case_id")[["Y", "Y_hat"]].mean()
    assert values(found, "slide", "pooled") == pytest.approx(regression_figures(rows["Y"], rows["Y_hat"]))
    assert values(found, "patient", "pooled") == pytest.approx(regression_figures(means["Y"], means["Y_hat"]))


def test_the_pooled_concordance_is_the_mean_of_the_folds_and_the_report_says_so(tmp_path):
    given = folds("survival")
    found = reported(tmp_path, "survival", given)
    each = [concordance(*(fold.test[name].to_numpy() for name in ("time", "event", "risk"))) for fold in given.values()]
    assert values(found, "slide", "pooled")["concordance"] == pytest.approx(np.mean(each))
    assert values(found, "slide", MEAN_OF_FOLDS)["concordance"] == pytest.approx(np.mean(each))
    assert "the concordance is the mean of the folds" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_log_rank_test_is_of_patients_and_has_no_mean_over_folds(tmp_path):
    found = reported(tmp_path, "survival", folds("survival"))
    p = found[found["figure"] == "log_rank_p"]
    assert set(p["level"]) == {"patient"} and set(p["set"]) == {"fold 0", "fold 1", "pooled"}
    assert p["value"].between(0, 1).all()


def test_the_mean_of_folds_is_theirs(tmp_path):
    found = reported(tmp_path, "classification", folds("classification"))
    areas = found[(found["level"] == "slide") & (found["figure"] == "auc_macro")].set_index("set")
    of_folds = areas.loc[["fold 0", "fold 1"], "value"]
    assert areas.loc[MEAN_OF_FOLDS, "value"] == pytest.approx(of_folds.mean())
    assert areas.loc[MEAN_OF_FOLDS, "std"] == pytest.approx(of_folds.std(ddof=1))


@pytest.mark.parametrize("kind", KINDS)
def test_folds_that_tested_the_same_slides_are_an_ensemble(kind):
    given = {fold: FoldTables(table(kind, seed=fold)) for fold in (0, 1)}
    name, cases = together(fold_cases(statistics_of(OUTCOMES[kind]), given))
    assert name == "ensemble" and len(cases) == 60


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_fold_without_training_has_a_report_too(kind, tmp_path):
    found = reported(tmp_path, kind, {3: FoldTables(table(kind))})
    assert set(found["set"]) == {"fold 3"}
    assert not (tmp_path / "pictures" / "learning_curves.png").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fold_without_test_or_validation_slides_crashes_nothing(kind, tmp_path, caplog):
    given = folds(kind)
    given[2] = replace(given[0], test=given[0].test.iloc[:0], validation=given[0].test.iloc[:0], history=None)
    found = reported(tmp_path, kind, given)
    assert np.isnan([value for name, value in values(found, "slide", "fold 2").items()]).all()
    assert not np.isnan(list(values(found, "slide", "pooled").values())).any()
    assert "fold 2: no slide, so no figure is defined" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_slides", [0, 1])
def test_a_run_of_next_to_no_slides_has_a_report(kind, n_slides, tmp_path):
    reported(tmp_path, kind, {0: FoldTables(table(kind).iloc[:n_slides])})
    assert "undefined" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("kind", "column"), [("classification", "p_1"), ("regression", "Y_hat"), ("survival", "risk")])
def test_predictions_that_are_no_numbers_are_undefined_and_say_so(kind, column, tmp_path, caplog):
    rows = table(kind)
    rows.loc[3, column] = np.nan
    found = reported(tmp_path, kind, {0: FoldTables(rows)})
    assert found["value"].isna().all()
    assert "fold 0: 1 predictions are no numbers, such as that of slide_3" in caplog.text
    assert "slide_3" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_is_undefined_of_classes_is_said_in_the_report(tmp_path, caplog):
    rows = table("classification", 4, n_patients=2)  # class 0 and 1 in turn
    mixed = rows.assign(case_id=["a", "b", "b", "c"])
    given = {0: FoldTables(mixed.iloc[:3], rows.iloc[:0]), 1: FoldTables(mixed.iloc[3:])}
    reported(tmp_path, "classification", given)
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    for warning in (
        "fold 1: no slide of class class_0, so no AUC is defined",
        "fold 0: no temperature scaling: no validation slide",
        "1 patients have slides of several classes, such as b: the highest counts",
    ):
        assert warning in caplog.text and warning in report


def test_slides_that_several_folds_tested_are_named(tmp_path, caplog):
    given = {fold: FoldTables(table("survival", seed=fold).iloc[10 * fold : 40 + 10 * fold]) for fold in (0, 1)}
    reported(tmp_path, "survival", given)
    assert "pooled: 30 slides were tested by several folds; each counts in every fold that tested it" in caplog.text


def test_a_run_without_folds_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no fold is done"):
        reported(tmp_path, "classification", {})
