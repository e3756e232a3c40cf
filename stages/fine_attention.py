"""Raw scores of the overlapping patches of a fine map: of all models at once, so that each patch is encoded once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.bag_source import Bag, BagSource
from stages.fine_bags import PlacedPatches, place_in_bag
from stages.heatmap_models import AttentionModel, SlidePrediction
from wsi_core.coords_file import PatchCoords


@dataclass(frozen=True)
class _Encoded:
    """Some patches of the fine map, as places in it, with their features (M, D)."""

    chosen: np.ndarray
    features: np.ndarray


def fine_attention(
    source: BagSource,
    slide_path: Path,
    patches: PatchCoords,
    bag: Bag,
    predictions: Mapping[AttentionModel, SlidePrediction],
) -> dict[AttentionModel, np.ndarray]:
    """Score the patches of a fine map.

    Patches that are in the bag have its scores; only the others are read and encoded.

    Args:
        source: encodes patches.
        slide_path: the slide.
        patches: of the fine map: up to a hundred times those of the bag, or few of a region.
        bag: the patches that the slide is predicted from.
        predictions: what the models say of the bag.

    Returns:
        Raw scores, float32 (folds, branches, N), by model.

    Raises:
        ItemError: a patch cannot be read, or there is not enough memory.
    """
    placed = place_in_bag(patches.coords, bag.coords)
    scores = {model: prediction.attention[..., placed.places] for model, prediction in predictions.items()}
    in_blocks = all(model.head.context_free for model in predictions)
    encoded = _in_blocks if in_blocks else _in_rounds
    for some in encoded(source, slide_path, patches, placed):
        for model, raw in scores.items():
            raw[..., some.chosen] = _scored(model, some, bag, placed.places)
    return scores


def _scored(model: AttentionModel, some: _Encoded, bag: Bag, places: np.ndarray) -> np.ndarray:
    """Score patches each by itself, or among those of the slide where a model heeds them; see ``fine_bags``."""
    if model.head.context_free:
        return model.predict(some.features).attention
    features = bag.features.copy()
    features[places[some.chosen]] = some.features
    return model.predict(features).attention[..., places[some.chosen]]


def _in_blocks(source: BagSource, slide_path: Path, patches: PatchCoords, placed: PlacedPatches) -> Iterator[_Encoded]:
    """Yield the patches that are not in the bag, so that no more than a batch of features is kept."""
    new = np.flatnonzero(placed.numbers)
    if not len(new):
        return
    with source.encode(slide_path, [_some(patches, new)]) as slides:
        for block in slides.next_slide_in_blocks():
            yield _Encoded(new[block.numbers], block.features[0])


def _in_rounds(source: BagSource, slide_path: Path, patches: PatchCoords, placed: PlacedPatches) -> Iterator[_Encoded]:
    """Yield the patches that are not in the bag, each time no two that have the same place in it."""
    rounds: Sequence[np.ndarray] = placed.rounds()
    if not rounds:
        return
    with source.encode(slide_path, [_some(patches, chosen) for chosen in rounds]) as slides:
        for chosen in rounds:
            (features,) = slides.next_slide().features
            yield _Encoded(chosen, features)


def _some(patches: PatchCoords, chosen: np.ndarray) -> PatchCoords:
    return replace(patches, coords=patches.coords[chosen])
