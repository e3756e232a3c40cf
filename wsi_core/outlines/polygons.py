"""Polygons as people draw them, checked and made into contours: what all kinds of outline files have in common."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from utils.errors import ItemError
from wsi_core.contours import Contour

STATUS = "failed_seg"
OUTSIDE_TOLERANCE = 0.01  # of the slide's side: a hand that slips over its edge, and not another slide or level
MIN_POINTS = 3


@dataclass(frozen=True)
class Polygon:
    """A polygon from a file.

    Attributes:
        exterior: points (x, y), level-0 pixels; the first is not repeated at the end.
        holes: likewise.
        where: its place, for messages, such as ``a.geojson, feature 3``.
    """

    exterior: list[tuple[float, float]]
    holes: list[list[tuple[float, float]]] = field(default_factory=list)
    where: str = ""


def contours_of(polygons: Iterable[Polygon], slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Return contours, numbered in the order of the polygons, cut off at the edges of the slide.

    Raises:
        ItemError: a polygon is none, or lies outside the slide (status ``failed_seg``).
    """
    return [
        Contour(
            _ring(polygon.exterior, slide_size_level0, polygon.where),
            [_ring(hole, slide_size_level0, f"{polygon.where}, a hole") for hole in polygon.holes],
            number,
        )
        for number, polygon in enumerate(polygons)
    ]


def _ring(points: list[tuple[float, float]], slide_size_level0: tuple[int, int], where: str) -> np.ndarray:
    """Check a ring and return it as int32 (N, 2)."""
    try:
        ring = np.array(points, float).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ItemError(f"{where}: a point is not a pair of numbers", STATUS) from error
    if not np.isfinite(ring).all():
        raise ItemError(f"{where}: a point is not a pair of finite numbers", STATUS)
    if len(np.unique(ring, axis=0)) < MIN_POINTS:
        raise ItemError(f"{where}: a ring needs {MIN_POINTS} different points", STATUS)
    _require_inside(ring, slide_size_level0, where)
    return np.rint(ring.clip(0, slide_size_level0)).astype(np.int32)


def _require_inside(ring: np.ndarray, slide_size_level0: tuple[int, int], where: str) -> None:
    size = np.asarray(slide_size_level0)
    beyond = np.maximum(-ring.min(axis=0), ring.max(axis=0) - size)
    if (beyond > OUTSIDE_TOLERANCE * size).any():
        (left, top), (right, bottom) = ring.min(axis=0), ring.max(axis=0)
        raise ItemError(
            f"{where}: x {left:g} to {right:g}, y {top:g} to {bottom:g} is outside the slide, {size[0]}x{size[1]} px; "
            "coordinates must be level-0 pixels of this slide",
            STATUS,
        )
