"""Tiles of attention: colours where there are patches, transparent elsewhere."""

import cv2
import numpy as np

from stages.viewer.tile_grid import TILE_PX, Tile
from wsi_core.colour_map import colour_numbers, colour_table
from wsi_core.score_map import ScoreMap

# offered beside that of the configuration; the first four are even to the eye, also to most who see few colours
COLOUR_MAPS = ("viridis", "magma", "inferno", "cividis", "turbo", "jet", "coolwarm", "Reds")
OPAQUE = 255
FASTEST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def overlay_tile(
    scores: ScoreMap, tile: Tile, size_px: tuple[int, int], colour_map: str, threshold_percent: int
) -> bytes:
    """Paint a tile.

    Args:
        scores: percentiles, as 0 to 1.
        tile: which.
        size_px: its width and height.
        colour_map: a name of matplotlib's.
        threshold_percent: scores below this percentile are not painted.

    Returns:
        PNG, RGBA (height, width).
    """
    origin_px = tile.column * TILE_PX, tile.row * TILE_PX
    grid = scores.grid(origin_px, size_px, (float(tile.downsample), float(tile.downsample)))
    is_painted = grid.covered & (grid.means * 100 >= threshold_percent)
    painted = np.zeros((*grid.means.shape, 4), np.uint8)
    painted[is_painted, :3] = colour_table(colour_map)[colour_numbers(grid.means[is_painted])]
    painted[is_painted, 3] = OPAQUE
    return as_png(grid.expanded(painted))


def colour_bar(colour_map: str) -> bytes:
    """Return the colours from the lowest to the highest score; PNG, RGB (1, 256)."""
    return as_png(colour_table(colour_map)[None])


def as_png(image: np.ndarray) -> bytes:
    """Encode uint8 RGB or RGBA (H, W, C), quickly rather than small."""
    to_opencv = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.imencode(".png", cv2.cvtColor(image, to_opencv), FASTEST_PNG)[1].tobytes()
