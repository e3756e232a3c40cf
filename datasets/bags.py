"""Bags: the features of all patches of one slide, as extraction left them below a feature folder.

Reads ``pt_files/<slide>.pt``, or ``h5_files/<slide>.h5`` where there is no such file. Checks a whole cohort
before training without loading it.
"""

import pickle
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import torch

from utils.errors import ItemError, UsageError, one_line

_UNREADABLE = (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, pickle.UnpicklingError)


def pt_path(features_dir: str | Path, slide_id: str) -> Path:
    """Return where a slide's features are as a torch tensor."""
    return Path(features_dir) / "pt_files" / f"{slide_id}.pt"


def h5_path(features_dir: str | Path, slide_id: str) -> Path:
    """Return where a slide's features are together with their coordinates."""
    return Path(features_dir) / "h5_files" / f"{slide_id}.h5"


def read_bag(features_dir: str | Path, slide_id: str) -> torch.Tensor:
    """Return the features (N, D) float32 of a slide.

    Raises:
        ItemError: no such file, or it holds no table of numbers.
    """
    path = pt_path(features_dir, slide_id)
    if path.is_file():
        return _read_pt(path).to(torch.float32)
    return read_bag_and_coords(features_dir, slide_id)[0]


def read_bag_and_coords(features_dir: str | Path, slide_id: str) -> tuple[torch.Tensor, np.ndarray]:
    """Return the features (N, D) float32 of a slide and the level-0 (x, y) of their patches, (N, 2).

    Raises:
        ItemError: no such file, or it lacks one of the two.
    """
    path = h5_path(features_dir, slide_id)
    try:
        with h5py.File(path) as file:
            return torch.from_numpy(file["features"][:].astype(np.float32)), file["coords"][:]
    except _UNREADABLE as error:
        raise _no_bag(path, error) from error


def check_bags(features_dir: str | Path, slide_ids: Iterable[str], embed_dim: int | None = None) -> int:
    """Make sure that every slide has features, and return their width D.

    Args:
        features_dir: folder with ``pt_files/`` or ``h5_files/``.
        slide_ids: the slides that will be read.
        embed_dim: the width asked for; inferred where None.

    Raises:
        UsageError: names every slide whose features are missing, unreadable, empty or of another width, or
            both widths where all differ from ``embed_dim``.
    """
    shapes: dict[str, tuple[int, int]] = {}
    missing, unreadable = [], []
    for slide_id in slide_ids:
        if not (pt_path(features_dir, slide_id).is_file() or h5_path(features_dir, slide_id).is_file()):
            missing.append(slide_id)
            continue
        try:
            shapes[slide_id] = _shape_of_bag(features_dir, slide_id)
        except ItemError as error:
            unreadable.append(f"{slide_id} ({error})")
    width = _width(features_dir, shapes, embed_dim)
    empty = [slide_id for slide_id, (n_patches, _) in shapes.items() if n_patches == 0]
    odd = [f"{slide_id} ({dim})" for slide_id, (n_patches, dim) in shapes.items() if n_patches and dim != width]
    problems = {"missing": missing, "not readable": unreadable, "empty": empty, f"not {width} numbers wide": odd}
    text = "; ".join(f"{what}, {len(ids)}: {', '.join(ids)}" for what, ids in problems.items() if ids)
    if text:
        raise UsageError(f"features in {features_dir} (pt_files/<slide>.pt or h5_files/<slide>.h5): {text}")
    return width


def _width(features_dir: str | Path, shapes: dict[str, tuple[int, int]], embed_dim: int | None) -> int:
    widths = Counter(dim for n_patches, dim in shapes.values() if n_patches)
    found = widths.most_common(1)[0][0] if widths else 0
    if embed_dim is not None and widths and embed_dim not in widths:
        raise UsageError(
            f"--embed_dim {embed_dim}, but the features in {features_dir} are {found} numbers wide; "
            "leave the flag out, or point to the features that are meant"
        )
    return found if embed_dim is None else embed_dim


def _shape_of_bag(features_dir: str | Path, slide_id: str) -> tuple[int, int]:
    path = pt_path(features_dir, slide_id)
    if path.is_file():
        features = _read_pt(path, on_disk=True)
        return features.shape[0], features.shape[1]
    path = h5_path(features_dir, slide_id)
    try:
        with h5py.File(path) as file:
            n_patches, dim = file["features"].shape
    except _UNREADABLE as error:
        raise _no_bag(path, error) from error
    return n_patches, dim


def _read_pt(path: Path, *, on_disk: bool = False) -> torch.Tensor:
    """Load a tensor (N, D); ``on_disk`` maps the file, which reads no number, where its format allows."""
    try:
        mapped = on_disk and zipfile.is_zipfile(path)
        features = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except _UNREADABLE as error:
        raise _no_bag(path, error) from error
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        raise ItemError(f"{path}: no tensor of (patches, numbers)", "failed_features")
    return features


def _no_bag(path: Path, error: Exception) -> ItemError:
    reason = "no such file" if isinstance(error, FileNotFoundError) else one_line(error)
    return ItemError(f"{path}: no features to read: {reason}", "failed_features")
