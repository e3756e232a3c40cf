"""The tasks of the README."""

import pytest

from datasets.slide_table import read_slide_table
from datasets.tasks import TASKS, find_task
from demo.make_example_tables import write_tables
from tests.datasets.cohorts import write_cohort
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT


def test_the_tasks_are_those_of_the_readme():
    one, two = find_task("task_1_tumor_vs_normal"), find_task("task_2_tumor_subtyping")
    assert one.label_dict == {"normal_tissue": 0, "tumor_tissue": 1}
    assert two.label_dict == {"subtype_1": 0, "subtype_2": 1, "subtype_3": 2}
    assert (one.n_classes, one.patient_voting, one.subtyping) == (2, "max", False)
    assert (two.n_classes, two.patient_voting, two.subtyping) == (3, "maj", True)


def test_an_unknown_task_lists_the_known_ones():
    with pytest.raises(UsageError, match="known: task_1_tumor_vs_normal, task_2_tumor_subtyping"):
        find_task("task_3")


@pytest.mark.parametrize("name", TASKS)
def test_the_shipped_table_holds_all_classes_and_patients_with_several_slides(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = find_task(name)
    slides = read_slide_table(task.find_table(), task.label_dict).slides
    assert set(slides["label"]) == set(range(task.n_classes))
    assert slides["case_id"].duplicated().any()


def test_the_shipped_tables_are_what_their_maker_makes(tmp_path):
    write_tables(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (PROJECT_ROOT / "dataset_csv" / path.name).read_bytes()


def test_a_table_in_the_current_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = find_task("task_1_tumor_vs_normal")
    (tmp_path / "dataset_csv").mkdir()
    own = write_cohort(tmp_path / "dataset_csv" / task.csv_name)
    assert task.find_table().resolve() == own


def test_task_1_takes_the_feature_folder_of_the_readme_or_of_the_original(tmp_path):
    task = find_task("task_1_tumor_vs_normal")
    with pytest.raises(UsageError, match="tumor_vs_normal_feat_resnet or tumor_vs_normal_resnet_features"):
        task.features_dir(tmp_path)
    (tmp_path / "tumor_vs_normal_resnet_features").mkdir()
    assert task.features_dir(tmp_path).name == "tumor_vs_normal_resnet_features"
    (tmp_path / "tumor_vs_normal_feat_resnet").mkdir()
    assert task.features_dir(tmp_path).name == "tumor_vs_normal_feat_resnet"
