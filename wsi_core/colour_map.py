"""Colours of scores: the 256 of a colour map of matplotlib."""

from functools import lru_cache

import matplotlib
import numpy as np

N_COLOURS = 256


@lru_cache
def colour_table(name: str) -> np.ndarray:
    """Return the colours of the scores 0, 1/256, 2/256, ...; uint8 RGB (256, 3), not to be changed."""
    table = matplotlib.colormaps[name].resampled(N_COLOURS)(np.arange(N_COLOURS))[:, :3]
    return (table * 255).astype(np.uint8)


def colour_numbers(scores: np.ndarray) -> np.ndarray:
    """Return which colour shows each score from 0 to 1; uint8, of the same shape."""
    return np.minimum(scores * N_COLOURS, N_COLOURS - 1).astype(np.uint8)
