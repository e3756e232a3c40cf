"""How splits are drawn, by name: ``SPLIT_MODES``. A new way is one more function and entry here.

Every function takes the units of a cohort and a ``SplitRequest``, and returns splits whose training side is whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from datasets.splits import Split, generator, monte_carlo_splits, share_of
from datasets.units import Units
from utils.errors import UsageError
from utils.wording import few


@dataclass(frozen=True)
class SplitRequest:
    """What splits are wanted.

    Attributes:
        n_splits: how many.
        seed: of the draws.
        val_frac: part of each class's units that validates.
        test_frac: part of each class's units that tests, for ``montecarlo``.
        sites: (U,) the site of every unit, for ``site``.
        test_units: who tests in every split, for ``custom``.
    """

    n_splits: int
    seed: int
    val_frac: float
    test_frac: float
    sites: np.ndarray | None = None
    test_units: Sequence[int] | None = None


@dataclass(frozen=True)
class SplitMode:
    """A way to draw splits.

    Attributes:
        draw: does it.
        kind: what the splits are, as a user must know before averaging over them.
        test_advice: what to change when a class is missing in a test side.
        overlaps: test sides are drawn anew and overlap.
    """

    draw: Callable[[Units, SplitRequest], list[Split]]
    kind: str
    test_advice: str
    overlaps: bool = False


def monte_carlo(units: Units, request: SplitRequest) -> list[Split]:
    """Draw every split anew: the original's splits, byte for byte."""
    n_val, n_test = share_of(units, request.val_frac), share_of(units, request.test_frac)
    return list(monte_carlo_splits(units, n_val=n_val, n_test=n_test, n_splits=request.n_splits, seed=request.seed))


def custom(units: Units, request: SplitRequest) -> list[Split]:
    """Draw validation and training as ``monte_carlo`` does, around units that test in every split."""
    return list(
        monte_carlo_splits(
            units,
            n_val=share_of(units, request.val_frac),
            n_test=[0] * units.n_classes,
            n_splits=request.n_splits,
            seed=request.seed,
            fixed_test=request.test_units,
        )
    )


def k_fold(units: Units, request: SplitRequest) -> list[Split]:
    """Deal the units of every class out to ``n_splits`` test sides, which differ by one unit at most in each class.

    scikit-learn's StratifiedKFold deals the same way, but refuses more folds than the largest class has members; here
    every unit may have a fold of its own. The stream is numpy's legacy generator, fixed for good (NEP 19).

    Raises:
        UsageError: fewer than two folds, or more than units, or nothing is left to train on.
    """
    _check_folds(request, len(units), units.word)
    rng = generator(request.seed)
    order = np.concatenate([rng.permutation(members) for members in units.of_class])
    n_val = share_of(units, request.val_frac)
    return [_around(order[fold :: request.n_splits], n_val, units, rng) for fold in range(request.n_splits)]


def by_site(units: Units, request: SplitRequest) -> list[Split]:
    """Deal whole sites out to ``n_splits`` test sides, and whole sites of the rest to validation.

    Raises:
        UsageError: fewer than two folds or more than sites, or the sites left do not suffice for both other sides.
    """
    sites, names = _numbered(request.sites)
    rng = generator(request.seed)
    _check_folds(request, len(names), f"sites ({_sizes(names, sites)})")
    test_of = _deal(sites, units.labels, request.n_splits, rng)
    n_val = share_of(units, request.val_frac)
    return [
        _around_sites(np.flatnonzero(test_of == fold), sites, n_val, units, rng) for fold in range(request.n_splits)
    ]


SPLIT_MODES = {
    "montecarlo": SplitMode(
        monte_carlo,
        "Monte-Carlo resamples, NOT the folds of a cross-validation: each is drawn anew, so they overlap",
        "raise --test_frac",
        overlaps=True,
    ),
    "kfold": SplitMode(
        k_fold,
        "the folds of a cross-validation by patient: test sides are disjoint and cover everyone",
        "lower --k",
    ),
    "site": SplitMode(
        by_site,
        "the folds of a cross-validation by site: test sides are disjoint and cover everyone, no site is on two sides",
        "lower --k",
    ),
    "custom": SplitMode(
        custom,
        "draws around the given test side: it is the same in every split, only training and validation differ",
        "name some in --test_ids",
    ),
}


def _check_folds(request: SplitRequest, n_parts: int, word: str) -> None:
    if not 2 <= request.n_splits <= n_parts:
        raise UsageError(f"--k {request.n_splits}: at least 2 folds and at most one for each of the {n_parts} {word}")
    if request.val_frac + 1 / request.n_splits >= 1:
        raise UsageError(
            f"--val_frac {request.val_frac} and a fold of --k {request.n_splits} leave nothing to train on"
        )


def _around(test: np.ndarray, n_val: Sequence[int], units: Units, rng: np.random.RandomState) -> Split:
    """Draw validation for a test side; a class that trains at all keeps at least one unit for it."""
    val: list[int] = []
    for number, members in enumerate(units.of_class):
        rest = np.setdiff1d(members, test)
        val += rng.choice(rest, min(n_val[number], max(len(rest) - 1, 0)), replace=False).tolist()
    return _with_rest(val, np.sort(test), units)


def _with_rest(val: Sequence[int], test: np.ndarray, units: Units) -> Split:
    train = np.setdiff1d(np.arange(len(units)), [*val, *test])
    return Split(train.tolist(), list(val), test.tolist())


def _around_sites(
    test: np.ndarray, sites: np.ndarray, n_val: Sequence[int], units: Units, rng: np.random.RandomState
) -> Split:
    """Take, of equal parts of the remaining sites, the one that is nearest to the validation asked for."""
    wanted = sum(n_val)
    if not wanted:
        return _with_rest([], test, units)
    rest = np.setdiff1d(np.arange(len(units)), test)
    n_sites = len(np.unique(sites[rest]))
    if n_sites < 2:
        raise UsageError("the sites left beside a test side do not suffice for training and validation: --val_frac 0")
    part_of = _deal(sites[rest], units.labels[rest], min(max(2, round(len(rest) / wanted)), n_sites), rng)
    parts = [rest[part_of == part] for part in np.unique(part_of)]
    counts = [np.bincount(units.labels[part], minlength=units.n_classes) for part in parts]
    nearest = int(np.argmin([np.abs(count - n_val).sum() for count in counts]))
    return _with_rest(parts[nearest].tolist(), test, units)


def _deal(groups: np.ndarray, labels: np.ndarray, n_parts: int, rng: np.random.RandomState) -> np.ndarray:
    """Deal whole groups out to parts that are as even as possible in size and in every class.

    The largest group goes first, each to the part that has least of what the group brings: the sum of squared shares
    then grows least. An empty part has nothing, so that none stays empty. (scikit-learn's StratifiedGroupKFold goes by
    the groups' spread over the classes, mostly leaves parts less even, see docs/splits.md, and refuses more parts than
    the largest class has members.)

    Args:
        groups: (U,) group of every unit.
        labels: (U,) class of every unit.
        n_parts: number of parts, at most that of groups.
        rng: decides between groups of one size.

    Returns:
        (U,) part of every unit.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    held = np.zeros((group_of.max() + 1, labels.max() + 2))  # of each group: units by class, and all
    np.add.at(held, (group_of, labels), 1)
    held[:, -1] = np.bincount(group_of)
    weight = np.maximum(held.sum(axis=0), 1) ** -2.0
    shuffled = rng.permutation(len(held))
    filled, part_of = np.zeros((n_parts, held.shape[1])), np.zeros(len(held), dtype=np.int64)
    for group in shuffled[np.argsort(-held[shuffled, -1], kind="stable")]:
        part_of[group] = np.argmin(filled @ (held[group] * weight))
        filled[part_of[group]] += held[group]
    return part_of[group_of]


def _numbered(sites: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if sites is None:
        raise UsageError("splits by site need the site of every patient")
    names, numbers = np.unique(sites, return_inverse=True)
    return numbers, names


def _sizes(names: np.ndarray, sites: np.ndarray) -> str:
    return few([f"{name}: {n}" for name, n in zip(names, np.bincount(sites), strict=True)], most=10)
