"""Bags in the order in which training and evaluation see them.

Every pass is a torch DataLoader's: it takes one base seed from torch's global generator and then lets the sampler draw,
so that one seed gives one order, with and without worker processes.
"""

import logging

import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler

from datasets.dataset_generic import Generic_Split
from utils.processes import worker_context

logger = logging.getLogger(__name__)

WORKERS_WITH_GPU = 4  # on a processor alone, reading in other processes only competes with training
TESTING_PART = 0.1


def training_loader(split: Generic_Split, device: torch.device, *, weighted: bool) -> DataLoader:
    """Return bags in random order; ``weighted`` draws with replacement so that all classes come equally often."""
    weights = class_weights(split).tolist() if weighted else []
    sampler: Sampler = WeightedRandomSampler(weights, len(split)) if weighted else RandomSampler(split)
    return _loader(split, sampler, device)


def ordered_loader(split: Generic_Split, device: torch.device) -> DataLoader:
    """Return bags in the order of the dataset CSV."""
    return _loader(split, SequentialSampler(split), device)


def class_weights(split: Generic_Split) -> np.ndarray:
    """Return for each bag (N,) the number of bags over the number of bags of its class."""
    counts = np.array([len(ids) for ids in split.slide_cls_ids])
    if not counts.all():
        logger.warning("training has no bag of class %s", np.flatnonzero(counts == 0).tolist())
    return len(split) / counts[split.slide_data["label"].to_numpy()]


def part_for_testing(split: Generic_Split) -> Generic_Split:
    """Return a tenth of the bags of each class, at least one of each, to try a run out quickly."""
    sizes = [min(len(ids), max(1, round(TESTING_PART * len(ids)))) for ids in split.slide_cls_ids]
    drawn = [np.random.choice(ids, n, replace=False) for ids, n in zip(split.slide_cls_ids, sizes, strict=True)]
    chosen = np.sort(np.concatenate(drawn)).astype(int)
    return Generic_Split(split.slide_data.iloc[chosen], split.num_classes, split.data_dir)


def _loader(split: Generic_Split, sampler: Sampler, device: torch.device) -> DataLoader:
    workers = WORKERS_WITH_GPU if device.type == "cuda" else 0
    return DataLoader(
        split,
        batch_size=1,
        sampler=sampler,
        collate_fn=_one_bag,
        num_workers=workers,
        multiprocessing_context=worker_context() if workers else None,
        pin_memory=workers > 0,
    )


def _one_bag(batch: list[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features (N, D) and label (1,) of the only bag of a batch."""
    features, label = batch[0]
    return features, torch.tensor([label])
