"""create_splits_seq.py as a user runs it."""

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch

import create_splits_seq
from datasets.label_fraction import LABEL_FRAC_MODES
from datasets.split_file import SplitIds, read_split
from datasets.split_modes import SPLIT_MODES
from datasets.tasks import find_task, known_tasks
from stages import splitting
from tests.datasets.cohorts import write_pt
from utils.lookup import PROJECT_ROOT

PUBLISHED = PROJECT_ROOT / "splits" / "task_1_tumor_vs_normal_100"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_own_cohort(n_patients: int, n_tumor: int) -> None:
    Path("dataset_csv").mkdir()
    rows = [f"0{i},00{i}.svs,{'tumor' if i < n_tumor else 'normal'}_tissue" for i in range(n_patients)]
    text = "case_id,slide_id,label\n" + "\n".join(rows) + "\n"
    Path("dataset_csv", find_task("task_1_tumor_vs_normal").csv).write_text(text)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("task", known_tasks())
def test_the_example_splits_are_what_the_program_makes(task):
    assert create_splits_seq.main(["--task", task]) == 0
    made = files_in(Path("splits") / f"{task}_100")
    assert len(made) == 31
    assert made == files_in(PROJECT_ROOT / "splits" / f"{task}_100")


def test_splits_that_are_half_replaced_have_none_of_before_beside_them(monkeypatch):
    splits = ["--task", "task_1_tumor_vs_normal", "--k", "3"]
    create_splits_seq.main(splits)
    whole = splitting.write_split_files

    def stopped(folder, fold, *rest):
        if fold == 1:
            raise KeyboardInterrupt
        whole(folder, fold, *rest)

    monkeypatch.setattr(splitting, "write_split_files", stopped)
    assert create_splits_seq.main([*splits, "--seed", "2"]) == 130
    made = Path("splits/task_1_tumor_vs_normal_100")
    assert [path.name for path in made.glob("splits_[0-9].csv")] == ["splits_0.csv"]


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
        (["--split_mode", "custom"], "--split_mode custom and --test_ids FILE go together"),
        (["--test_ids", "ids.txt"], "--split_mode custom and --test_ids FILE go together"),
        (["--split_mode", "custom", "--test_ids", "ids.txt"], "--test_ids ids.txt: no such file"),
        (["--split_mode", "site"], "fill a column 'site'"),
        (["--site_col", "hospital"], "--site_col hospital: the dataset CSV has no such column"),
        (["--split_mode", "kfold", "--k", "121"], "at most one for each of the 120 patients"),
        (["--data_root_dir", "features"], "no folder 'features'"),
    ],
)
def test_wrong_use_writes_nothing(flags, message, caplog):
    assert create_splits_seq.main(["--task", "task_1_tumor_vs_normal", *flags]) == 2
    assert message in caplog.text
    assert not Path("splits").exists()


def write_tcga_cohort(n_sites: int = 6, n_patients: int = 8) -> None:
    """Write patients of several sites, two slides each, every second one with a tumor."""
    Path("dataset_csv").mkdir()
    cases = [f"TCGA-S{site}-{patient:04d}" for site in range(n_sites) for patient in range(n_patients)]
    rows = [
        f"{case},{case}-01Z-00-DX{slide},{('normal', 'tumor')[number % 2]}_tissue"
        for number, case in enumerate(cases)
        for slide in (1, 2)
    ]
    Path("dataset_csv", find_task("task_1_tumor_vs_normal").csv).write_text(
        "case_id,slide_id,label\n" + "\n".join(rows) + "\n"
    )


def split(*flags: str) -> int:
    return create_splits_seq.main(["--task", "task_1_tumor_vs_normal", *flags])


def sides_in(folder: str, n_splits: int) -> list[SplitIds]:
    return [read_split(Path("splits", folder, f"splits_{fold}.csv")) for fold in range(n_splits)]


def test_the_choices_are_the_modes_there_are():
    choices = {action.dest: action.choices for action in create_splits_seq.build_parser()._actions}
    assert list(choices["split_mode"]) == list(SPLIT_MODES)
    assert list(choices["label_frac_mode"]) == list(LABEL_FRAC_MODES)


def test_folds_cover_everyone_and_leave_the_published_splits_alone(caplog):
    assert split("--k", "2") == 0
    published = files_in(Path("splits/task_1_tumor_vs_normal_100"))
    assert split("--split_mode", "kfold", "--k", "4") == 0
    tests = [slide for sides in sides_in("task_1_tumor_vs_normal_kfold_100", 4) for slide in sides.test]
    cohort = pd.read_csv(find_task("task_1_tumor_vs_normal").find_table())
    assert sorted(tests) == sorted(cohort["slide_id"])
    assert "splits are the folds of a cross-validation" in caplog.text and "each once" in caplog.text
    assert files_in(Path("splits/task_1_tumor_vs_normal_100")) == published


def test_sites_of_barcodes_stay_together_where_the_original_way_parts_them(caplog):
    write_tcga_cohort()
    assert split("--split_mode", "site", "--k", "3") == 0
    for sides in sides_in("task_1_tumor_vs_normal_site_100", 3):
        train, val, test = ({slide[5:7] for slide in side} for side in sides)
        assert train and val and test and not (train & val or train & test or val & test)
    assert "on one side only in every split: patients, sites" in caplog.text
    assert split("--k", "3") == 0
    assert "sites on more than one side in 3 of 3 splits, 6: S0 (" in caplog.text


def test_given_slides_bring_their_patients_into_every_test_side():
    write_tcga_cohort()
    Path("ids.txt").write_text("TCGA-S0-0000-01Z-00-DX1.svs\nTCGA-S1-0003\n")
    assert split("--split_mode", "custom", "--test_ids", "ids.txt", "--k", "3") == 0
    expected = [f"{case}-01Z-00-DX{slide}" for case in ("TCGA-S0-0000", "TCGA-S1-0003") for slide in (1, 2)]
    for sides in sides_in("task_1_tumor_vs_normal_custom_100", 3):
        assert sides.test == expected


def test_random_label_fractions_nest_and_change_only_training():
    assert split("--label_frac", "0", "--label_frac_mode", "random", "--k", "2") == 0
    names = [f"task_1_tumor_vs_normal_{name}" for name in ("random_10", "random_25", "random_50", "random_75", "100")]
    by_fraction = [sides_in(name, 2) for name in names]
    assert by_fraction[-1] == [read_split(PUBLISHED / f"splits_{fold}.csv") for fold in range(2)]
    for smaller, larger in pairwise(by_fraction):
        for one, other in zip(smaller, larger, strict=True):
            assert set(one.train) < set(other.train) and one[1:] == other[1:]


def test_equal_features_on_two_sides_are_found(caplog):
    write_own_cohort(n_patients=10, n_tumor=4)
    folder = Path("features", find_task("task_1_tumor_vs_normal").features[0])
    for number in range(10):
        write_pt(folder, f"00{number}", torch.full((2, 3), float(number % 9)))
    assert split("--split_mode", "kfold", "--k", "2", "--val_frac", "0.3", "--data_root_dir", "features") == 0
    sides = sides_in("task_1_tumor_vs_normal_kfold_100", 2)
    parted = any(("000" in side) != ("009" in side) for split in sides for side in split)
    report = Path("splits/task_1_tumor_vs_normal_kfold_100/report.txt").read_text()
    assert parted and "000 = 009" in report and "slides with the same features on more than one side" in caplog.text


def test_the_report_counts_patients_and_slides():
    write_tcga_cohort()
    assert split("--split_mode", "kfold", "--k", "4", "--val_frac", "0") == 0
    report = Path("splits/task_1_tumor_vs_normal_kfold_100/report.txt").read_text()
    lines = [line.split() for line in report.splitlines()]
    assert ["0", "train", "18/36", "18/36", "36/72"] in lines and ["3", "test", "6/12", "6/12", "12/24"] in lines
    assert "1: 48" in report and "split_mode kfold" in report


def test_a_class_that_is_missing_in_some_folds_is_named(caplog):
    write_own_cohort(n_patients=12, n_tumor=4)
    assert split("--split_mode", "kfold", "--k", "6") == 0
    assert "test has no patient of tumor_tissue (in 2 of 6 splits): its AUC is undefined; lower --k" in caplog.text


def test_patients_of_two_labels_are_named_and_their_slides_keep_their_own(caplog):
    Path("dataset_csv").mkdir()
    rows = ["p0,a,normal_tissue", "p0,b,tumor_tissue", "p1,c,normal_tissue", "p2,d,tumor_tissue"]
    Path("dataset_csv", find_task("task_1_tumor_vs_normal").csv).write_text(
        "case_id,slide_id,label\n" + "\n".join(rows) + "\n"
    )
    assert split("--split_mode", "kfold", "--k", "3", "--val_frac", "0") == 0
    assert "1 patients have slides of several labels" in caplog.text and "p0 (tumor_tissue)" in caplog.text
    tables = [pd.read_csv(path, index_col=0) for path in Path("splits").rglob("*_descriptor.csv")]
    assert sum(table["test"] for table in tables).to_dict() == {"normal_tissue": 2, "tumor_tissue": 2}
