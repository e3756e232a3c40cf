"""Splits by Monte-Carlo resampling, and the checks a split must pass before it is trained on.

Every split is drawn anew from the whole cohort, so the test sides of several splits overlap and need not cover
it; these are no folds of a cross-validation. The numbers follow numpy's legacy generator, which keeps its stream
for good (NEP 19): one seed gives the published splits on every numpy.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.label_fraction import part_of_training
from datasets.leakage import OnSides, describe_shared, patients_on_sides, sides_of
from datasets.slide_table import SlideTable
from datasets.split_file import SplitIds
from datasets.units import Units
from utils.errors import UsageError

MAX_SEED = 2**32 - 1


class Split(NamedTuple):
    """The positions of each side: of units in the cohort, or of slides in its table."""

    train: list[int]
    val: list[int]
    test: list[int]


def generator(seed: int) -> np.random.RandomState:
    """Return numpy's legacy generator, or raise a UsageError where it does not take that seed."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed {seed} is not between 0 and {MAX_SEED}")
    return np.random.RandomState(seed)


def share_of(units: Units, fraction: float) -> list[int]:
    """Return, for every class, the number of units that ``fraction`` of them is (halves go to the even number)."""
    return [round(len(members) * fraction) for members in units.of_class]


def monte_carlo_splits(
    units: Units,
    *,
    n_val: Sequence[int],
    n_test: Sequence[int],
    n_splits: int,
    seed: int,
    label_frac: float = 1.0,
    fixed_test: Sequence[int] | None = None,
) -> Iterator[Split]:
    """Draw splits of units, class by class.

    Args:
        units: patients or slides.
        n_val, n_test: number of units per class.
        n_splits: how many splits.
        seed: seeds one generator for all splits.
        label_frac: part of the remaining units that trains: the first ones, in ascending order.
        fixed_test: units that test in every split, instead of drawn ones.

    Yields:
        Positions of units; validation and test as drawn, class after class, training ascending in each class.

    Raises:
        UsageError: a class has fewer units than asked for, or seed or ``label_frac`` is out of range.
    """
    rng = generator(seed)
    if not 0 < label_frac <= 1:
        raise UsageError(f"label_frac {label_frac} is not above 0 and at most 1")
    _check_enough(units, n_val, n_test, fixed_test)
    return _draw_all(units, n_val, n_test, n_splits, rng, label_frac, fixed_test)


def slides_of_split(split: Split, units: Units) -> Split:
    """Return the rows of the slides that belong to the units of a split, in the same order."""
    return Split(*([int(row) for unit in side for row in units.slides_of[unit]] for side in split))


def check_split(split: SplitIds, table: SlideTable, where: str | Path, *, patients_apart: bool = True) -> None:
    """Make sure that a split file belongs to a table and keeps its sides apart.

    Args:
        split: what the file says.
        table: the cohort.
        where: the split file, for messages.
        patients_apart: also require that no patient has slides on two sides.

    Raises:
        UsageError: ids that the table lacks, or a slide or patient on two sides; they are named.
    """
    _check_known(split, table, where)
    _refuse_shared("slide", sides_of(split), where)
    if patients_apart:
        _refuse_shared("patient", patients_on_sides(split, table), where)


def _check_enough(units: Units, n_val: Sequence[int], n_test: Sequence[int], fixed_test: Sequence[int] | None) -> None:
    if not len(n_val) == len(n_test) == units.n_classes:
        raise UsageError(f"{len(n_val)} numbers for val and {len(n_test)} for test, but {units.n_classes} classes")
    for number, members in enumerate(units.of_class):
        available = len(np.setdiff1d(members, fixed_test or []))
        wanted_test = n_test[number] if fixed_test is None else 0
        if n_val[number] + wanted_test > available:
            raise UsageError(
                f"class {number} has {available} {units.word} to draw from: "
                f"too few for {n_val[number]} in val and {wanted_test} in test"
            )


def _draw_all(
    units: Units,
    n_val: Sequence[int],
    n_test: Sequence[int],
    n_splits: int,
    rng: np.random.RandomState,
    label_frac: float,
    fixed_test: Sequence[int] | None,
) -> Iterator[Split]:
    for _ in range(n_splits):
        split = Split([], [], list(fixed_test or []))
        for number, members in enumerate(units.of_class):
            # the order of the draws decides the published numbers: validation, then test, class after class
            rest = np.setdiff1d(members, fixed_test or [])
            val = rng.choice(rest, n_val[number], replace=False)
            rest = np.setdiff1d(rest, val)
            if fixed_test is None:
                test = rng.choice(rest, n_test[number], replace=False)
                rest = np.setdiff1d(rest, test)
                split.test.extend(test.tolist())
            split.val.extend(val.tolist())
            split.train.extend(rest.tolist())
        yield split._replace(train=part_of_training(split.train, units, label_frac))


def _check_known(split: SplitIds, table: SlideTable, where: str | Path) -> None:
    known = set(table.slides["slide_id"]) | table.left_out_ids
    ids = [slide_id for side in split for slide_id in side]
    unknown = [slide_id for slide_id in ids if slide_id not in known]
    if unknown:
        raise UsageError(
            f"split file {where}: {len(unknown)} of {len(ids)} ids are not in {table.path}, whose ids look like "
            f"{', '.join(table.slides['slide_id'].head(3))}: {', '.join(unknown)}"
        )


def _refuse_shared(word: str, sides: OnSides, where: str | Path) -> None:
    shared = describe_shared(sides)
    if shared:
        raise UsageError(f"split file {where}: {word} on more than one side: {', '.join(shared)}")
