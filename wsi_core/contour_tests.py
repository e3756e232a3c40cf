"""Which patches belong to a contour: four rules, each for all patches of a grid at once.

A point on the outline counts as inside, a point on the edge of a hole does not count as in the hole.
"""

from collections.abc import Callable

import numpy as np

from wsi_core.contours import Contour
from wsi_core.polygon_grid import classify_grid

Offsets = tuple[int, ...]  # of the tested points from a patch's corner along either axis, in level-0 pixels
DEFAULT_CENTER_SHIFT = 0.5


def _corner(patch_px: int, center_shift: float) -> Offsets:
    return (0,)


def _center(patch_px: int, center_shift: float) -> Offsets:
    return (patch_px // 2,)


def _four_points(patch_px: int, center_shift: float) -> Offsets:
    shift = int(patch_px // 2 * center_shift)
    return (patch_px // 2 - shift, patch_px // 2 + shift) if shift else _center(patch_px, center_shift)


# name -> (offsets whose combinations along x and y are tested, how their answers combine)
_RULES: dict[str, tuple[Callable[[int, float], Offsets], np.ufunc]] = {
    "basic": (_corner, np.logical_and),
    "center": (_center, np.logical_and),
    "four_pt": (_four_points, np.logical_or),
    "four_pt_hard": (_four_points, np.logical_and),
}


def patches_in_contour(
    contour: Contour,
    xs: np.ndarray,
    ys: np.ndarray,
    rule: str,
    patch_px: int,
    center_shift: float = DEFAULT_CENTER_SHIFT,
) -> np.ndarray:
    """Test the patches of a grid against a contour.

    Args:
        contour: the tissue, with its holes.
        xs, ys: the columns (X,) and rows (Y,) of the patches' top-left corners, ascending.
        rule: ``basic`` the corner, ``center`` the centre, ``four_pt`` any and ``four_pt_hard`` all of four points
            around the centre lie in the outline.
        patch_px: side of the patch; all lengths are in level-0 pixels.
        center_shift: how far the four points lie from the centre, as a part of half the patch.

    Returns:
        bool (X, Y): passes the rule, and its centre lies not strictly inside one of the holes.
    """
    offsets, combine = _RULES[rule]
    along = offsets(patch_px, center_shift)
    tested = [classify_grid(contour.outline, xs + dx, ys + dy)[0] for dx in along for dy in along]
    belongs = combine.reduce(tested)
    for hole in contour.holes:
        _take_out(belongs, hole, xs, ys, patch_px)
    return belongs


def _take_out(belongs: np.ndarray, hole: np.ndarray, xs: np.ndarray, ys: np.ndarray, patch_px: int) -> None:
    """Unset the patches whose centre lies strictly inside a hole."""
    # twice as fine, as the centre of an odd patch lies between two pixels
    centers_x, centers_y, outline = 2 * xs + patch_px, 2 * ys + patch_px, 2 * hole.astype(np.int64)
    (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
    columns = slice(*np.searchsorted(centers_x, (left, right + 1)))
    rows = slice(*np.searchsorted(centers_y, (top, bottom + 1)))
    inside, on_edge = classify_grid(outline, centers_x[columns], centers_y[rows])
    belongs[columns, rows] &= ~inside | on_edge
