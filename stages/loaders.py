"""Bags in the order in which training and evaluation see them.

The order is that of a torch DataLoader, which takes one base seed from torch's global generator at the start of every
pass and then lets the sampler draw: so one seed gives the order of the original.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler

from datasets.bag_cache import BagCache
from datasets.bags import BagSurvey
from datasets.dataset_generic import Generic_Split
from stages.epoch import Bag

logger = logging.getLogger(__name__)

TESTING_PART = 0.1
BAGS_AHEAD = 2  # read while the one before is learned from


@dataclass(frozen=True)
class Bags:
    """Bags to go through again and again.

    Attributes:
        slide_ids: N slides.
        targets: (N, ...) what is to be predicted of each.
        cache: their features.
        sampler: draws the order of a pass.
    """

    slide_ids: list[str]
    targets: torch.Tensor
    cache: BagCache
    sampler: Sampler

    def __len__(self) -> int:
        return len(self.slide_ids)

    def __iter__(self) -> Iterator[Bag]:
        """Yield (features (N, D), target (1, ...)) of each bag of a pass."""
        order = drawn_order(self.sampler)
        features = map(self._features, order) if not self.cache.paths else self._read_ahead(order)
        for row, bag in zip(order, features, strict=True):
            yield bag, self.targets[row : row + 1]

    def _features(self, row: int) -> torch.Tensor:
        return self.cache[self.slide_ids[row]]

    def _read_ahead(self, order: list[int]) -> Iterator[torch.Tensor]:
        with ThreadPoolExecutor(1) as reader:
            coming = [reader.submit(self._features, row) for row in order[:BAGS_AHEAD]]
            for row in [*order[BAGS_AHEAD:], *[None] * len(coming)]:
                bag = coming.pop(0).result()
                if row is not None:
                    coming.append(reader.submit(self._features, row))
                yield bag


def drawn_order(sampler: Sampler) -> list[int]:
    """Return the positions of a pass, drawing from torch's global generator what a DataLoader draws."""
    torch.empty((), dtype=torch.int64).random_()  # the base seed of a pass
    return list(sampler)


def training_bags(split: Generic_Split, targets: torch.Tensor, cache: BagCache, *, weighted: bool) -> Bags:
    """Return bags in random order; ``weighted`` draws with replacement so that all classes come equally often."""
    weights = class_weights(split).tolist() if weighted else []
    sampler: Sampler = WeightedRandomSampler(weights, len(split)) if weighted else RandomSampler(split)
    return Bags(split.slide_ids, targets, cache, sampler)


def ordered_bags(split: Generic_Split, targets: torch.Tensor, cache: BagCache) -> Bags:
    """Return bags in the order of the dataset CSV."""
    return Bags(split.slide_ids, targets, cache, SequentialSampler(split))


def class_weights(split: Generic_Split) -> np.ndarray:
    """Return for each bag (N,) the number of bags over the number of bags of its class."""
    counts = np.array([len(ids) for ids in split.slide_cls_ids])
    if not counts.all():
        logger.warning("training has no bag of class %s", np.flatnonzero(counts == 0).tolist())
    return len(split) / counts[split.slide_data["label"].to_numpy()]


def sound_part(split: Generic_Split, survey: BagSurvey, missing: str) -> Generic_Split:
    """Return the slides whose features can be used.

    Args:
        split: slides.
        survey: what is wrong with the features of some.
        missing: ``error`` refuses a split with such slides, ``drop`` goes on without them.

    Raises:
        UsageError: there are some; names all of them.
    """
    if not survey.problems:
        return split
    if missing == "error":
        survey.require_sound("the cohort", advice="--missing drop goes on without these slides")
    rejected = set(survey.rejected)
    return split.subset([row for row, slide_id in enumerate(split.slide_ids) if slide_id not in rejected])


def warn_of_left_out(survey: BagSurvey) -> None:
    """Say which slides are left out, and why; nothing where none is."""
    if survey.problems:
        logger.warning("%d slides are left out, features: %s", len(survey.rejected), survey.describe())


def part_for_testing(split: Generic_Split) -> Generic_Split:
    """Return a tenth of the bags of each class, at least one of each, to try a run out quickly."""
    sizes = [min(len(ids), max(1, round(TESTING_PART * len(ids)))) for ids in split.slide_cls_ids]
    drawn = [np.random.choice(ids, n, replace=False) for ids, n in zip(split.slide_cls_ids, sizes, strict=True)]
    return split.subset(np.sort(np.concatenate(drawn)).astype(int).tolist())
