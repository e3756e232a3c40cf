"""Polygons as people draw them, checked and made into contours: what all kinds of outline files have in common."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from utils.errors import ItemError
from wsi_core.contours import Contour

logger = logging.getLogger(__name__)

STATUS = "failed_seg"
OUTSIDE_TOLERANCE = 0.01  # of the slide's side: a hand that slips over its edge, and not another slide or level
MIN_POINTS = 3


@dataclass(frozen=True)
class Ring:
    """A closed line from a file.

    Attributes:
        points: (N, 2), (x, y) in level-0 pixels, at least three different ones; the first is not repeated at the end.
        where: its place, for messages, such as ``a.geojson, feature 3``.

    Raises:
        ItemError: it is none (status ``failed_seg``).
    """

    points: np.ndarray
    where: str

    def __post_init__(self) -> None:
        if not np.isfinite(self.points).all():
            raise ItemError(f"{self.where}: a coordinate is not finite", STATUS)
        if not encloses(self.points):
            raise ItemError(f"{self.where}: a ring needs {MIN_POINTS} different points", STATUS)

    def on_slide(self, slide_size_level0: tuple[int, int]) -> np.ndarray:
        """Return it in whole pixels of the slide, int32 (N, 2); what hangs over the slide's edge is moved onto it.

        Raises:
            ItemError: it reaches further beyond the edge than a hand slips.
        """
        size = np.asarray(slide_size_level0)
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        if (np.maximum(-low, high - size) > OUTSIDE_TOLERANCE * size).any():
            (left, top), (right, bottom) = low, high
            raise ItemError(
                f"{self.where}: x {left:g} to {right:g}, y {top:g} to {bottom:g} is outside the slide, "
                f"{size[0]}x{size[1]} px; coordinates must be level-0 pixels of this slide",
                STATUS,
            )
        return np.rint(self.points).clip(0, size - 1).astype(np.int32)


@dataclass(frozen=True)
class Polygon:
    """A polygon from a file, with its holes."""

    exterior: Ring
    holes: list[Ring] = field(default_factory=list)


def contours_of(polygons: Iterable[Polygon], slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Return contours, numbered from 0 in the order of the polygons, within 0 .. width - 1 and 0 .. height - 1.

    Raises:
        ItemError: a polygon lies outside the slide (status ``failed_seg``).
    """
    return [
        Contour(
            polygon.exterior.on_slide(slide_size_level0),
            [hole.on_slide(slide_size_level0) for hole in polygon.holes],
            number,
        )
        for number, polygon in enumerate(polygons)
    ]


def encloses(points: np.ndarray) -> bool:
    """Tell whether points (N, 2) are enough for an outline: three different ones."""
    return len(np.unique(points[:, 0] + 1j * points[:, 1])) >= MIN_POINTS


def require_polygons(name: str, *, n_polygons: int, n_passed_over: int) -> None:
    """Tell how many shapes of a file are passed over, as they enclose nothing.

    Raises:
        ItemError: no others are in it (status ``failed_seg``).
    """
    if not n_polygons:
        raise ItemError(f"{name}: no polygon in it; outline the tissue or region, points and lines do not", STATUS)
    if n_passed_over:
        logger.warning("%s: %d shapes without an area (points, lines) are passed over", name, n_passed_over)
