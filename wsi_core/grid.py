"""The grid of patches over tissue: contours in, level-0 coordinates out. Knows no files.

By default each contour has a grid of its own that starts at the corner of its bounding box, so patches of neighbouring
contours may overlap; coordinates published with the original depend on it. A grid from the slide's corner has none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from wsi_core.contour_tests import DEFAULT_CENTER_SHIFT, patches_in_contour
from wsi_core.contours import Contour
from wsi_core.pyramid import snapped

Origin = Literal["contour", "slide"]
BLOCK_PATCHES = 1 << 20  # candidates looked at together, so that memory grows with the patches kept alone


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
    """How patches are laid over tissue; lengths are pairs (x, y) in level-0 pixels.

    Attributes:
        patch_size_level0: width and height of a patch.
        step_level0: distance of neighbouring patches; may be fractional, positions are rounded.
        slide_size_level0: width and height of the slide.
        contour_fn: which patches belong to a contour, see ``contour_tests``.
        use_padding: whether the last patch may hang over the slide's edge.
        center_shift: distance of the four tested points, see ``contour_tests``.
        region: keep the patches whose corner is in a rectangle; the grid of a contour then starts at its corner.
        origin: where the grid starts: at each ``contour``, or at the corner of the ``slide``.
    """

    patch_size_level0: tuple[int, int]
    step_level0: tuple[float, float]
    slide_size_level0: tuple[int, int]
    contour_fn: str = "four_pt"
    use_padding: bool = True
    center_shift: float = DEFAULT_CENTER_SHIFT
    region: Region | None = None
    origin: Origin = "contour"

    @classmethod
    def at_level(
        cls,
        patch_size_px: int,
        step_size_px: int,
        downsample_xy: tuple[float, float],
        slide_size_level0: tuple[int, int],
    ) -> "Grid":
        """Return the grid whose patch and step are so many pixels of a level with these downsamples."""
        scale_x, scale_y = (snapped(d) for d in downsample_xy)
        return cls(
            (round(patch_size_px * scale_x), round(patch_size_px * scale_y)),
            (step_size_px * scale_x, step_size_px * scale_y),
            slide_size_level0,
        )


def patch_coords(contours: list[Contour], grid: Grid, within: list[Contour] | None = None) -> np.ndarray:
    """Lay the grid over every contour.

    Args:
        contours: the tissue.
        grid: the grid.
        within: regions; patches that belong to none of them, by the rule for tissue, are left out. None: everywhere.

    Returns:
        int64 (N, 2): level-0 (x, y) of the patches' top-left corners, contour by contour, x outer and y inner. Of a
        grid from the slide's corner each patch is there once, x outer and y inner over the whole slide.
    """
    parts = [part for contour in contours for part in _contour_coords(contour, grid, within)]
    coords = np.concatenate([np.empty((0, 2), np.int64), *parts])
    return coords if grid.origin == "contour" else _each_once(coords)


def _contour_coords(contour: Contour, grid: Grid, within: list[Contour] | None) -> Iterator[np.ndarray]:
    """Yield the patches of a contour, some columns at a time."""
    box = cv2.boundingRect(contour.outline)
    xs, ys = (_positions(axis, box[axis], box[axis + 2], grid) for axis in (0, 1))
    columns = max(1, BLOCK_PATCHES // max(1, len(ys)))
    for first in range(0, len(xs), columns):
        block = xs[first : first + columns]
        kept = _belong(contour, block, ys, grid)
        if within is not None:
            kept &= _in_any(within, block, ys, grid)
        column, row = np.nonzero(kept)
        yield np.stack([block[column], ys[row]], axis=1)


def _in_any(regions: list[Contour], xs: np.ndarray, ys: np.ndarray, grid: Grid) -> np.ndarray:
    """Tell which patches belong to at least one region; of each region only those are tested that can."""
    found = np.zeros((len(xs), len(ys)), bool)
    reach = grid.patch_size_level0[0]
    for region in regions:
        left, top, width, height = cv2.boundingRect(region.outline)
        columns = slice(*np.searchsorted(xs, (left - reach, left + width)))
        rows = slice(*np.searchsorted(ys, (top - reach, top + height)))
        found[columns, rows] |= _belong(region, xs[columns], ys[rows], grid)
    return found


def _belong(contour: Contour, xs: np.ndarray, ys: np.ndarray, grid: Grid) -> np.ndarray:
    return patches_in_contour(contour, xs, ys, grid.contour_fn, grid.patch_size_level0[0], grid.center_shift)


def _positions(axis: int, start: int, length: int, grid: Grid) -> np.ndarray:
    """Return the grid's positions along one axis (0: x, 1: y) for an outline of ``length`` pixels from ``start``."""
    stop = start + length
    if grid.origin == "slide":
        start -= grid.patch_size_level0[0]  # a patch may reach into the outline from before it, as far along y as x
    if not grid.use_padding:
        stop = min(stop, grid.slide_size_level0[axis] - grid.patch_size_level0[axis] + 1)
    if grid.region is not None:
        start = max(start, grid.region.top_left[axis])
        stop = min(stop, grid.region.bottom_right[axis])
    step = grid.step_level0[axis]
    if grid.origin == "slide":
        return _multiples(step, start, stop)
    count = max(0, int(np.ceil((stop - start) / step)))
    positions = start + np.rint(np.arange(count) * step).astype(np.int64)
    return positions[positions < stop]  # the last one may have been rounded up to the end


def _multiples(step: float, start: int, stop: int) -> np.ndarray:
    """Return the multiples of ``step`` from 0, rounded, that lie from ``start`` to before ``stop``."""
    numbers = np.arange(max(0, int(start // step)), max(0, int(np.ceil(stop / step))) + 1)
    positions = np.rint(numbers * step).astype(np.int64)
    return positions[(positions >= start) & (positions < stop)]


def _each_once(coords: np.ndarray) -> np.ndarray:
    """Return the distinct corners (N, 2), x outer and y inner."""
    rows = int(coords[:, 1].max(initial=0)) + 1
    keys = np.unique(coords[:, 0] * rows + coords[:, 1])
    return np.stack(np.divmod(keys, rows), axis=1)
