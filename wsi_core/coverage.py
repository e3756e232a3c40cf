"""How much of each cell of a coarse grid is tissue: exact areas, however coarse the grid."""

from collections.abc import Iterator

import numpy as np

from wsi_core.contours import Contour


def tissue_coverage(
    contours: list[Contour], corner_level0: tuple[float, float], cell_level0: float, shape: tuple[int, int]
) -> np.ndarray:
    """Return the part of each square cell that lies in tissue, its holes left out.

    An outline that crosses itself counts by the direction in which it runs; findContours makes none.

    Args:
        contours: the tissue, in level-0 pixels; all of it lies on the grid.
        corner_level0: (x, y) of the grid's top-left corner.
        cell_level0: side of a cell in level-0 pixels.
        shape: rows and columns of the grid.

    Returns:
        float64 ``shape``, 0 to 1.
    """
    rows, columns = shape
    edges = np.zeros((rows + 1) * (columns + 2))
    for ring, sign in _rings(contours):
        _add_ring((ring - corner_level0) / cell_level0, sign, edges, columns + 2)
    coverage = edges.reshape(rows + 1, columns + 2).cumsum(axis=1)[:rows, :columns]
    return coverage.clip(0, 1)


def _rings(contours: list[Contour]) -> Iterator[tuple[np.ndarray, int]]:
    for contour in contours:
        yield contour.outline, 1
        for hole in contour.holes:
            yield hole, -1


def _add_ring(ring_xy: np.ndarray, sign: int, edges: np.ndarray, columns: int) -> None:
    """Add what a ring, in cells, changes from each cell to its right neighbour; sums along the rows are its area."""
    closed = np.concatenate([ring_xy, ring_xy[:1]])
    x, y = _cut_at_cells(closed).T
    height = np.diff(y)
    middle_x, middle_y = (x[:-1] + x[1:]) / 2, (y[:-1] + y[1:]) / 2
    area = (height * middle_x).sum()
    column = middle_x.astype(int)
    cell = middle_y.astype(int) * columns + column
    height *= -sign * np.sign(area)
    to_the_right = height * (middle_x - column)
    np.add.at(edges, cell, height - to_the_right)
    np.add.at(edges, cell + 1, to_the_right)


def _cut_at_cells(closed_xy: np.ndarray) -> np.ndarray:
    """Add a point to a closed line (N, 2) wherever it goes from one cell to another."""
    numbers = np.arange(len(closed_xy))
    where = np.concatenate([numbers, *(_crossings(axis) for axis in closed_xy.T)])
    where.sort()
    return np.stack([np.interp(where, numbers, axis) for axis in closed_xy.T], axis=1)


def _crossings(positions: np.ndarray) -> np.ndarray:
    """Return where a line crosses whole numbers: 3.25 is a quarter of the way from point 3 to point 4."""
    start, end = positions[:-1], positions[1:]
    first = np.floor(np.minimum(start, end)) + 1
    counts = np.maximum(0, np.ceil(np.maximum(start, end)) - first).astype(int)
    edge = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    return edge + (first[edge] + rank - start[edge]) / (end - start)[edge]
