"""Which patients train on a part of the labels."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.label_fraction import LABEL_FRAC_MODES, part_of_training
from tests.datasets.test_split_modes import patients


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    mode=st.sampled_from(list(LABEL_FRAC_MODES)),
    fold=st.integers(0, 9),
)
def test_smaller_parts_are_within_larger_ones(labels, mode, fold):
    units = patients(labels)
    train = list(range(0, len(labels), 2))
    parts = [part_of_training(train, units, f, mode=mode, seed=3, fold=fold) for f in (0.1, 0.25, 0.5, 0.75, 1.0)]
    for smaller, larger in pairwise(parts):
        assert set(smaller) <= set(larger)
    assert sorted(parts[-1]) == train
    kept = np.bincount(units.labels[parts[2]], minlength=3)
    np.testing.assert_array_equal(kept, np.ceil(np.bincount(units.labels[train], minlength=3) / 2))


def test_first_keeps_the_first_and_random_differs_from_split_to_split():
    units, train = patients([0] * 40), list(range(40))
    assert part_of_training(train, units, 0.25) == list(range(10))
    drawn = {tuple(part_of_training(train, units, 0.25, mode="random", seed=1, fold=fold)) for fold in range(5)}
    assert len(drawn) == 5
