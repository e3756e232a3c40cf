"""Bags: the features of all patches of one slide, as extraction left them below a feature folder.

Reads ``pt_files/<slide>.pt``, or ``h5_files/<slide>.h5`` where there is no such file. Checks a whole cohort
before training without loading it.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from datasets.features_file import features_shape, h5_path, pt_path, read_features_h5, read_features_pt
from utils.errors import ItemError, UsageError


def read_bag(features_dir: str | Path, slide_id: str) -> torch.Tensor:
    """Return the features (N, D) float32 of a slide.

    Raises:
        ItemError: no such file, or it holds no table of numbers.
    """
    path = pt_path(features_dir, slide_id)
    return read_features_pt(path) if path.is_file() else read_bag_and_coords(features_dir, slide_id)[0]


def read_bag_and_coords(features_dir: str | Path, slide_id: str) -> tuple[torch.Tensor, np.ndarray]:
    """Return the features (N, D) float32 of a slide and the level-0 (x, y) of their patches, (N, 2).

    Raises:
        ItemError: no such file, or it lacks one of the two.
    """
    stored = read_features_h5(h5_path(features_dir, slide_id))
    return torch.from_numpy(stored.features), stored.coords


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
        path = next(
            (p for p in (pt_path(features_dir, slide_id), h5_path(features_dir, slide_id)) if p.is_file()), None
        )
        if path is None:
            missing.append(slide_id)
            continue
        try:
            shapes[slide_id] = features_shape(path)
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
