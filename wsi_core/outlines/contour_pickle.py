"""Contours as the original keeps them: a pickle of ``{"tissue": [points, ...], "holes": [[points, ...], ...]}``."""

from pathlib import Path

import numpy as np

from utils.errors import ItemError
from utils.restricted_pickle import load_data
from wsi_core.contours import Contour
from wsi_core.outlines.polygons import STATUS, Polygon, Ring, contours_of


def read_contour_pickle(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Read contours with their holes, numbered from 0; none of them is a slide without tissue.

    Args:
        path: the file; points are arrays (N, 1, 2) or (N, 2) in level-0 pixels.
        slide_size_level0: width and height of the slide.

    Raises:
        ItemError: it holds something else, or a contour is none or lies outside the slide (status ``failed_seg``).
    """
    try:
        value = load_data(path)
    except ItemError as error:
        raise ItemError(str(error), STATUS) from error
    try:
        pairs = list(zip(value["tissue"], value["holes"], strict=True))
        _require_no_more_than(path.stat().st_size, pairs)
        polygons = [_polygon(*pair, f"{path.name}, contour {number}") for number, pair in enumerate(pairs)]
    except (TypeError, LookupError, ValueError) as error:
        message = f"{path.name}: no contours of the original in it (tissue, and a list of holes for each)"
        raise ItemError(message, STATUS) from error
    return contours_of(polygons, slide_size_level0)


def _require_no_more_than(n_bytes: int, pairs: list[tuple]) -> None:
    """Refuse a file that names the same points again and again: each time they would be copied."""
    arrays = [array for outline, holes in pairs for array in (outline, *holes)]
    if sum(getattr(array, "nbytes", 0) for array in arrays) > 2 * n_bytes:
        raise ValueError("more points than the file has")


def _polygon(outline: object, holes: list[object], where: str) -> Polygon:
    inside = [Ring(_points(hole), f"{where}, hole {number}") for number, hole in enumerate(holes)]
    return Polygon(Ring(_points(outline), where), inside)


def _points(array: object) -> np.ndarray:
    if not isinstance(array, np.ndarray) or array.shape[-1:] != (2,) or array.dtype.kind not in "iuf":
        raise TypeError("no points")
    return np.asarray(array, float).reshape(-1, 2)
