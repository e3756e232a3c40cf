"""Tasks are data: those of the README, files of one's own, flags."""

from pathlib import Path

import numpy as np
import pytest

from datasets.dataset_generic import open_task
from datasets.slide_table import read_slide_table
from datasets.targets import TargetColumns, bin_of, time_edges
from datasets.tasks import TaskFlags, find_task, known_tasks
from demo.make_example_tables import write_tables
from tests.datasets.cohorts import write_cohort
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT


def test_the_tasks_are_those_of_the_readme():
    one, two = find_task("task_1_tumor_vs_normal"), find_task("task_2_tumor_subtyping")
    assert one.label_map == {"normal_tissue": 0, "tumor_tissue": 1}
    assert two.label_map == {"subtype_1": 0, "subtype_2": 1, "subtype_3": 2}
    assert (one.type, one.patient_voting, one.subtyping) == ("classification", "max", False)
    assert (two.type, two.patient_voting, two.subtyping) == ("classification", "maj", True)


def test_an_unknown_task_lists_the_known_ones():
    with pytest.raises(UsageError, match="known: task_1_tumor_vs_normal, task_2_tumor_subtyping"):
        find_task("task_3")


@pytest.mark.parametrize("name", known_tasks())
def test_the_shipped_table_holds_all_classes_and_patients_with_several_slides(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = find_task(name)
    slides = task.read_table().slides
    assert set(slides["label"]) == set((task.label_map or {}).values())
    assert slides["case_id"].duplicated().any()


def test_the_shipped_tables_are_what_their_maker_makes(tmp_path):
    write_tables(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (PROJECT_ROOT / "dataset_csv" / path.name).read_bytes()


def test_a_table_in_the_current_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = find_task("task_1_tumor_vs_normal")
    (tmp_path / "dataset_csv").mkdir()
    own = write_cohort(tmp_path / "dataset_csv" / task.csv)
    assert task.find_table().resolve() == own


def test_task_1_takes_the_feature_folder_of_the_readme_or_of_the_original(tmp_path):
    task = find_task("task_1_tumor_vs_normal")
    with pytest.raises(UsageError, match="tumor_vs_normal_feat_resnet or tumor_vs_normal_resnet_features"):
        task.feature_folders(tmp_path)
    (tmp_path / "tumor_vs_normal_resnet_features").mkdir()
    assert task.feature_folders(tmp_path).name == "tumor_vs_normal_resnet_features"
    (tmp_path / "tumor_vs_normal_feat_resnet").mkdir()
    assert task.feature_folders(tmp_path).name == "tumor_vs_normal_feat_resnet"


OWN = """
csv: own.csv
slide_col: image
patient_col: patient
label_col: grade
label_map: {1: 0, 2: 0, 3: 1}
ignore: unclear
features: {here: feats_here, there: feats_there}
source_col: hospital
"""


def write_own(folder: Path, text: str = OWN, rows: str = "a.svs,p1,1,here\nb,p1,3,there\nc,p2,unclear,here\n") -> Path:
    path = folder / "own.yaml"
    path.write_text(text)
    (folder / "own.csv").write_text("image,patient,grade,hospital\n" + rows)
    for name in ("feats_here", "feats_there"):
        (folder / name).mkdir()
    return path


def test_a_task_file_of_ones_own_reads_any_columns_and_several_feature_folders(tmp_path):
    path = write_own(tmp_path)
    dataset = open_task(find_task(str(path)), None)
    assert dataset.slide_ids == ["a", "b"] and list(dataset.slide_data["case_id"]) == ["p1", "p1"]
    assert list(dataset.slide_data["label"]) == [0, 1] and dataset.table.class_names == ("1|2", "3")
    assert dataset.feature_folders == {"a": tmp_path / "feats_here", "b": tmp_path / "feats_there"}


def test_a_task_in_the_current_folder_goes_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    write_own(tmp_path / "tasks")
    assert find_task("own").label_col == "grade"
    assert "own" in known_tasks()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("csv: a.csv\nlabels: [a]", r"unknown key labels; known: name, type, csv, slide_col"),
        ("label_col: a", "key csv is missing"),
        ("csv: a.csv\ntype: ranking", "type = 'ranking'"),
        ("csv: a.csv\nlabel_map: {no: 0, yes: 1}", "put it into quotes"),
        ("csv: a.csv\nlabel_map: {a: 1, b: 2}", "without gaps"),
        ("csv: a.csv\nlabel_map: {a: 0}", "at least two classes"),
        ("csv: a.csv\ntype: survival\nsubtyping: true", "a task of survival has none"),
        ("- csv", "no keys and values"),
        ("csv: [", "cannot be read"),
        ("csv: !!python/object:os.system {}", "cannot be read"),
        ("csv: a.csv\nname: ../up", "is no name"),
    ],
)
def test_a_wrong_task_file_says_what_is_wrong(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        find_task(str(write_own(tmp_path, text)))


def test_flags_make_a_task_or_replace_parts_of_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path)
    flags = {"csv_path": "own.csv", "label_col": "grade", "slide_col": "image", "patient_col": "image"}
    task = TaskFlags(**flags, data_dir="feats_here", ignore=()).resolve()
    assert (task.name, task.feature_folders(None)) == ("own", tmp_path / "feats_here")
    assert task.read_table().class_names == ("1", "3", "unclear")
    mapped = TaskFlags(**flags, label_map="1=0,3=1", ignore=()).resolve().read_table()
    assert list(mapped.slides["case_id"]) == ["a", "b"] and mapped.left_out_ids == {"c"}
    assert TaskFlags(task="own.yaml", ignore=("3",)).resolve().ignore == ("3",)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, r"--task NAME or FILE.yaml \(known: task_1"),
        ({"csv_path": "own.csv", "label_map": "a0,b=1"}, "'a0' is no LABEL=CLASS"),
        ({"csv_path": "own.csv", "label_map": "a=0,a=1"}, "'a=1' is no LABEL=CLASS"),
        ({"csv_path": "own.csv", "data_dir": "nowhere"}, "--data_dir: no folder 'nowhere'"),
        ({"task": "missing.yaml"}, "no task file 'missing.yaml'"),
    ],
)
def test_wrong_flags_say_what_is_wrong(tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        TaskFlags(**flags).resolve()


def test_a_slide_of_an_unknown_source_is_named(tmp_path):
    path = write_own(tmp_path, rows="a,p1,1,elsewhere\nb,p2,3,there\n")
    with pytest.raises(UsageError, match="slide a: no feature folder for hospital 'elsewhere'; known: here, there"):
        open_task(find_task(str(path)), None).feature_folders  # noqa: B018


def test_numbers_and_times_are_read_and_stratified(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("case_id,slide_id,label,time,event\n" + "".join(f"p{i},s{i},{i}.5,{i},{i % 2}\n" for i in range(8)))
    numbers = read_slide_table(path, TargetColumns("regression"))
    assert list(numbers.slides["target"]) == [i + 0.5 for i in range(8)]
    assert list(numbers.slides["label"]) == [0, 0, 1, 1, 2, 2, 3, 3] and numbers.n_classes == 4
    times = read_slide_table(path, TargetColumns("survival"))
    assert list(times.slides["time"]) == list(range(8)) and list(times.slides["event"]) == [0, 1] * 4
    assert times.class_names == ("censored", "event")


def test_numbers_and_times_that_are_none_are_counted_or_left_out(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("case_id,slide_id,label,time,event\na,a,x,1,1\nb,b,,-1,0\nc,c,2,3,maybe\nd,d,inf,4,yes\n")
    with pytest.raises(UsageError, match=r"'x' \(1 row\), '' \(1 row\), 'inf' \(1 row\); known: numbers"):
        read_slide_table(path, TargetColumns("regression"))
    with pytest.raises(UsageError, match=r"'-1, 0' \(1 row\), '3, maybe' \(1 row\)"):
        read_slide_table(path, TargetColumns("survival"))
    kept = read_slide_table(path, TargetColumns("survival"), ignore_unknown=True)
    assert list(kept.slides["slide_id"]) == ["a", "d"] and kept.left_out_ids == {"b", "c"}


def test_times_are_cut_where_equally_many_events_lie_between():
    times, events = np.array([1.0, 2, 3, 4, 100, 200]), np.array([1, 1, 1, 1, 0, 0])
    edges = time_edges(times, events, 2)
    assert edges == [2.5] and list(bin_of(times, edges)) == [0, 0, 1, 1, 1, 1]
    assert len(time_edges(times, np.zeros(6), 4)) == 0
