"""The order of bags is decided by the seed and by nothing else."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from datasets.bag_cache import read_bags
from datasets.bags import survey_bags
from datasets.dataset_generic import Generic_Split
from stages.loaders import class_weights, part_for_testing, training_bags
from tests.datasets.cohorts import write_pt
from utils.processes import worker_context
from utils.seed import seed_everything


def split_of(labels: list[int], folder=None, n_classes: int = 3) -> Generic_Split:
    ids = [f"s{number}" for number in range(len(labels))]
    return Generic_Split(pd.DataFrame({"case_id": ids, "slide_id": ids, "label": labels}), n_classes, folder)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n_workers", [0, 2])
@pytest.mark.parametrize("cache_gb", [0, 1])
def test_the_order_is_that_of_a_data_loader_with_and_without_workers(tmp_path, weighted, n_workers, cache_gb):
    split = split_of([0, 1] * 3, tmp_path, 2)
    for number, slide_id in enumerate(split.slide_ids):
        write_pt(tmp_path, slide_id, torch.full((1, 2), float(number)))
    cache = read_bags(survey_bags(split.feature_folders), cache_gb=cache_gb)
    ours = training_bags(split, torch.arange(6), cache, weighted=weighted)
    how = {"num_workers": n_workers, "multiprocessing_context": worker_context() if n_workers else None}
    loader = DataLoader(range(6), sampler=ours.sampler, **how)

    def passes(bags, number_of) -> list[int]:
        seed_everything(1)
        torch.rand(5)  # as drop-out draws between passes
        return [number_of(bag) for _ in range(3) for bag in bags]

    order = passes(ours, lambda bag: int(bag[0][0, 0]))
    assert order == passes(loader, int)
    assert order == passes(ours, lambda bag: int(bag[1]))
    assert len(set(order)) > 1


def test_every_class_present_weighs_the_same_together():
    labels = np.array([0, 0, 0, 1, 2, 2])
    weights = class_weights(split_of(labels.tolist()))
    assert [weights[labels == number].sum() for number in range(3)] == pytest.approx([6, 6, 6])


def test_an_absent_class_is_named(caplog):
    assert np.isfinite(class_weights(split_of([0, 0, 2]))).all()
    assert "no bag of class [1]" in caplog.text


@pytest.mark.parametrize(("labels", "sizes"), [([0] * 40 + [1] * 8, [4, 1, 0]), ([], [0, 0, 0])])
def test_a_tenth_holds_every_class(labels, sizes):
    assert [len(ids) for ids in part_for_testing(split_of(labels)).slide_cls_ids] == sizes
