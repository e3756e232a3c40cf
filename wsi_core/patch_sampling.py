"""Choose patches by attention, to look at: the highest, the lowest, or some of a range."""

from typing import Literal

import numpy as np

from wsi_core.percentiles import to_percentiles

SampleMode = Literal["topk", "reverse_topk", "range_sample"]


def sample_patches(
    scores: np.ndarray, k: int, mode: SampleMode, *, seed: int = 1, score_range: tuple[float, float] = (0, 100)
) -> tuple[np.ndarray, np.ndarray]:
    """Choose up to ``k`` patches.

    Args:
        scores: (N,) attention, on any scale.
        k: how many.
        mode: ``topk`` from the highest down, ``reverse_topk`` from the lowest up, ``range_sample`` at random without
            replacement among those whose percentile lies in ``score_range``, bounds included.
        seed: of the random choice.
        score_range: percentiles, 0 to 100.

    Returns:
        Indices into ``scores`` (K,), and their percentiles (K,).
    """
    percentiles = to_percentiles(scores)
    if mode == "topk":
        chosen = np.argsort(percentiles)[::-1][:k]
    elif mode == "reverse_topk":
        chosen = np.argsort(percentiles)[:k]
    else:
        chosen = _random_choice(percentiles, k, seed, score_range)
    return chosen, percentiles[chosen]


def _random_choice(percentiles: np.ndarray, k: int, seed: int, score_range: tuple[float, float]) -> np.ndarray:
    low, high = score_range
    candidates = np.flatnonzero((percentiles >= low) & (percentiles <= high))
    # the legacy generator: published samples were drawn with it
    return np.random.RandomState(seed).choice(candidates, min(k, len(candidates)), replace=False)
