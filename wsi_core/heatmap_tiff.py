"""A heatmap as a pyramid, written while it is painted: however large it is, only blocks of it are in memory.

A block of a whole number of tiles gives its part of several levels by itself. What is left of it then, some hundred
times smaller, is kept for the levels above.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from utils.atomic import atomic_path
from utils.threads import in_threads
from wsi_core.heatmap import HeatmapPainter
from wsi_core.pyramid_tiff import TILE_PX, PyramidWriter, encoded_tile, pyramid_sizes
from wsi_core.rectangle import Rectangle, rectangles

Tile = tuple[int, int, int, bytes]  # level, column, row, JPEG


def write_heatmap_tiff(
    path: Path, painter: HeatmapPainter, *, name: str = "heatmap", mpp_level0_xy: tuple[float, float] | None = None
) -> None:
    """Paint a heatmap into a pyramidal OME-TIFF of JPEG tiles, which appears whole or not at all.

    Args:
        path: the file; ``.ome.tif`` is what others know the format by.
        painter: the picture.
        name: of the picture, told in the file.
        mpp_level0_xy: micrometres per level-0 pixel of the slide, if known.

    Raises:
        ItemError: the slide is damaged.
    """
    mpp_xy = None
    if mpp_level0_xy is not None:
        (mpp_x, mpp_y), (downsample_x, downsample_y) = mpp_level0_xy, painter.downsample_xy
        mpp_xy = mpp_x * downsample_x, mpp_y * downsample_y
    with atomic_path(path) as part, part.open("wb") as file:
        writer = PyramidWriter(file, painter.size_px)
        for tile in _tiles(painter):
            writer.add(*tile)
        writer.finish(name, mpp_xy)


def _tiles(painter: HeatmapPainter) -> Iterator[Tile]:
    """Paint all tiles of all levels."""
    n_levels = len(pyramid_sizes(painter.size_px))
    n_in_block = min(n_levels, (painter.block_px // TILE_PX).bit_length())
    width, height = painter.size_px
    rest = np.empty((height >> n_in_block, width >> n_in_block, 3), np.uint8)

    def paint(block: Rectangle) -> list[Tile]:
        tiles: list[Tile] = []
        picture = painter.paint(block)
        for level in range(n_in_block):
            tiles += _cut(picture, level, (block.x >> level, block.y >> level))
            picture = _halved(picture)
        y, x = block.y >> n_in_block, block.x >> n_in_block
        rest[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        return tiles

    blocks = list(rectangles(painter.size_px, painter.block_px))
    painted = in_threads(paint, blocks)
    for tiles in tqdm(painted, total=len(blocks), unit="block", leave=False, delay=1, dynamic_ncols=True):
        yield from tiles
    for level in range(n_in_block, n_levels):
        yield from _cut(rest, level, (0, 0))
        rest = _halved(rest)


def _cut(picture: np.ndarray, level: int, corner_px: tuple[int, int]) -> Iterator[Tile]:
    """Cut a part of a level, whose corner is a tile's, into tiles."""
    for y in range(0, picture.shape[0], TILE_PX):
        for x in range(0, picture.shape[1], TILE_PX):
            column, row = (corner_px[0] + x) // TILE_PX, (corner_px[1] + y) // TILE_PX
            yield level, column, row, encoded_tile(picture[y : y + TILE_PX, x : x + TILE_PX])


def _halved(picture: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels into one; an odd last row or column is left out."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    if not (height and width):
        return np.empty((height, width, 3), np.uint8)
    return cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
