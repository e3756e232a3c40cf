"""The patches of a fine map as bags, for heads whose score of a patch depends on the others of its bag.

All of a fine map at once is no bag such a head was trained on: its patches overlap, and there are up to a hundred
times as many, among which each gets that much less attention. So the map is made of many bags: in each, some patches
of the slide's own bag give their places to a neighbour from the fine map, no place to two of them. Every bag has the
size, the order and the surroundings of the slide's own, even where the map is of a region only; its scores compare
with those of that bag, and it takes no more memory.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

TIE_BREAK_PX = 0.25  # a patch half-way between two of the bag belongs to the one on its left, or above it


@dataclass(frozen=True)
class PlacedPatches:
    """Where in the bag patches of a fine map stand, and when.

    Attributes:
        places: which patch of the bag each is nearest to, int64 (M,).
        numbers: the round that each takes this place in, int64 (M,); 0: it is that very patch.
    """

    places: np.ndarray
    numbers: np.ndarray

    def rounds(self) -> list[np.ndarray]:
        """Return which patches take places in round 1, 2, ...; int64 each."""
        found = (np.flatnonzero(self.numbers == number) for number in range(1, self.numbers.max(initial=0) + 1))
        return [chosen for chosen in found if len(chosen)]


def place_in_bag(fine: np.ndarray, bag: np.ndarray) -> PlacedPatches:
    """Give each patch of a fine map the place of the nearest patch of the bag, and a round of its own there.

    Patches at the same distance to the right and below share a round, as far as their neighbours allow.

    Args:
        fine: level-0 corners (M, 2).
        bag: level-0 corners (N, 2) of the slide's own bag, at least one.
    """
    _, places = cKDTree(bag).query(fine - TIE_BREAK_PX)
    away = fine - bag[places]
    table = pd.DataFrame({"place": places, "moved": away.any(axis=1).astype(int), "x": away[:, 0], "y": away[:, 1]})
    earlier = table.sort_values(["x", "y"], kind="stable").groupby(["place", "moved"]).cumcount().sort_index()
    return PlacedPatches(places, (earlier + table["moved"]).to_numpy(np.int64))
