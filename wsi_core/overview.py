"""Pictures of a whole slide: a level as it is, or, where that is too large, made smaller while it is read.

A slide without a coarse level (a flat TIFF, an OME-TIFF as OpenSlide sees it) is read block by block and averaged down
to about 64 times smaller than level 0, so that memory stays bounded whatever the size of the slide.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from tqdm import tqdm

from wsi_core.slide import Slide

OVERVIEW_DOWNSAMPLE = 64
MAX_LEVEL_PIXELS = 1e8  # a level up to this size is taken as it is; the original gives up beyond
BLOCK_PX = 4096  # side of what is read at once: 64 MiB as RGBA, a whole number of tiles of most slides


@dataclass(frozen=True)
class Overview:
    """A picture of a whole slide.

    Attributes:
        image: uint8 RGB (H, W, 3), not to be written to.
        downsample_xy: level-0 pixels per pixel of it.
    """

    image: np.ndarray
    downsample_xy: tuple[float, float]


class Overviews:
    """The overviews of one slide; the last one is kept, as segmentation, mask and stitch mostly look at the same."""

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self._last: tuple[int, Overview] | None = None

    def at(self, level: int) -> Overview:
        """Return the overview of a level.

        Raises:
            ItemError: the slide has no such level or is damaged.
        """
        self._slide.check_level(level, name="an overview")
        if self._last is None or self._last[0] != level:
            self._last = None  # gone before the next one is read
            self._last = level, _read_overview(self._slide, level)
        return self._last[1]


def overview_size(slide: Slide, level: int) -> tuple[int, int]:
    """Return the width and height that the overview of a level has."""
    factor = _reduction(slide, level)
    width, height = slide.level_dimensions[level]
    return -(-width // factor), -(-height // factor)


def _reduction(slide: Slide, level: int) -> int:
    """Return by which whole number a level is made smaller."""
    width, height = slide.level_dimensions[level]
    if width * height <= MAX_LEVEL_PIXELS:
        return 1
    return max(2, round(OVERVIEW_DOWNSAMPLE / slide.level_downsamples[level][0]))


def _read_overview(slide: Slide, level: int) -> Overview:
    factor = _reduction(slide, level)
    downsample_x, downsample_y = slide.level_downsamples[level]
    # at level 0 blocks are what they are in the whole; at others OpenSlide may shift them by a part of a pixel
    if level == 0 or factor > 1:
        image = _read_in_blocks(slide, level, factor)
    else:
        image = slide.read((0, 0), level, slide.level_dimensions[level])
    image.flags.writeable = False
    return Overview(image, (downsample_x * factor, downsample_y * factor))


def _read_in_blocks(slide: Slide, level: int, factor: int) -> np.ndarray:
    """Read a level block by block, ``factor`` x ``factor`` pixels averaged into one."""
    width, height = overview_size(slide, level)
    image = np.empty((height, width, 3), np.uint8)
    blocks = list(_blocks(slide.level_dimensions[level], factor))
    for x, y, block_width, block_height in tqdm(blocks, unit="block", leave=False, delay=1, dynamic_ncols=True):
        location = slide.offset_level0(level, x), slide.offset_level0(level, y)
        small = _averaged(slide.read(location, level, (block_width, block_height)), factor)
        top, left = y // factor, x // factor
        image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return image


def _blocks(size_px: tuple[int, int], factor: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield x, y, width and height of blocks that cover a level, row by row; corners are multiples of ``factor``."""
    side = factor * max(1, BLOCK_PX // factor)
    width, height = size_px
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield x, y, min(side, width - x), min(side, height - y)


def _averaged(block: np.ndarray, factor: int) -> np.ndarray:
    """Return a block (H, W, 3) made smaller; where its end is no whole pixel, the last row or column is repeated."""
    if factor == 1:
        return block
    over_y, over_x = -block.shape[0] % factor, -block.shape[1] % factor
    if over_y or over_x:
        block = np.pad(block, ((0, over_y), (0, over_x), (0, 0)), mode="edge")
    size = block.shape[1] // factor, block.shape[0] // factor
    return cv2.resize(block, size, interpolation=cv2.INTER_AREA)
