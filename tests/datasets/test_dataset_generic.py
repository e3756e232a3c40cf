"""The datasets that users import."""

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.dataset_generic import Generic_MIL_Dataset, Generic_WSI_Classification_Dataset, open_task
from datasets.split_file import SplitIds, read_split, write_split
from datasets.tasks import find_task
from tests.datasets.cohorts import LABELS, write_cohort, write_h5, write_pt
from utils.errors import UsageError


@pytest.fixture
def csv_path(tmp_path):
    return write_cohort(tmp_path / "cohort.csv")


def mil_dataset(tmp_path, csv_path, **options):
    return Generic_MIL_Dataset(
        data_dir=tmp_path / "feats", csv_path=csv_path, label_dict=LABELS, print_info=False, **options
    )


def sides(tmp_path, dataset, *ids):
    write_split(tmp_path / "splits_0.csv", SplitIds(*ids))
    return dataset.return_splits(from_id=False, csv_path=tmp_path / "splits_0.csv")


def test_bags_of_a_split_file_come_in_the_order_of_the_csv(tmp_path, csv_path):
    dataset = mil_dataset(tmp_path, csv_path)
    train, val, test = sides(tmp_path, dataset, ["s13", "s02", "s07"], ["s15.svs", "s04"], ["s00"])
    assert train.slide_ids == ["s02", "s07", "s13"]
    assert [train.getlabel(i) for i in range(len(train))] == [0, 0, 1]
    assert val.slide_ids == ["s04", "s15"]
    assert list(test.slide_data.columns) == ["case_id", "slide_id", "label"]


def test_a_split_indexes_to_bags_and_labels(tmp_path, csv_path):
    features = torch.rand(3, 8)
    write_pt(tmp_path / "feats", "s13", features)
    train, _, _ = sides(tmp_path, mil_dataset(tmp_path, csv_path), ["s13"], [], [])
    bag, label = train[0]
    assert torch.equal(bag, features) and label == 1
    assert train.data_dir == tmp_path / "feats"


def test_coordinates_come_with_the_bag_on_request(tmp_path, csv_path):
    write_h5(tmp_path / "feats", "s00", np.ones((3, 8), np.float32))
    dataset = mil_dataset(tmp_path, csv_path)
    dataset.load_from_h5(True)
    features, label, coords = dataset[0]
    assert (features.shape, label, coords.shape) == ((3, 8), 0, (3, 2))


def test_empty_and_one_class_sides_work(tmp_path, csv_path):
    train, val, test = sides(tmp_path, mil_dataset(tmp_path, csv_path), ["s00", "s02"], [], ["s19"])
    assert [list(ids) for ids in train.slide_cls_ids] == [[0, 1], []]
    assert [list(ids) for ids in test.slide_cls_ids] == [[], [0]]
    assert (len(val), val.slide_ids, [len(ids) for ids in val.slide_cls_ids]) == (0, [], [0, 0])
    assert train.num_classes == val.num_classes == test.num_classes == 2


def test_a_patient_on_two_sides_is_refused_or_warned_of(tmp_path, csv_path, caplog):
    ids = ["s00"], ["s02"], ["s01"]
    with pytest.raises(UsageError, match=r"patient on more than one side: p0 \(train, test\)"):
        sides(tmp_path, mil_dataset(tmp_path, csv_path, patient_strat=True), *ids)
    with caplog.at_level(logging.WARNING):
        assert len(sides(tmp_path, mil_dataset(tmp_path, csv_path), *ids)[2]) == 1
    assert "p0 (train, test)" in caplog.text


def test_an_unknown_id_is_refused(tmp_path, csv_path):
    with pytest.raises(UsageError, match=r"1 of 2 ids are not in .*cohort.csv.* s00, s01, s02: s2"):
        sides(tmp_path, mil_dataset(tmp_path, csv_path), ["s2"], ["s00"], [])


@pytest.mark.parametrize("patient_strat", [True, False])
def test_splits_are_drawn_saved_and_read_back(tmp_path, csv_path, patient_strat):
    dataset = mil_dataset(tmp_path, csv_path, patient_strat=patient_strat, seed=3)
    dataset.create_splits(k=2, val_num=(1, 1), test_num=(1, 1))
    seen = []
    for _ in range(2):
        dataset.set_splits()
        dataset.save_split(tmp_path / "splits_0.csv")
        drawn = dataset.return_splits()
        assert read_split(tmp_path / "splits_0.csv") == tuple(side.slide_ids for side in drawn)
        read = dataset.return_splits(from_id=False, csv_path=tmp_path / "splits_0.csv")
        assert [sorted(side.slide_ids) for side in drawn] == [sorted(side.slide_ids) for side in read]
        assert [len(side) for side in drawn] == ([12, 4, 4] if patient_strat else [16, 2, 2])
        seen.append(drawn[2].slide_ids)
    assert seen[0] != seen[1]
    with pytest.raises(UsageError, match="no split left"):
        dataset.set_splits()


def test_set_splits_can_start_from_a_later_one(tmp_path, csv_path):
    def third(start_from):
        dataset = mil_dataset(tmp_path, csv_path, patient_strat=True)
        dataset.create_splits(k=3, val_num=(1, 1), test_num=(1, 1))
        for _ in range(1 if start_from else 3):
            dataset.set_splits(start_from)
        return dataset.return_splits()[2].slide_ids

    assert third(2) == third(None)


def test_the_descriptor_counts_slides_by_label(tmp_path, csv_path):
    dataset = mil_dataset(tmp_path, csv_path, patient_strat=True)
    dataset.create_splits(k=1, val_num=(0, 2), test_num=(1, 0))
    dataset.set_splits()
    counts = dataset.test_split_gen(return_descriptor=True)
    assert counts.to_dict("index") == {
        "normal": {"train": 10, "val": 0, "test": 2},
        "tumor": {"train": 4, "val": 4, "test": 0},
    }


def test_classes_list_slides_and_patients(csv_path):
    dataset = Generic_WSI_Classification_Dataset(csv_path=csv_path, label_dict=LABELS)
    assert [list(ids) for ids in dataset.slide_cls_ids] == [list(range(12)), list(range(12, 20))]
    assert [list(ids) for ids in dataset.patient_cls_ids] == [list(range(6)), list(range(6, 10))]
    assert (len(dataset), dataset.getlabel(19), dataset.get_list([0, 19])) == (20, 1, ["s00", "s19"])
    assert dataset[19] == ("s19", 1)


def test_indexing_past_the_end_stops_a_loop(csv_path):
    dataset = Generic_WSI_Classification_Dataset(csv_path=csv_path, label_dict=LABELS)
    with pytest.raises(IndexError):
        dataset[20]


def test_cohorts_and_splits_travel_to_worker_processes(tmp_path, csv_path):
    dataset = mil_dataset(tmp_path, csv_path)
    for original in (dataset, *sides(tmp_path, dataset, ["s00"], ["s02"], [])):
        assert pickle.loads(pickle.dumps(original)).slide_ids == original.slide_ids


def test_shuffling_is_by_seed_and_loses_nothing(csv_path):
    def order(seed):
        return Generic_WSI_Classification_Dataset(csv_path, shuffle=True, seed=seed, label_dict=LABELS).slide_ids

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == [f"s{i:02d}" for i in range(20)]


def test_a_task_opens_with_its_own_table_and_features(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root" / "tumor_subtyping_resnet_features").mkdir(parents=True)
    dataset = open_task(find_task("task_2_tumor_subtyping"), "root", seed=4)
    assert (dataset.num_classes, dataset.seed, dataset.patient_strat) == (3, 4, True)
    assert Path(dataset.data_dir or "").name == "tumor_subtyping_resnet_features"
