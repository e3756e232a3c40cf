"""``h5_files/<slide>.h5`` and ``pt_files/<slide>.pt``: the features of a slide's patches. Owner of both, version 1.

The h5 holds ``features`` (N, D) float32 and ``coords`` (N, 2) level-0 corners, with attributes that say what they were
made from; the pt holds the features as one tensor. Files of the original and of TRIDENT have no such attributes and
are read all the same.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import torch

from datasets.bags import h5_path, pt_path
from utils.atomic import atomic_path
from utils.errors import ItemError
from utils.version import VERSION
from wsi_core.coords_file import PatchCoords

STATUS_BAD = "bad_features"


@dataclass(frozen=True)
class Features:
    """The features of one slide.

    Attributes:
        features: float32 (N, D).
        coords: int64 (N, 2), level-0 (x, y) of the patches' corners.
        made_from: what they were made from, see ``provenance``; empty where the file does not say.
    """

    features: np.ndarray
    coords: np.ndarray
    made_from: dict[str, str] = field(default_factory=dict)


def provenance(encoder: str, weights_sha256: str, target_patch_size_px: int, patches: PatchCoords) -> dict[str, str]:
    """Return what features are made from, as texts: encoder, weights, and how patches were read and resized."""
    return {
        "encoder": encoder,
        "weights_sha256": weights_sha256,
        "target_patch_size": str(target_patch_size_px),
        "patch_size_level0": str(patches.patch_size_level0),
        **_reading(patches),
        "mpp": "" if patches.mpp is None else f"{patches.mpp[0]:g},{patches.mpp[1]:g}",
        "version": VERSION,
    }


def _reading(patches: PatchCoords) -> dict[str, str]:
    """Return how the pixels of a patch are read."""
    return {
        "patch_size": str(patches.patch_size_px),
        "patch_level": str(patches.patch_level),
        "custom_downsample": str(patches.custom_downsample),
    }


def write_features(feat_dir: Path, slide_id: str, features: Features) -> None:
    """Write both files below a feature folder, each atomically, the h5 first."""
    write_features_h5(h5_path(feat_dir, slide_id), features)
    write_features_pt(pt_path(feat_dir, slide_id), features.features)


def write_features_h5(path: Path, features: Features) -> None:
    """Write the h5, atomically."""
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        file["features"] = features.features.astype(np.float32)
        file["coords"] = features.coords
        file.attrs.update(features.made_from)


def write_features_pt(path: Path, features: np.ndarray) -> None:
    """Write the pt, atomically."""
    with atomic_path(path) as part:
        torch.save(torch.from_numpy(np.ascontiguousarray(features, np.float32)), part)


def read_features_h5(path: Path) -> Features:
    """Read the h5.

    Raises:
        ItemError: it is missing, damaged, or features and coordinates do not match in number.
    """
    try:
        with h5py.File(path, "r") as file:
            read = Features(file["features"][:].astype(np.float32), file["coords"][:].astype(np.int64), _texts(file))
    except (OSError, KeyError) as error:
        raise ItemError(f"{path} holds no features with coordinates ({error})", STATUS_BAD) from error
    if read.features.ndim != 2 or len(read.features) != len(read.coords):
        raise ItemError(f"{path}: {len(read.features)} features, but {len(read.coords)} coordinates", STATUS_BAD)
    return read


def read_provenance(path: Path) -> dict[str, str]:
    """Return what an h5 says it was made from; empty where it is missing, damaged or does not say."""
    try:
        with h5py.File(path, "r") as file:
            return _texts(file)
    except OSError:
        return {}


def is_complete(feat_dir: Path, slide_id: str, patches: PatchCoords, dim: int) -> bool:
    """Tell whether both files are there with ``dim`` numbers for each of these very patches, read the same way.

    What a file does not say about the reading, such as one of the original, is not held against it.
    """
    shape = (len(patches), dim)
    try:
        with h5py.File(h5_path(feat_dir, slide_id), "r") as file:
            same_shape = getattr(file["features"], "shape", None) == shape
            if not same_shape or not np.array_equal(file["coords"][()], patches.coords):
                return False
            made_from = _texts(file)
    except (OSError, KeyError, TypeError):
        return False
    same_reading = all(made_from.get(name, value) == value for name, value in _reading(patches).items())
    return same_reading and _pt_shape(pt_path(feat_dir, slide_id)) == shape


def _pt_shape(path: Path) -> tuple[int, ...] | None:
    try:
        return tuple(torch.load(path, map_location="cpu", weights_only=True, mmap=True).shape)
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, AttributeError, pickle.UnpicklingError):
        return None


def _texts(file: h5py.File) -> dict[str, str]:
    return {name: str(value) for name, value in file.attrs.items()}
