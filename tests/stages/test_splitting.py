"""create_splits_seq.py as a user runs it."""

from pathlib import Path

import pandas as pd
import pytest

import create_splits_seq
from datasets.tasks import TASKS
from utils.lookup import PROJECT_ROOT


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_own_cohort(n_patients: int, n_tumor: int) -> None:
    Path("dataset_csv").mkdir()
    rows = [f"0{i},00{i}.svs,{'tumor' if i < n_tumor else 'normal'}_tissue" for i in range(n_patients)]
    text = "case_id,slide_id,label\n" + "\n".join(rows) + "\n"
    Path("dataset_csv", TASKS["task_1_tumor_vs_normal"].csv_name).write_text(text)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("task", TASKS)
def test_the_example_splits_are_what_the_program_makes(task):
    assert create_splits_seq.main(["--task", task]) == 0
    made = files_in(Path("splits") / f"{task}_100")
    assert len(made) == 31
    assert made == files_in(PROJECT_ROOT / "splits" / f"{task}_100")


def test_without_a_label_fraction_every_fraction_is_written():
    assert create_splits_seq.main(["--task", "task_1_tumor_vs_normal", "--label_frac", "0", "--k", "2"]) == 0
    made = {path.name: pd.read_csv(path / "splits_1.csv") for path in Path("splits").iterdir()}
    assert set(made) == {f"task_1_tumor_vs_normal_{percent}" for percent in (10, 25, 50, 75, 100)}
    assert len({tuple(split["test"].dropna()) for split in made.values()}) == 1
    sizes = [made[f"task_1_tumor_vs_normal_{p}"]["train"].count() for p in (10, 25, 50, 75, 100)]
    assert sizes == sorted(set(sizes))


def test_a_cohort_in_the_current_folder_is_used_and_its_ids_stay_text(caplog):
    write_own_cohort(n_patients=10, n_tumor=4)
    assert create_splits_seq.main(["--task", "task_1_tumor_vs_normal", "--k", "1", "--test_frac", "0.25"]) == 0
    split = pd.read_csv("splits/task_1_tumor_vs_normal_100/splits_0.csv", dtype=str)
    assert set(split["train"].dropna()) | set(split["val"].dropna()) | set(split["test"].dropna()) == {
        f"00{i}" for i in range(10)
    }
    assert "val has no patient of tumor_tissue" in caplog.text


def test_the_overlap_of_the_splits_is_said_loudly(caplog):
    create_splits_seq.main(["--task", "task_1_tumor_vs_normal", "--k", "3"])
    loud = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    tests = [pd.read_csv(path)["test"].dropna() for path in Path("splits").rglob("splits_?.csv")]
    n_slides = len(set(pd.concat(tests)))
    (kind,) = (message for message in loud if "Monte-Carlo" in message)
    assert "NOT the folds" in kind and f"{n_slides} slides) are ever tested" in kind


def test_val_and_test_may_be_empty(caplog):
    args = ["--task", "task_2_tumor_subtyping", "--k", "1", "--val_frac", "0", "--test_frac", "0"]
    assert create_splits_seq.main(args) == 0
    split = pd.read_csv("splits/task_2_tumor_subtyping_100/splits_0.csv")
    assert split["val"].isna().all() and split["test"].isna().all() and split["train"].notna().all()
    assert "val is empty" in caplog.text and "test is empty" in caplog.text


def test_splits_left_from_a_larger_k_are_named(caplog):
    for k in ("3", "2"):
        create_splits_seq.main(["--task", "task_1_tumor_vs_normal", "--k", k])
    assert "also holds splits_2.csv" in caplog.text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--task", "task_9"], "known: task_1_tumor_vs_normal, task_2_tumor_subtyping"),
        (["--val_frac", "-0.1"], "--val_frac -0.1"),
        (["--val_frac", "0.5", "--test_frac", "0.5"], "leave nothing to train on"),
        (["--label_frac", "1.5"], "--label_frac 1.5"),
        (["--seed", "-1"], "seed -1"),
    ],
)
def test_wrong_use_writes_nothing(flags, message, caplog):
    assert create_splits_seq.main(["--task", "task_1_tumor_vs_normal", *flags]) == 2
    assert message in caplog.text
    assert not Path("splits").exists()
