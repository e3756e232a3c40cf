"""``<slide>_blockmap.h5`` and ``<slide>_<overlap>_roi_<bool>.h5``: scores of patches. Owner of that format, version 1.

Datasets ``attention_scores`` (N, 1) float32 and ``coords`` (N, 2) level-0 corners; the attribute ``made_from``, JSON,
says from what, so that a result of another model or encoder is not taken for the one asked for.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from utils.atomic import atomic_path
from utils.version import VERSION


@dataclass(frozen=True)
class PatchScores:
    """Scores of patches.

    Attributes:
        coords: int64 (N, 2), level-0 (x, y) of the corners.
        scores: float32 (N,).
        made_from: name of an input → its fingerprint; empty in files of the original.
    """

    coords: np.ndarray
    scores: np.ndarray
    made_from: dict[str, str] = field(default_factory=dict)


def write_scores(path: Path, patch_scores: PatchScores) -> None:
    """Write the file, atomically."""
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        file["attention_scores"] = patch_scores.scores.astype(np.float32).reshape(-1, 1)
        file["coords"] = patch_scores.coords
        file.attrs.update(made_from=json.dumps(patch_scores.made_from), version=VERSION)


def read_scores(path: Path) -> PatchScores | None:
    """Read the file, or return None where it is missing or damaged."""
    try:
        with h5py.File(path, "r") as file:
            return PatchScores(
                file["coords"][:].astype(np.int64),
                file["attention_scores"][:].astype(np.float32).reshape(-1),
                json.loads(file.attrs.get("made_from", "{}")),
            )
    except (OSError, KeyError, ValueError):
        return None
