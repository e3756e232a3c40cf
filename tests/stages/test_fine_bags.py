"""Patches of a fine map take the places of their neighbours in the bag."""

import numpy as np

from stages.fine_bags import place_in_bag


def grid(side, step, start=0):
    axis = np.arange(start, side, step)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=2).reshape(-1, 2)


def test_every_patch_takes_a_place_once_and_no_place_is_taken_twice_in_a_round():
    placed = place_in_bag(grid(1024, 128), grid(1024, 256))
    assert sorted(np.concatenate(placed.rounds()).tolist()) == np.flatnonzero(placed.numbers).tolist()
    assert all(len(set(placed.places[chosen])) == len(chosen) for chosen in placed.rounds())


def test_a_round_is_the_grid_moved():
    fine, bag = grid(1024, 128), grid(1024, 256)
    placed = place_in_bag(fine, bag)
    assert len(placed.rounds()) == 3  # 2 x 2 grids, and one of them is the bag
    for chosen in placed.rounds():
        assert len(chosen) == len(bag) and len(np.unique(fine[chosen] - bag[placed.places[chosen]], axis=0)) == 1


def test_patches_of_the_bag_itself_need_no_round():
    bag = np.random.default_rng(0).permutation(grid(1024, 256))
    placed = place_in_bag(bag[::-1], bag)
    assert placed.rounds() == [] and placed.places.tolist() == list(range(len(bag)))[::-1]


def test_patches_far_from_the_bag_have_the_place_of_its_nearest_one():
    placed = place_in_bag(np.array([[5000, 5000], [5128, 5000], [0, 0]]), grid(512, 256))
    assert placed.places.tolist() == [3, 3, 0] and placed.numbers.tolist() == [1, 2, 0]
