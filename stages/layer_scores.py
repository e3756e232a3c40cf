"""Scores of the patches of a layer: raw or as percentiles, the folds of an ensemble as their mean and spread."""

from dataclasses import dataclass

import numpy as np

from stages.heatmap_config import HeatmapArguments
from stages.shown_layers import ShownLayer
from wsi_core.attention_file import PatchScores, Scale
from wsi_core.percentiles import percentiles_among, to_percentiles

LARGEST_SPREAD = 50.0  # of percentiles, which lie from 0 to 100


@dataclass(frozen=True)
class ShownValues:
    """Scores on the scale of colours.

    Attributes:
        values: (N,), 0 for the lowest colour to 1 for the highest.
        low, high: what the two ends of the colours mean.
        title: what the scores are.
    """

    values: np.ndarray
    low: str
    high: str
    title: str


def block_scores(layer: ShownLayer, coords: np.ndarray) -> PatchScores:
    """Return the scores of the patches that the slide is predicted from: raw, of an ensemble percentiles."""
    if layer.model.n_folds == 1:
        return _together(layer.raw_of_folds, coords, "raw")
    return _together(layer.percentiles_of_folds, coords, "percentile")


def fine_scores(layer: ShownLayer, raw: np.ndarray, coords: np.ndarray, show: HeatmapArguments) -> PatchScores:
    """Return the scores of a map's patches as they are kept, of an ensemble the mean over its folds.

    Args:
        layer: whose they are; its own patches are those that others are ranked among.
        raw: raw scores (folds, N).
        coords: their patches (N, 2).
        show: how scores are converted.
    """
    scale = kept_scale(layer, show)
    if scale == "raw":
        return _together(raw, coords, scale)
    if show.keeps_percentiles:
        ranked = [percentiles_among(of_fold, among) for of_fold, among in zip(raw, layer.raw_of_folds, strict=True)]
    else:
        ranked = [to_percentiles(of_fold) for of_fold in raw]
    return _together(np.stack(ranked), coords, scale)


def kept_scale(layer: ShownLayer, show: HeatmapArguments) -> Scale:
    """Return on which scale ``fine_scores`` keeps scores: raw ones of different folds have none in common."""
    is_ensemble = layer.model.n_folds > 1
    return "percentile" if show.keeps_percentiles or (is_ensemble and show.convert == "percentile") else "raw"


def shown_values(kept: PatchScores, layer: ShownLayer, show: HeatmapArguments) -> ShownValues:
    """Return the scores of a map on the scale of colours."""
    scores = kept.scores.astype(float)
    if show.convert == "percentile":
        is_ranked = kept.scale == "percentile" or (not kept.scale and show.keeps_percentiles)
        percentiles = scores if is_ranked else to_percentiles(scores)
        return ShownValues(percentiles / 100, "0", "100", "percentile of attention")
    among = layer.raw_of_folds.mean(axis=0) if show.convert == "minmax" and show.use_ref_scores else scores
    low, high = float(among.min()), float(among.max())
    values = ((scores - low) / max(high - low, np.finfo(float).tiny)).clip(0, 1)
    if show.convert == "minmax":
        return ShownValues(values, "lowest", "highest", "attention")
    return ShownValues(values, f"{low:.3g}", f"{high:.3g}", "raw attention")


def shown_spread(kept: PatchScores) -> ShownValues:
    """Return how far the folds of an ensemble differ, on the scale of colours."""
    assert kept.spread is not None
    is_ranked = kept.scale == "percentile"
    highest = LARGEST_SPREAD if is_ranked else float(kept.spread.max())
    values = (kept.spread / max(highest, np.finfo(float).tiny)).clip(0, 1)
    title = f"standard deviation of the {'percentile' if is_ranked else 'raw attention'} over folds"
    return ShownValues(values, "0", f"{highest:.3g}", title)


def threshold_of(show: HeatmapArguments, shown: ShownValues, kept: PatchScores) -> float:
    """Return ``binary_thresh`` on the scale of colours; raw scores are compared as they are."""
    if show.convert != "raw" or show.binary_thresh < 0:
        return show.binary_thresh
    low, high = float(kept.scores.min()), float(kept.scores.max())
    return max(0.0, (show.binary_thresh - low) / max(high - low, np.finfo(float).tiny))  # above 1: no patch


def _together(of_folds: np.ndarray, coords: np.ndarray, scale: Scale) -> PatchScores:
    """Return the mean and the spread (folds, N); float32, so that a picture is the same from kept scores."""
    if len(of_folds) == 1:
        return PatchScores(coords, of_folds[0].astype(np.float32), scale=scale)
    spread = of_folds.std(axis=0).astype(np.float32)
    return PatchScores(coords, of_folds.mean(axis=0).astype(np.float32), scale=scale, spread=spread)
