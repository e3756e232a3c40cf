"""Attention scores as percentiles, the scale of heatmaps and of sampled patches: 0 to 100."""

import numpy as np
from scipy.stats import rankdata


def to_percentiles(scores: np.ndarray) -> np.ndarray:
    """Rank each score (N,) among all; ties share the average rank. Float64 (N,), above 0 and up to 100."""
    return rankdata(scores, "average") / len(scores) * 100


def percentiles_among(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Rank scores (N,) among ``reference`` (M,), sorting both once; float64 (N,).

    The definition is that of scipy's ``percentileofscore(reference, score, kind="rank")``: a score that occurs in the
    reference takes the average of the percentiles that its ties share, another one the part that lies below it.
    """
    order = np.argsort(scores)  # neighbours are found several times as fast
    in_order, ordered = scores[order], np.sort(reference)
    below = np.searchsorted(ordered, in_order, side="left")
    up_to = np.searchsorted(ordered, in_order, side="right")
    percentiles = np.empty(len(scores))
    percentiles[order] = (below + up_to + (up_to > below)) * (50.0 / len(ordered))
    return percentiles
