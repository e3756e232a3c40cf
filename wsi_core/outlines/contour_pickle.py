"""Contours as the original keeps them: a pickle of ``{"tissue": [points, ...], "holes": [[points, ...], ...]}``."""

from pathlib import Path

import numpy as np

from utils.errors import ItemError
from utils.restricted_pickle import load_data
from wsi_core.contours import Contour
from wsi_core.outlines.polygons import STATUS, Polygon, contours_of


def read_contour_pickle(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Read contours with their holes, numbered from 0.

    Args:
        path: the file; points are int arrays (N, 1, 2) or (N, 2) in level-0 pixels.
        slide_size_level0: width and height of the slide.

    Raises:
        ItemError: it holds something else, or a contour lies outside the slide (status ``failed_seg``).
    """
    try:
        value = load_data(path)
    except ItemError as error:
        raise ItemError(str(error), STATUS) from error
    try:
        tissue, holes = value["tissue"], value["holes"]  # type: ignore[index]
        pairs = list(zip(tissue, holes, strict=True))
        polygons = [
            Polygon(_points(outline), [_points(hole) for hole in inside], f"{path.name}, contour {number}")
            for number, (outline, inside) in enumerate(pairs)
        ]
    except (TypeError, LookupError, ValueError) as error:
        raise ItemError(
            f"{path.name}: no contours of the original in it (tissue, and holes for each)", STATUS
        ) from error
    return contours_of([polygon for polygon in polygons if len(polygon.exterior) > 2], slide_size_level0)


def _points(array: object) -> list[tuple[float, float]]:
    return [(x, y) for x, y in np.asarray(array, float).reshape(-1, 2).tolist()]
