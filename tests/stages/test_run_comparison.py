"""Two runs' folders become a table of how they differ."""

from pathlib import Path

import pandas as pd
import pytest

from stages.run_comparison import COMPARISON_FILE, compare
from stages.run_files import write_fold_predictions
from stages.statistics.kind import StatisticsConfig
from tests.stages.predicted_tables import KINDS, OUTCOMES, folds
from utils.errors import UsageError

QUICK = StatisticsConfig(n_resamples=10)


def run(folder: Path, kind: str, seed: int = 0) -> Path:
    """Write what training leaves."""
    folder.mkdir()
    for fold, tables in folds(kind, seed=seed).items():
        write_fold_predictions(folder, fold, {"val": tables.validation, "test": tables.test})
    return folder


def evaluation(folder: Path, kind: str, seed: int = 0, without: tuple[str, ...] = ()) -> Path:
    """Write what evaluation leaves."""
    folder.mkdir()
    for fold, tables in folds(kind, seed=seed).items():
        tables.test.drop(columns=list(without)).to_csv(folder / f"fold_{fold}.csv", index=False)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_differs_from_itself_in_nothing(kind, tmp_path):
    one = run(tmp_path / "a", kind)
    table = compare(one, evaluation(tmp_path / "b", kind), OUTCOMES[kind], tmp_path, config=QUICK)
    assert table["difference"].abs().max() < 1e-9 and set(table["level"]) == {"slide", "patient"}
    assert len(pd.read_csv(tmp_path / COMPARISON_FILE)) == len(table)


@pytest.mark.parametrize("kind", KINDS)
def test_differences_of_runs_have_intervals(kind, tmp_path):
    one, other = run(tmp_path / "a", kind), run(tmp_path / "b", kind, seed=5)
    table = compare(one, other, OUTCOMES[kind], tmp_path, config=QUICK).iloc[0]
    assert table["difference"] == pytest.approx(table["a"] - table["b"])
    assert table["low"] < table["high"]


def test_whose_slides_they_are_may_be_known_from_the_other_run_or_from_none(tmp_path, caplog):
    alone = evaluation(tmp_path / "b", "regression", without=("case_id",))
    table = compare(run(tmp_path / "a", "regression"), alone, OUTCOMES["regression"], tmp_path, config=QUICK)
    assert set(table["level"]) == {"slide", "patient"} and "no patient is known" not in caplog.text
    table = compare(alone, alone, OUTCOMES["regression"], tmp_path, config=QUICK)
    assert set(table["level"]) == {"patient"} and "of 60 slides no patient is known" in caplog.text


def test_ids_stay_the_text_they_are(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    rows = pd.DataFrame({"slide_id": ["007", "NA"], "case_id": ["01", "nan"], "Y": [1.5, 2], "Y_hat": [1.0, None]})
    write_fold_predictions(folder, 0, {"val": rows.iloc[:0], "test": rows})
    table = compare(folder, folder, OUTCOMES["regression"], tmp_path, config=QUICK)
    assert table["a"].isna().all()  # the empty prediction is no number, and no error


@pytest.mark.parametrize(
    ("kind", "message"), [(None, "neither s_<i>_predictions.csv"), ("survival", "no column Y, Y_hat")]
)
def test_a_folder_that_does_not_fit_is_refused(kind, message, tmp_path):
    other = tmp_path if kind is None else run(tmp_path / "b", kind)
    with pytest.raises(UsageError, match=message):
        compare(run(tmp_path / "a", "regression"), other, OUTCOMES["regression"], tmp_path, config=QUICK)
