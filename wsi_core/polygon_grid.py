"""Which points of a grid lie in a polygon: exact, and for the whole grid at once.

A scanline: in every column of the grid, the polygon's edges cross at certain heights; a point with an odd number of
crossings below it is inside (the even-odd rule, as OpenCV's ``pointPolygonTest`` has it). All numbers are whole, so
a point that lies exactly on an edge is known to. The work grows with the length of the outline plus the number of
points, not with their product.
"""

from typing import NamedTuple

import numpy as np


def classify_grid(outline: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Test all points (x, y) of a grid against a closed polygon.

    Args:
        outline: whole numbers (V, 2), V at least 1; along either axis less than 2^31 apart.
        xs, ys: the grid's columns (X,) and rows (Y,), ascending whole numbers of the same unit.

    Returns:
        Two boolean arrays (X, Y): inside or on the edge, and on the edge.
    """
    vertices = outline.astype(np.int64)
    edges = _edges(vertices)
    on_edge = np.zeros((len(xs), len(ys)), np.uint8)
    toggles = np.zeros((len(xs), len(ys) + 1), np.uint8)  # the last row takes crossings beyond the grid
    _mark(on_edge, xs, ys, vertices[:, 0], vertices[:, 1])
    _mark_vertical_edges(on_edge, xs, ys, edges)
    columns, below, is_exact = _crossings(edges, xs)
    np.bitwise_xor.at(toggles, (columns, np.searchsorted(ys, below, side="right")), 1)
    _mark(on_edge, xs, ys, xs[columns[is_exact]], below[is_exact])
    inside = np.bitwise_xor.accumulate(toggles[:, :-1], axis=1) | on_edge
    return inside.view(bool), on_edge.view(bool)


class _Edges(NamedTuple):
    """The edges of a polygon, each from left to right; int64 (V,) each."""

    start_x: np.ndarray
    start_y: np.ndarray
    end_x: np.ndarray
    end_y: np.ndarray


def _edges(vertices: np.ndarray) -> _Edges:
    following = np.roll(vertices, -1, axis=0)
    swap = (vertices[:, 0] > following[:, 0])[:, None]
    start, end = np.where(swap, following, vertices), np.where(swap, vertices, following)
    return _Edges(start[:, 0], start[:, 1], end[:, 0], end[:, 1])


def _crossings(edges: _Edges, xs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for every crossing of an edge, the column, the height rounded down, and whether the height is exact.

    An edge crosses the columns from its start to before its end, so that a vertex between two edges counts once.
    """
    first, stop = np.searchsorted(xs, edges.start_x), np.searchsorted(xs, edges.end_x)
    crossed = np.flatnonzero(stop > first)
    counts = (stop - first)[crossed]
    edge = np.repeat(crossed, counts)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = first[edge] + nth
    rise = (xs[columns] - edges.start_x[edge]) * (edges.end_y - edges.start_y)[edge]
    height, rest = np.divmod(rise, (edges.end_x - edges.start_x)[edge])
    return columns, edges.start_y[edge] + height, rest == 0


def _mark(marks: np.ndarray, xs: np.ndarray, ys: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Set the points (x, y) that are on the grid."""
    column, row = np.searchsorted(xs, x), np.searchsorted(ys, y)
    known = (column < len(xs)) & (row < len(ys))
    known[known] = (xs[column[known]] == x[known]) & (ys[row[known]] == y[known])
    marks[column[known], row[known]] = 1


def _mark_vertical_edges(marks: np.ndarray, xs: np.ndarray, ys: np.ndarray, edges: _Edges) -> None:
    """Set the points on vertical edges, ends included."""
    vertical = np.flatnonzero(edges.start_x == edges.end_x)
    column = np.searchsorted(xs, edges.start_x[vertical])
    on_column = np.flatnonzero(np.append(xs, np.iinfo(np.int64).max)[column] == edges.start_x[vertical])
    chosen = vertical[on_column]
    low = np.minimum(edges.start_y, edges.end_y)[chosen]
    high = np.maximum(edges.start_y, edges.end_y)[chosen]
    first, stop = np.searchsorted(ys, low), np.searchsorted(ys, high, side="right")
    counts = stop - first
    rows = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    marks[np.repeat(column[on_column], counts), rows] = 1
