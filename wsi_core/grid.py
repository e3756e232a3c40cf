"""The grid of patches over tissue: contours in, level-0 coordinates out. Knows no files.

Each contour has a grid of its own that starts at the corner of its bounding box, so patches of neighbouring
contours may overlap; coordinates published with the original depend on it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from wsi_core.contour_tests import DEFAULT_CENTER_SHIFT, center_in_hole, inside_contour
from wsi_core.contours import Contour

SNAP_TOLERANCE = 0.01  # a downsample this close to a whole number, relatively, is taken as that number


@dataclass(frozen=True)
class Region:
    """A rectangle in level-0 pixels, from ``top_left`` (x, y) to ``bottom_right`` (x, y)."""

    top_left: tuple[int, int]
    bottom_right: tuple[int, int]

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.bottom_right[0] - self.top_left[0], self.bottom_right[1] - self.top_left[1]


@dataclass(frozen=True)
class Grid:
    """How patches are laid over tissue.

    Attributes:
        patch_size_px: side of the square read at the patch level, in pixels of that level.
        step_size_px: distance of neighbouring patches, in pixels of that level.
        downsample_xy: level-0 pixels per pixel of that level, along x and y.
        slide_size_level0: width and height of the slide.
        contour_fn: which patches belong to a contour, see ``contour_tests``.
        use_padding: whether the last patch may hang over the slide's edge.
        center_shift: distance of the four tested points, see ``contour_tests``.
        region: restrict the grid to a rectangle; the grid then starts at its corner.
    """

    patch_size_px: int
    step_size_px: int
    downsample_xy: tuple[float, float]
    slide_size_level0: tuple[int, int]
    contour_fn: str = "four_pt"
    use_padding: bool = True
    center_shift: float = DEFAULT_CENTER_SHIFT
    region: Region | None = None

    @property
    def patch_size_level0(self) -> tuple[int, int]:
        """Width and height of a patch in level-0 pixels."""
        x, y = (round(self.patch_size_px * snapped(d)) for d in self.downsample_xy)
        return x, y


def snapped(downsample: float) -> float:
    """Return the nearest whole number where ``downsample`` is within 1 % of it, else ``downsample`` itself.

    Pyramids are made by rounding sizes up or down, so 2.0005 and 3.9994 mean 2 and 4.
    """
    nearest = round(downsample)
    return float(nearest) if nearest and abs(downsample - nearest) <= SNAP_TOLERANCE * nearest else downsample


def patch_coords(contours: list[Contour], grid: Grid) -> np.ndarray:
    """Lay the grid over every contour.

    Returns:
        int64 (N, 2): level-0 (x, y) of the patches' top-left corners, contour by contour, x outer and y inner.
    """
    parts = [_contour_coords(contour, grid) for contour in contours]
    return np.concatenate([np.empty((0, 2), np.int64), *parts])


def _contour_coords(contour: Contour, grid: Grid) -> np.ndarray:
    corners = _candidates(contour.outline, grid)
    patch_px = grid.patch_size_level0[0]
    corners = corners[inside_contour(corners, contour.outline, grid.contour_fn, patch_px, grid.center_shift)]
    return corners[~center_in_hole(corners, contour.holes, patch_px)]


def _candidates(outline: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the corners (N, 2) of the grid over the outline's bounding box."""
    box = cv2.boundingRect(outline)
    xs, ys = (_positions(axis, box[axis], box[axis + 2], grid) for axis in (0, 1))
    return np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1).reshape(-1, 2)


def _positions(axis: int, start: int, length: int, grid: Grid) -> np.ndarray:
    """Return the grid's positions along one axis (0: x, 1: y) over ``length`` pixels from ``start``."""
    stop = start + length
    if not grid.use_padding:
        stop = min(stop, grid.slide_size_level0[axis] - grid.patch_size_level0[axis] + 1)
    if grid.region is not None:
        start = max(start, grid.region.top_left[axis])
        stop = min(stop, grid.region.bottom_right[axis])
    step = grid.step_size_px * snapped(grid.downsample_xy[axis])
    count = max(0, int(np.ceil((stop - start) / step)))
    positions = start + np.rint(np.arange(count) * step).astype(np.int64)
    return positions[positions < stop]  # the last one may have been rounded up to the end
