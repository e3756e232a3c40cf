"""The order of bags is decided by the seed and by nothing else."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

from datasets.dataset_generic import Generic_Split
from stages.loaders import class_weights, part_for_testing, training_loader
from utils.processes import worker_context
from utils.seed import seed_everything

CPU = torch.device("cpu")


def split_of(labels: list[int], folder=None, n_classes: int = 3) -> Generic_Split:
    ids = [f"s{number}" for number in range(len(labels))]
    return Generic_Split(pd.DataFrame({"case_id": ids, "slide_id": ids, "label": labels}), n_classes, folder)


@pytest.mark.parametrize("weighted", [True, False])
def test_worker_processes_keep_the_order(tmp_path, weighted):
    (tmp_path / "pt_files").mkdir()
    for number in range(6):
        torch.save(torch.full((1, 2), float(number)), tmp_path / "pt_files" / f"s{number}.pt")

    def passes(n_workers: int) -> list[float]:
        seed_everything(1)
        ours = training_loader(split_of([0, 1] * 3, tmp_path, 2), CPU, weighted=weighted)
        how = {"num_workers": n_workers, "multiprocessing_context": worker_context() if n_workers else None}
        loader = DataLoader(ours.dataset, sampler=ours.sampler, collate_fn=ours.collate_fn, **how)
        return [features[0, 0].item() for _ in range(3) for features, _ in loader]

    assert passes(0) == passes(2)
    assert len(set(passes(0))) > 1


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
