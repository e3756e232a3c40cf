"""``<slide>_blockmap.h5`` and ``<slide>_<overlap>_roi_<bool>.h5``: scores of patches. Owner of that format, version 1.

Datasets ``attention_scores`` (N, 1) float32 and ``coords`` (N, 2) level-0 corners; the attribute ``fingerprint``
says what they were made from, so that a result of another model or encoder is not taken for the one asked for.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from utils.atomic import atomic_path
from utils.version import VERSION


@dataclass(frozen=True)
class PatchScores:
    """Scores (N,) float32 of patches at level-0 corners ``coords`` (N, 2)."""

    coords: np.ndarray
    scores: np.ndarray


def write_scores(path: Path, patch_scores: PatchScores, fingerprint: str) -> None:
    """Write the file, atomically."""
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        file["attention_scores"] = patch_scores.scores.astype(np.float32).reshape(-1, 1)
        file["coords"] = patch_scores.coords
        file.attrs.update(fingerprint=fingerprint, version=VERSION)


def read_scores(path: Path, fingerprint: str | None = None) -> PatchScores | None:
    """Read the file, or return None where it is missing, damaged or made from something else.

    Args:
        path: the file.
        fingerprint: what it must have been made from; None takes any.
    """
    try:
        with h5py.File(path, "r") as file:
            if fingerprint is not None and file.attrs.get("fingerprint") != fingerprint:
                return None
            return PatchScores(file["coords"][:].astype(np.int64), file["attention_scores"][:].reshape(-1))
    except (OSError, KeyError):
        return None
