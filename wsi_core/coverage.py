"""How much of each cell of a coarse grid is tissue: exact areas, however coarse the grid."""

from collections.abc import Iterator

import numpy as np
import shapely

from wsi_core.contours import Contour


def tissue_coverage(
    contours: list[Contour], corner_level0: tuple[float, float], cell_level0: float, shape: tuple[int, int]
) -> np.ndarray:
    """Return the part of each square cell that lies in tissue, its holes left out.

    What lies outside the grid is left out, as is what a hole takes beyond its own contour.

    Args:
        contours: the tissue, in level-0 pixels.
        corner_level0: (x, y) of the grid's top-left corner.
        cell_level0: side of a cell in level-0 pixels.
        shape: rows and columns of the grid.

    Returns:
        float64 ``shape``, 0 to 1.
    """
    total = np.zeros(shape)
    for contour in contours:
        outline = (contour.outline - corner_level0) / cell_level0
        rings = [(outline, 1), *(((hole - corner_level0) / cell_level0, -1) for hole in contour.holes)]
        low, high = outline.min(axis=0), outline.max(axis=0)
        left, top = np.floor(low).clip(0, shape[::-1]).astype(int)
        right, bottom = (np.floor(high) + 1).clip(0, shape[::-1]).astype(int)
        total[top:bottom, left:right] += _coverage_of(rings, (left, top), (bottom - top, right - left))
    return total.clip(0, 1)


def _coverage_of(rings: list[tuple[np.ndarray, int]], corner: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Return the coverage of ``shape`` cells from ``corner`` by one contour, whose rings add (1) or take (-1)."""
    rows, columns = shape
    edges = np.zeros((rows + 1) * (columns + 2))
    for ring, sign in rings:
        for simple, direction in _without_crossings(ring - corner):
            _add_ring(simple, sign * direction, edges, shape)
    return edges.reshape(rows + 1, columns + 2).cumsum(axis=1)[:rows, :columns].clip(0, 1)


def _without_crossings(ring: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yield rings (1) and the holes in them (-1) that enclose what a ring does by the even-odd rule.

    Where a hand has crossed its own line, parts run the other way around, and their areas would count negatively.
    """
    polygon = shapely.polygons(ring) if len(ring) >= 3 else shapely.Polygon()
    if shapely.is_valid(polygon):
        yield ring, 1
        return
    for part in shapely.get_parts(shapely.make_valid(polygon)):
        for simple in shapely.get_parts(part):
            if simple.geom_type == "Polygon":
                yield shapely.get_coordinates(simple.exterior), 1
                yield from ((shapely.get_coordinates(hole), -1) for hole in simple.interiors)


def _add_ring(ring_xy: np.ndarray, sign: int, edges: np.ndarray, shape: tuple[int, int]) -> None:
    """Add what a ring, in cells, changes from each cell to its right neighbour; sums along the rows are its area."""
    rows, columns = shape
    closed = np.concatenate([ring_xy, ring_xy[:1]])
    x, y = _cut_at_cells(closed).clip(0, (columns, rows)).T  # cut where it leaves the grid, then moved onto its rim
    height = np.diff(y)
    middle_x, middle_y = (x[:-1] + x[1:]) / 2, (y[:-1] + y[1:]) / 2
    area = (height * middle_x).sum()
    column = middle_x.astype(int)
    cell = middle_y.astype(int) * (columns + 2) + column
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
