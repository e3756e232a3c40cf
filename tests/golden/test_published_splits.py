"""The splits published with the demo come out byte for byte, companions included."""

import pytest

import create_splits_seq
from datasets.dataset_generic import Generic_WSI_Classification_Dataset
from datasets.tasks import find_task


@pytest.mark.parametrize(("task", "label_frac"), [("task_1_tumor_vs_normal", 0.75), ("task_2_tumor_subtyping", 0.5)])
def test_published_splits_are_equal(shared, tmp_path, monkeypatch, task, label_frac):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dataset_csv").symlink_to(shared / "clam_demo" / "dataset_csv")
    assert create_splits_seq.main(["--task", task, "--seed", "1", "--k", "10", "--label_frac", str(label_frac)]) == 0
    folder = f"{task}_{round(100 * label_frac)}"
    published = {path.name: path.read_bytes() for path in (shared / "clam_demo" / "splits" / folder).iterdir()}
    assert len(published) == 30
    made = {path.name: path.read_bytes() for path in (tmp_path / "splits" / folder).iterdir()}
    assert made.pop("report.txt")
    assert made == published


def test_the_dataset_class_draws_the_published_splits(shared, tmp_path):
    task = find_task("task_2_tumor_subtyping")
    dataset = Generic_WSI_Classification_Dataset(
        csv_path=shared / "clam_demo" / "dataset_csv" / task.csv,
        shuffle=False,
        seed=1,
        print_info=False,
        label_dict=task.label_map,
        patient_strat=True,
        patient_voting="maj",
        ignore=[],
    )
    n_patients = [round(0.1 * len(patients)) for patients in dataset.patient_cls_ids]
    dataset.create_splits(k=10, val_num=n_patients, test_num=n_patients, label_frac=0.5)
    for fold in range(10):
        dataset.set_splits()
        dataset.save_split(tmp_path / "split.csv")
        published = shared / "clam_demo" / "splits" / "task_2_tumor_subtyping_50" / f"splits_{fold}.csv"
        assert (tmp_path / "split.csv").read_bytes() == published.read_bytes()
