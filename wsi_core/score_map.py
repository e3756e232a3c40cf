"""Where the scores of patches lie on a slide: their mean over each pixel of any window, at any downsample.

Patches overlap and there may be hundreds of thousands of them. Those near a window are found by their rows, and the
mean is computed once for each rectangle between neighbouring edges of patches, not for each pixel.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScoreGrid:
    """A window cut along all edges of the patches in it; one score for each rectangle.

    Attributes:
        columns, rows: how many pixels wide and high the columns and rows of rectangles are, int (w,) and (h,).
        means: mean of the values of the patches over a rectangle, 0 where there is none; float32 (h, w).
        covered: whether a patch that is shown covers it; bool (h, w).
    """

    columns: np.ndarray
    rows: np.ndarray
    means: np.ndarray
    covered: np.ndarray

    def expanded(self, of_rectangles: np.ndarray) -> np.ndarray:
        """Return what is known of rectangles (h, w, ...) for each pixel of the window (H, W, ...)."""
        return np.repeat(np.repeat(of_rectangles, self.columns, axis=1), self.rows, axis=0)


class ScoreMap:
    """Scores of square patches, which may overlap.

    Args:
        coords: (N, 2) level-0 (x, y) of the patches' top-left corners.
        values: (N,) 0 to 1.
        patch_size_level0: side of a patch.
        shown: bool (N,); patches that are not shown count in the mean, but cover nothing. None: all are shown.
    """

    def __init__(
        self, coords: np.ndarray, values: np.ndarray, patch_size_level0: int, shown: np.ndarray | None = None
    ) -> None:
        self._order = np.argsort(coords[:, 1], kind="stable")  # from top to bottom
        self._coords = coords[self._order]
        self._values = values[self._order].astype(np.float64)  # single precision would drift along a row
        self._shown = np.ones(len(coords), bool) if shown is None else shown[self._order]
        self._patch_size_level0 = patch_size_level0

    def window(
        self, origin_px: tuple[int, int], size_px: tuple[int, int], downsample_xy: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores over each pixel of a window.

        Args:
            origin_px: (x, y) of its top-left corner in pixels of the picture it is part of, which starts at (0, 0).
            size_px: width and height.
            downsample_xy: level-0 pixels per pixel; need not be whole.

        Returns:
            The mean of the values of the patches over each pixel, 0 where there is none, float32 (H, W); and whether a
            patch that is shown covers it, bool (H, W). Which pixels a patch covers is told by ``patch_cells``.
        """
        grid = self.grid(origin_px, size_px, downsample_xy)
        return grid.expanded(grid.means), grid.expanded(grid.covered)

    def grid(
        self, origin_px: tuple[int, int], size_px: tuple[int, int], downsample_xy: tuple[float, float]
    ) -> ScoreGrid:
        """Return the same as ``window`` without repeating it for each pixel."""
        downsample = np.asarray(downsample_xy, float)
        low = (np.asarray(origin_px) - 1) * downsample - self._patch_size_level0
        high = (np.add(origin_px, size_px) + 1) * downsample
        near = self._between(low, high)
        cells = patch_cells(self._coords[near], self._patch_size_level0, downsample) - np.tile(origin_px, 2)
        return score_grid(cells, self._values[near], self._shown[near], size_px)

    def patches_at(self, x_level0: float, y_level0: float) -> np.ndarray:
        """Return the numbers, in ``coords``, of the patches over a point of level 0; int (K,), ascending."""
        point = np.array([x_level0, y_level0])
        near = self._between(point - self._patch_size_level0, point)
        corners = self._coords[near]
        over = np.all((corners <= point) & (point < corners + self._patch_size_level0), axis=1)
        return np.sort(self._order[near[over]])

    def _between(self, low_level0: np.ndarray, high_level0: np.ndarray) -> np.ndarray:
        """Return the places of the corners between two points, both included."""
        y = self._coords[:, 1]
        first = np.searchsorted(y, low_level0[1], side="left")
        last = np.searchsorted(y, high_level0[1], side="right")
        x = self._coords[first:last, 0]
        return first + np.flatnonzero((x >= low_level0[0]) & (x <= high_level0[0]))


def patch_cells(corners: np.ndarray, patch_size_level0: int, downsample: np.ndarray) -> np.ndarray:
    """Return the pixels that each patch covers at a level.

    Both edges are rounded up, which puts every cell within a pixel of its true place at any downsample.

    Args:
        corners: (N, 2) in level-0 pixels from the canvas's corner.
        patch_size_level0: side of a patch.
        downsample: (x, y) level-0 pixels per canvas pixel.

    Returns:
        int (N, 4): x0, y0 and, exclusive, x1, y1.
    """
    starts = np.ceil(corners / downsample)
    ends = np.ceil((corners + patch_size_level0) / downsample)
    return np.concatenate([starts, ends], axis=1).astype(int)


def score_grid(cells: np.ndarray, values: np.ndarray, shown: np.ndarray, size_px: tuple[int, int]) -> ScoreGrid:
    """Average values over the cells that share each pixel of a window.

    Args:
        cells: int (N, 4), see ``patch_cells``, in pixels from the window's corner; may lie outside it.
        values: (N,) 0 to 1.
        shown: bool (N,), see ``ScoreMap``.
        size_px: width and height of the window.
    """
    x0, y0, x1, y1 = np.clip(cells, 0, np.tile(size_px, 2)).T
    columns, left, right = _between_edges(x0, x1, size_px[0])
    rows, top, bottom = _between_edges(y0, y1, size_px[1])
    corners = _corners(top, left, bottom, right, (len(rows) + 1, len(columns) + 1))
    count = _summed(corners, np.ones(len(cells)))
    n_shown = count if shown.all() else _summed(corners, shown.astype(float))
    total = _summed(corners, values)
    means = np.zeros_like(total)
    np.divide(total, count, out=means, where=count > 0.5)
    return ScoreGrid(columns, rows, means.clip(0, 1).astype(np.float32), n_shown > 0.5)


def _between_edges(start: np.ndarray, stop: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut 0 to ``length`` at all starts and stops; return the parts' lengths, and the part of each start and stop."""
    is_edge = np.zeros(length + 1, bool)
    is_edge[start] = is_edge[stop] = is_edge[0] = is_edge[length] = True
    part = np.cumsum(is_edge) - 1
    return np.diff(np.flatnonzero(is_edge)), part[start], part[stop]


def _corners(
    top: np.ndarray, left: np.ndarray, bottom: np.ndarray, right: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the places of all cells' four corners in an array of ``shape``, int (4, N), and that shape."""
    width = shape[1]
    places = np.stack([top * width + left, bottom * width + right, top * width + right, bottom * width + left])
    return places, shape


def _summed(corners: tuple[np.ndarray, tuple[int, int]], values: np.ndarray) -> np.ndarray:
    """Add each value to all rectangles of its cell, at a cost that does not depend on the cells' size.

    A cell is +1 and -1 at its four corners in the array of differences; summing up twice fills it.
    """
    places, (height, width) = corners
    weights = np.concatenate([values, values, -values, -values])
    sums = np.bincount(places.ravel(), weights, minlength=height * width).astype(float, copy=False)  # int of nothing
    sums = sums.reshape(height, width)
    sums.cumsum(axis=0, out=sums).cumsum(axis=1, out=sums)
    return sums[: height - 1, : width - 1]
