"""Tiles of attention: colours where there are patches, transparent elsewhere."""

import io

import numpy as np
from PIL import Image

from stages.viewer.tile_grid import TILE_PX, Tile
from wsi_core.colour_map import N_COLOURS, colour_numbers, colour_table
from wsi_core.score_map import ScoreGrid, ScoreMap

# offered beside that of the configuration; the first four are even to the eye, also to most who see few colours
COLOUR_MAPS = ("viridis", "magma", "inferno", "cividis", "turbo", "jet", "coolwarm", "Reds")
# the first colour stands for "not painted": scores below 1/256 are shown in the second one
TRANSPARENT, LOWEST = 0, 1


def grid_of(scores: ScoreMap, tile: Tile, size_px: tuple[int, int]) -> ScoreGrid:
    """Return the scores of a tile, percentiles as 0 to 1; ``size_px`` is its width and height."""
    origin_px = tile.column * TILE_PX, tile.row * TILE_PX
    return scores.grid(origin_px, size_px, (float(tile.downsample), float(tile.downsample)))


def overlay_tile(grid: ScoreGrid, colour_map: str, threshold_percent: int) -> bytes:
    """Paint a tile.

    Args:
        grid: its scores.
        colour_map: a name of matplotlib's.
        threshold_percent: scores below this percentile are not painted.

    Returns:
        PNG (height, width) with a table of colours, which is encoded many times faster than RGBA.
    """
    is_painted = grid.covered & (grid.means * 100 >= threshold_percent)
    numbers = np.maximum(colour_numbers(grid.means), LOWEST)
    numbers[~is_painted] = TRANSPARENT
    return _png(grid.expanded(numbers), colour_map, transparency=TRANSPARENT)


def colour_bar(colour_map: str) -> bytes:
    """Return the colours from the lowest to the highest score; PNG (1, 256)."""
    return _png(np.arange(N_COLOURS, dtype=np.uint8)[None], colour_map)


def _png(numbers: np.ndarray, colour_map: str, **options: int) -> bytes:
    """Encode numbers of colours, uint8 (H, W), quickly rather than small."""
    image = Image.fromarray(numbers)
    image.putpalette(colour_table(colour_map).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, **options)
    return file.getvalue()
