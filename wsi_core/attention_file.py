"""``<slide>_blockmap.h5`` and ``<slide>_<overlap>_roi_<bool>.h5``: scores of patches. Owner of that format, version 1.

Datasets ``attention_scores`` (N, 1) float32 and ``coords`` (N, 2) level-0 corners; of an ensemble also ``spread``
(N, 1), how far its folds differ. The attribute ``scale`` tells whether they are raw scores or percentiles among the
patches without overlap; ``made_from``, JSON, from what they were made, so that a result of another model or encoder is
not taken for the one asked for.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from utils.h5_file import UNREADABLE, attributes, is_in, open_h5, read_numbers
from utils.h5_writing import atomic_h5
from utils.version import VERSION

Scale = Literal["raw", "percentile"]
SCALES = ("raw", "percentile")


@dataclass(frozen=True)
class PatchScores:
    """Scores of patches.

    Attributes:
        coords: int64 (N, 2), level-0 (x, y) of the corners.
        scores: float32 (N,); of an ensemble the mean over its folds.
        made_from: name of an input → its fingerprint; empty in files of the original.
        scale: ``raw``, or ``percentile`` from 0 to 100; empty in files that do not say it.
        spread: float32 (N,), the standard deviation of ``scores`` over the folds; None for a single model.
    """

    coords: np.ndarray
    scores: np.ndarray
    made_from: dict[str, str] = field(default_factory=dict)
    scale: Scale | Literal[""] = ""
    spread: np.ndarray | None = None


def write_scores(path: Path, patch_scores: PatchScores) -> None:
    """Write the file, atomically."""
    with atomic_h5(path) as file:
        file["attention_scores"] = patch_scores.scores.astype(np.float32).reshape(-1, 1)
        file["coords"] = patch_scores.coords
        if patch_scores.spread is not None:
            file["spread"] = patch_scores.spread.astype(np.float32).reshape(-1, 1)
        file.attrs.update(made_from=json.dumps(patch_scores.made_from), scale=patch_scores.scale, version=VERSION)


def read_scores(path: Path) -> PatchScores | None:
    """Read the file, or return None where it is missing or damaged."""
    try:
        with open_h5(path) as file:
            said = attributes(file)
            scale = said.get("scale", "")
            return PatchScores(
                read_numbers(file, "coords").astype(np.int64),
                read_numbers(file, "attention_scores").astype(np.float32).reshape(-1),
                json.loads(said.get("made_from", "{}")),
                scale if scale in SCALES else "",
                read_numbers(file, "spread").astype(np.float32).reshape(-1) if is_in(file, "spread") else None,
            )
    except UNREADABLE:
        return None
