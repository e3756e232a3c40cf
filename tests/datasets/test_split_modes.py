"""Every way to draw splits: who is where, and how even the sides are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from datasets.split_modes import SPLIT_MODES, SplitRequest
from datasets.splits import Split, monte_carlo_splits, share_of
from datasets.units import Units
from utils.errors import UsageError


def patients(labels: list[int], n_classes: int = 3) -> Units:
    rows = [np.array([row]) for row in range(len(labels))]
    ids = np.array([f"p{i:03d}" for i in range(len(labels))], dtype=object)
    return Units(ids, np.array(labels, dtype=np.int64), rows, n_classes, "patients")


def draw(mode: str, units: Units, k: int = 5, seed: int = 1, val_frac: float = 0.2, **more) -> list[Split]:
    return SPLIT_MODES[mode].draw(units, SplitRequest(k, seed, val_frac, test_frac=0.2, **more))


def assert_folds(splits: list[Split], units: Units) -> None:
    """Every unit is on one side of every split, and tests exactly once over all of them."""
    for split in splits:
        assert sorted(unit for side in split for unit in side) == list(range(len(units)))
        assert split.train and split.test
    assert sorted(unit for split in splits for unit in split.test) == list(range(len(units)))


def counts(units: Units, side: list[int]) -> np.ndarray:
    return np.bincount(units.labels[side], minlength=units.n_classes)


cohorts = st.lists(st.integers(0, 2), min_size=4, max_size=60)


@settings(max_examples=80, deadline=None)
@given(labels=cohorts, seed=st.integers(0, 99), data=st.data())
def test_folds_are_disjoint_cover_everyone_and_are_even_in_size_and_classes(labels, seed, data):
    units = patients(labels)
    k = data.draw(st.integers(2, len(units)))
    splits = draw("kfold", units, k, seed)
    assert len(splits) == k
    assert_folds(splits, units)
    tests = np.array([counts(units, split.test) for split in splits])
    assert (np.ptp(tests, axis=0) <= 1).all()
    assert np.ptp(tests.sum(axis=1)) <= 1


@settings(max_examples=60, deadline=None)
@given(labels=cohorts, seed=st.integers(0, 99))
def test_validation_takes_its_part_of_each_class_but_never_the_last_that_trains(labels, seed):
    units = patients(labels)
    for split in draw("kfold", units, 3, seed):
        left = counts(units, split.train + split.val)
        wanted = np.minimum(share_of(units, 0.2), np.maximum(left - 1, 0))
        np.testing.assert_array_equal(counts(units, split.val), wanted)


@settings(max_examples=80, deadline=None)
@given(labels=cohorts, seed=st.integers(0, 99), data=st.data())
def test_a_site_is_on_one_side_of_every_split_and_tests_once(labels, seed, data):
    units = patients(labels)
    sites = np.array(data.draw(st.lists(st.sampled_from("ABCDEFG"), min_size=len(units), max_size=len(units))), object)
    n_sites = len(set(sites))
    if n_sites < 3:
        return
    splits = draw("site", units, data.draw(st.integers(3, n_sites)), seed, sites=sites)
    assert_folds(splits, units)
    for split in splits:
        train, val, test = (set(sites[side]) for side in split)
        assert not (train & val or train & test or val & test)
        assert val or not sum(share_of(units, 0.2))


def test_sites_of_equal_make_up_give_equal_folds():
    units = patients([0, 0, 0, 1] * 20, n_classes=2)
    sites = np.repeat(np.array([f"S{i:02d}" for i in range(20)], dtype=object), 4)
    for split in draw("site", units, 5, val_frac=0.2, sites=sites):
        assert list(counts(units, split.test)) == list(counts(units, split.val)) == [12, 4]


def test_a_large_site_fills_a_fold_of_its_own():
    units = patients([0, 1] * 20, n_classes=2)
    sites = np.array(["large"] * 20 + ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + ["d"] * 5, dtype=object)
    tests = sorted(sorted(set(sites[split.test])) for split in draw("site", units, 3, sites=sites))
    assert ["large"] in tests and [len(test) for test in tests if test != ["large"]] == [2, 2]


@pytest.mark.parametrize("mode", ["kfold", "site", "montecarlo"])
def test_the_seed_alone_decides(mode):
    units = patients([0, 1, 2] * 20)
    sites = np.array([f"S{i % 11}" for i in range(60)], dtype=object)
    one, same, other = (draw(mode, units, seed=seed, sites=sites) for seed in (1, 1, 2))
    assert one == same != other


def test_folds_stay_what_they_were():
    """A seed must give the same folds with every release."""
    units, sites = patients([0] * 6 + [1] * 4, n_classes=2), np.array(list("ABCDABCDAB"), dtype=object)
    assert [(split.val, split.test) for split in draw("kfold", units, 3)] == [
        ([4, 9], [0, 2, 6, 7]),
        ([4, 6], [1, 3, 8]),
        ([1, 8], [4, 5, 9]),
    ]
    assert [(split.val, split.test) for split in draw("site", units, 3, sites=sites)] == [
        ([3, 7], [0, 4, 8]),
        ([3, 7], [1, 5, 9]),
        ([1, 5, 9], [2, 3, 6, 7]),
    ]


def test_given_patients_test_in_every_split_and_the_rest_is_drawn_as_ever():
    units = patients([0, 1] * 10, n_classes=2)
    splits = draw("custom", units, test_units=[0, 3])
    n_val = share_of(units, 0.2)
    assert splits == list(monte_carlo_splits(units, n_val=n_val, n_test=[0, 0], n_splits=5, seed=1, fixed_test=[0, 3]))
    assert all(split.test == [0, 3] for split in splits)


def test_the_original_way_is_the_original_way():
    units = patients([0, 1] * 10, n_classes=2)
    share = share_of(units, 0.2)
    assert draw("montecarlo", units) == list(monte_carlo_splits(units, n_val=share, n_test=share, n_splits=5, seed=1))


SITES = np.array(["A", "B", "B", "B", "B", "B"], dtype=object)


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("kfold", {"k": 1}, "--k 1: at least 2 folds"),
        ("kfold", {"k": 7}, "--k 7: at least 2 folds and at most one for each of the 6 patients"),
        ("kfold", {"k": 2, "val_frac": 0.5}, "leave nothing to train on"),
        ("kfold", {"seed": -1}, "seed -1"),
        ("site", {"k": 3, "sites": SITES}, r"each of the 2 sites \(A: 1, B: 5\)"),
        ("site", {"k": 2, "sites": SITES}, "do not suffice for training and validation"),
        ("site", {"k": 2}, "need the site of every patient"),
    ],
)
def test_impossible_folds_are_refused(mode, options, message):
    with pytest.raises(UsageError, match=message):
        draw(mode, patients([0, 1] * 3), **options)


def test_two_sites_make_two_folds_without_validation():
    assert_folds(draw("site", patients([0, 1] * 3), 2, val_frac=0.0, sites=SITES), patients([0, 1] * 3))


def worst_share(sizes: list[int]) -> float:
    return float(np.abs(np.array(sizes) / sum(sizes) - 1 / len(sizes)).max())


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_folds_of_sites_are_more_even_than_those_of_scikit_learn():
    ours, theirs = [], []
    for seed in range(12):
        rng = np.random.RandomState(seed)
        sites = rng.choice(20, 300, p=rng.dirichlet(np.full(20, 0.7)))
        units = patients(list((rng.rand(300) < rng.beta(2, 2, 20)[sites]).astype(int)), n_classes=2)
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(units.labels, units.labels, sites)
        ours.append(worst_share([len(split.test) for split in draw("site", units, 5, sites=sites)]))
        theirs.append(worst_share([len(test) for _, test in folds]))
    assert np.mean(ours) < np.mean(theirs)
