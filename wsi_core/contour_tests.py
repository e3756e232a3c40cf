"""Which patches belong to a contour: four rules, each for all candidates of a contour at once.

A point on the outline counts as inside, a point on the edge of a hole does not count as in the hole.
Polygons follow the even-odd rule, as OpenCV's ``pointPolygonTest`` does.
"""

from collections.abc import Callable

import numpy as np
import shapely

Offsets = np.ndarray  # (K, 2) points to test, relative to the patch's top-left corner, in level-0 pixels
DEFAULT_CENTER_SHIFT = 0.5


def _corner(patch_px: int, center_shift: float) -> Offsets:
    return np.array([[0, 0]])


def _center(patch_px: int, center_shift: float) -> Offsets:
    return np.array([[patch_px // 2, patch_px // 2]])


def _four_points(patch_px: int, center_shift: float) -> Offsets:
    shift = int(patch_px // 2 * center_shift)
    if shift == 0:
        return _center(patch_px, center_shift)
    diagonal = np.array([[-1, -1], [1, 1], [1, -1], [-1, 1]])
    return patch_px // 2 + shift * diagonal


# name -> (points tested, how their answers combine)
_RULES: dict[str, tuple[Callable[[int, float], Offsets], Callable[..., np.ndarray]]] = {
    "basic": (_corner, np.all),
    "center": (_center, np.all),
    "four_pt": (_four_points, np.any),
    "four_pt_hard": (_four_points, np.all),
}


def inside_contour(
    corners: np.ndarray, outline: np.ndarray, rule: str, patch_px: int, center_shift: float = DEFAULT_CENTER_SHIFT
) -> np.ndarray:
    """Test patches against an outline.

    Args:
        corners: (N, 2) top-left corners.
        outline: (V, 2) polygon.
        rule: ``basic`` the corner, ``center`` the centre, ``four_pt`` any and ``four_pt_hard`` all of four points
            around the centre.
        patch_px: side of the patch; all lengths are in level-0 pixels.
        center_shift: how far the four points lie from the centre, as a part of half the patch.

    Returns:
        bool (N,).
    """
    points, combine = _RULES[rule]
    tested = corners[:, None, :] + points(patch_px, center_shift)  # (N, K, 2)
    return combine(_in_polygon(tested, outline, edge_counts=True), axis=1)


def center_in_hole(corners: np.ndarray, holes: list[np.ndarray], patch_px: int) -> np.ndarray:
    """Tell for each patch (N, 2) whether its centre lies strictly inside one of the holes; bool (N,)."""
    centers = corners + patch_px / 2
    in_hole = np.zeros(len(corners), bool)
    for hole in holes:
        in_hole |= _in_polygon(centers, hole, edge_counts=False)
    return in_hole


def _in_polygon(points: np.ndarray, outline: np.ndarray, *, edge_counts: bool) -> np.ndarray:
    """Test points (..., 2) against a closed outline (V, 2) by the even-odd rule; bool (...)."""
    if len(outline) < 3:  # a point or a line has an edge but no inside
        polygon = shapely.LineString(outline) if len(outline) == 2 else shapely.Point(outline[0])
        return shapely.intersects_xy(polygon, points[..., 0], points[..., 1]) & edge_counts
    polygon = shapely.Polygon(outline)
    shapely.prepare(polygon)
    test = shapely.intersects_xy if edge_counts else shapely.contains_xy
    return test(polygon, points[..., 0], points[..., 1])
