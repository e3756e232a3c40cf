"""Training on a part of the labels: which patients of a drawn training side are kept. ``LABEL_FRAC_MODES`` by name."""

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np

from datasets.units import Units

# (seed of the splits, number of the split, class) and the class's units, ascending -> the order they are kept in
Order = Callable[[tuple[int, int, int], np.ndarray], np.ndarray]


def _first(key: tuple[int, int, int], members: np.ndarray) -> np.ndarray:
    return members


def _random(key: tuple[int, int, int], members: np.ndarray) -> np.ndarray:
    # a generator of its own for each class of each split: what is kept depends on nothing else that is drawn
    return np.random.RandomState(key).permutation(members)


LABEL_FRAC_MODES: dict[str, Order] = {"first": _first, "random": _random}


def part_of_training(
    train: Sequence[int], units: Units, label_frac: float, *, mode: str = "first", seed: int = 0, fold: int = 0
) -> list[int]:
    """Return the units that train on a part of the labels: of every class that part, rounded up.

    Smaller parts are within larger ones of the same split.

    Args:
        train: positions of the units of the whole training side.
        units: the cohort.
        label_frac: the part, above 0 and at most 1.
        mode: ``first`` keeps those that come first in ``units``, as the original does; ``random`` any.
        seed, fold: of the splits, and the number of this one; for ``random``.

    Returns:
        Positions class after class, ascending in each.
    """
    whole = np.sort(np.array(train, dtype=np.int64))
    kept: list[int] = []
    for number in range(units.n_classes):
        members = whole[units.labels[whole] == number]
        order = LABEL_FRAC_MODES[mode]((seed, fold, number), members)
        kept += sorted(order[: ceil(len(members) * label_frac)].tolist())
    return kept
