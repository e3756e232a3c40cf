"""``h5_files/<slide>.h5`` and ``pt_files/<slide>.pt``: the features of a slide's patches. Owner of both, version 1.

The h5 holds ``features`` (N, D) float32 and ``coords`` (N, 2) level-0 corners, with attributes that say what they were
made from; the pt holds the features as one tensor. Patches that could not be read are named in ``skipped_coords``
(M, 2), ``skipped_level`` and ``skipped_reason`` of the h5. Files of the original and of TRIDENT have no such attributes
and are read all the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import torch

from datasets.encoder_facts import differing_facts
from utils.atomic import atomic_path
from utils.errors import ItemError, one_line
from utils.h5_file import UNREADABLE, attributes, is_in, numbers_of, open_h5, read_numbers, read_texts
from utils.h5_writing import atomic_h5, new_h5
from utils.torch_file import DamagedFileError, read_torch_file, torch_bytes, write_torch_file
from utils.version import VERSION
from wsi_core.coords_file import PatchCoords

STATUS_BAD = "bad_features"


@dataclass(frozen=True)
class SkippedPatch:
    """A patch without features: its level-0 corner, the level it was to be read at, and why it could not be."""

    x: int
    y: int
    level: int
    reason: str


@dataclass(frozen=True)
class Features:
    """The features of one slide.

    Attributes:
        features: float32 (N, D).
        coords: int64 (N, 2), level-0 (x, y) of the patches' corners.
        made_from: what they were made from, see ``provenance``; empty where the file does not say.
        skipped: patches that could not be read, which have no features.
    """

    features: np.ndarray
    coords: np.ndarray
    made_from: dict[str, str] = field(default_factory=dict)
    skipped: tuple[SkippedPatch, ...] = ()


def h5_path(feat_dir: str | Path, slide_id: str) -> Path:
    """Return where a slide's features are together with their coordinates."""
    return Path(feat_dir) / "h5_files" / f"{slide_id}.h5"


def pt_path(feat_dir: str | Path, slide_id: str) -> Path:
    """Return where a slide's features are as a torch tensor."""
    return Path(feat_dir) / "pt_files" / f"{slide_id}.pt"


def provenance(encoder_facts: Mapping[str, str], patches: PatchCoords) -> dict[str, str]:
    """Return what features are made from, as texts: the encoder, and how patches were read and resized."""
    return {
        **encoder_facts,
        **patches.reading.as_text(),
        "mpp": "" if patches.mpp is None else f"{patches.mpp[0]:g},{patches.mpp[1]:g}",
        "patch_mpp": "" if patches.patch_mpp is None else f"{patches.patch_mpp:.6g}",
        "version": VERSION,
    }


def write_features(feat_dir: Path, slide_id: str, features: Features) -> None:
    """Write both files below a feature folder, atomically: old ones stay until both are written, or go together."""
    pt, h5 = pt_path(feat_dir, slide_id), h5_path(feat_dir, slide_id)
    with atomic_path(pt) as pt_part:
        pt_part.write_bytes(torch_bytes(_as_tensor(features.features)))
        with atomic_path(h5) as h5_part:
            with new_h5(h5_part, h5) as file:
                _fill_h5(file, features)
            pt.unlink(missing_ok=True)  # beside a new h5 an old one would pass for its features


def write_features_h5(path: Path, features: Features) -> None:
    """Write the h5, atomically."""
    with atomic_h5(path) as file:
        _fill_h5(file, features)


def _fill_h5(file: h5py.File, features: Features) -> None:
    file["features"] = features.features.astype(np.float32)
    file["coords"] = features.coords
    file.attrs.update(features.made_from)
    if features.skipped:
        file["skipped_coords"] = np.array([(patch.x, patch.y) for patch in features.skipped], np.int64)
        file["skipped_level"] = np.array([patch.level for patch in features.skipped], np.int64)
        file["skipped_reason"] = [patch.reason for patch in features.skipped]


def read_features_h5(path: Path) -> Features:
    """Read the h5.

    Raises:
        ItemError: it is missing, damaged, or features and coordinates do not match in number.
    """
    try:
        with open_h5(path) as file:
            features = _one_bag(read_numbers(file, "features")).astype(np.float32)
            read = Features(features, _corners(file, "coords"), _texts(file), _skipped(file))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if len(read.features) != len(read.coords):
        raise ItemError(f"{path}: {len(read.features)} features, but {len(read.coords)} coordinates", STATUS_BAD)
    _refuse_nan(float(read.features.sum()), path)
    return read


def read_features_coords(path: Path) -> np.ndarray:
    """Read the level-0 corners (N, 2) of an h5 alone, or raise an ItemError."""
    return _stored(path)[1]


def write_features_pt(path: Path, features: np.ndarray) -> None:
    """Write the pt, atomically."""
    write_torch_file(path, _as_tensor(features))


def _as_tensor(features: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(features, np.float32))


def read_features_pt(path: Path) -> torch.Tensor:
    """Read the pt; float32 (N, D).

    Raises:
        ItemError: it is missing, damaged or holds no table of numbers.
    """
    features = _load_pt(path, on_disk=False).to(torch.float32)
    _refuse_nan(float(features.sum()), path)
    return features


def _one_bag(features: np.ndarray) -> np.ndarray:
    """Return (N, D); some of TRIDENT's files have an axis for the slide before, (1, N, D)."""
    _refuse_more_than_a_bag(features.shape)
    return features.reshape(features.shape[-2:])


def _refuse_more_than_a_bag(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] != 1):
        raise ValueError(f"features of shape {shape}")


def map_features(path: Path) -> torch.Tensor:
    """Return the features (N, D) float32 of a pt or h5, mapped from the file where its format allows, and unchecked.

    Raises:
        ItemError: it is missing, damaged or holds no table of numbers.
    """
    if path.suffix == ".pt":
        return _load_pt(path, on_disk=True).to(torch.float32)
    try:
        with open_h5(path) as file:
            return torch.from_numpy(_one_bag(read_numbers(file, "features")).astype(np.float32, copy=False))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _refuse_nan(total: float, path: Path) -> None:
    """Refuse features of which the sum, the cheapest look at all of them, is not finite: they would spoil a model."""
    if not math.isfinite(total):
        raise ItemError(f"{path}: NaN or infinite numbers among the features; extract them again", STATUS_BAD)


def _load_pt(path: Path, *, on_disk: bool) -> torch.Tensor:
    """Load a tensor (N, D); ``on_disk`` reads no number, where the file's format allows."""
    try:
        features = read_torch_file(path, on_disk=on_disk)
    except DamagedFileError as error:
        raise _unreadable(path, error) from error
    if not isinstance(features, torch.Tensor) or features.ndim != 2 or features.layout != torch.strided:
        raise ItemError(f"{path}: no tensor of (patches, numbers)", STATUS_BAD)
    return features


def features_shape(path: Path) -> tuple[int, int]:
    """Return the (N, D) of an h5 or pt without reading its numbers.

    Raises:
        ItemError: it is missing, damaged or holds no table of numbers.
    """
    if path.suffix == ".pt":
        n_patches, dim = _load_pt(path, on_disk=True).shape
        return n_patches, dim
    try:
        with open_h5(path) as file:
            shape = numbers_of(file, "features").shape
            _refuse_more_than_a_bag(shape)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    n_patches, dim = shape[-2:]
    return n_patches, dim


def read_provenance(path: Path) -> dict[str, str]:
    """Return what an h5 says it was made from; empty where it is missing, damaged or does not say."""
    try:
        with open_h5(path) as file:
            return _texts(file)
    except UNREADABLE:
        return {}


def is_complete(
    feat_dir: Path, slide_id: str, patches: PatchCoords, dim: int, encoder_facts: Mapping[str, str] | None = None
) -> bool:
    """Tell whether both files are there with ``dim`` numbers for each of these very patches, made in the same way.

    What a file does not say about encoder and reading, such as one of the original, is not held against it.
    """
    try:
        shape, coords, made_from, skipped = _stored(h5_path(feat_dir, slide_id))
        shapes = {shape, features_shape(pt_path(feat_dir, slide_id))}
    except ItemError:
        return False
    wanted = _without(patches.coords, skipped)
    if shapes != {(len(wanted), dim)} or not np.array_equal(coords, wanted):
        return False
    return not (patches.reading.contradicted_by(made_from) or differing_facts(made_from, encoder_facts or {}))


def _without(coords: np.ndarray, skipped: tuple[SkippedPatch, ...]) -> np.ndarray:
    """Return the corners (N, 2) but for those of skipped patches."""
    places = {(patch.x, patch.y) for patch in skipped}
    if not places:
        return coords
    return coords[[(x, y) not in places for x, y in coords.tolist()]]


def _stored(path: Path) -> tuple[tuple[int, ...], np.ndarray, dict[str, str], tuple[SkippedPatch, ...]]:
    """Return all that an h5 holds but the features: their shape, the coordinates, attributes, what was skipped."""
    try:
        with open_h5(path) as file:
            return numbers_of(file, "features").shape, _corners(file, "coords"), _texts(file), _skipped(file)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _skipped(file: h5py.File) -> tuple[SkippedPatch, ...]:
    if not is_in(file, "skipped_coords"):
        return ()
    levels, reasons = read_numbers(file, "skipped_level").tolist(), read_texts(file, "skipped_reason")
    rows = zip(_corners(file, "skipped_coords").tolist(), levels, reasons, strict=True)
    return tuple(SkippedPatch(x, y, int(level), reason) for (x, y), level, reason in rows)


def _corners(file: h5py.File, name: str) -> np.ndarray:
    """Return corners, int64 (N, 2)."""
    corners = read_numbers(file, name)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise ValueError(f"{name} is no table of (x, y)")
    return corners.astype(np.int64)


def _texts(file: h5py.File) -> dict[str, str]:
    return {name: str(value) for name, value in attributes(file).items()}


def _unreadable(path: Path, error: Exception) -> ItemError:
    reason = "no such file" if isinstance(error, FileNotFoundError) else one_line(error)
    return ItemError(f"{path}: no features to read: {reason}", STATUS_BAD)
