"""Pictures of a whole slide: a level as it is, or averaged down to larger pixels.

Averaging goes block by block while it is read, so that memory stays bounded whatever the size of the slide. A slide
without a coarse level (a flat TIFF, an OME-TIFF as OpenSlide sees it) is made about 64 times smaller where no size of
pixels is asked for.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from tqdm import tqdm

from wsi_core.pyramid import RESOLUTION_TOLERANCE, snapped
from wsi_core.slide import Slide

OVERVIEW_DOWNSAMPLE = 64
MAX_LEVEL_PIXELS = 1e8  # a level up to this size is kept in memory as it is; the original gives up beyond
BLOCK_PX = 4096  # side of what is read at once: 64 MiB as RGBA, a whole number of tiles of most slides
# Pixels whose side is no whole number of a level's pixels are averaged in two steps. The second one, which is exact, is
# to leave a picture at least this many times smaller; on large slides it is less, so that the first fits into memory.
SECOND_STEP = 3


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
    """The overviews of one slide, kept as segmentation, mask and stitch mostly look at the same.

    Of the levels, which may be large, that is the last one; averaged pictures are small and costly to read.
    """

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self._pictures: dict[tuple[int, float | None], Overview] = {}  # by level and side of their pixels

    def at(self, level: int) -> Overview:
        """Return the overview of a level.

        Raises:
            ItemError: the slide has no such level or is damaged.
        """
        self._slide.check_level(level, name="an overview")
        return self._kept(level, None)

    def averaged(self, pixel_level0: float, *, finest_level0: float, coarsest_level0: float) -> Overview:
        """Return the slide in pixels of one size, averaged from finer ones; larger where it has none that are finer.

        JPEG blurs the colour of a level over up to 16 of its pixels, which gives tissue a rim of saturated glass as
        wide. Averaged from a fine level there is next to none, so that slides with other levels look the same.

        Args:
            pixel_level0: side of a pixel, in level-0 pixels.
            finest_level0: side that the pixels read need not fall below.
            coarsest_level0: side up to which they may grow where a finer level has more than 100 million.

        Raises:
            ItemError: the slide is damaged.
        """
        fine, coarse = (
            self._slide.best_level(side * (1 + RESOLUTION_TOLERANCE)) for side in (finest_level0, coarsest_level0)
        )
        small = (level for level in range(fine, coarse) if _n_pixels(self._slide, level) <= MAX_LEVEL_PIXELS)
        return self._kept(next(small, coarse), pixel_level0)

    def _kept(self, level: int, pixel_level0: float | None) -> Overview:
        wanted = level, pixel_level0
        if wanted not in self._pictures:
            # the level is gone before the next one is read
            self._pictures = {key: picture for key, picture in self._pictures.items() if key[1] is not None}
            self._pictures[wanted] = _read_overview(self._slide, level, pixel_level0)
            self._pictures[wanted].image.flags.writeable = False
        return self._pictures[wanted]


def overview_size(slide: Slide, level: int) -> tuple[int, int]:
    """Return the width and height that the overview of a level has."""
    return _reduced(slide.level_dimensions[level], _reduction(slide, level))


def _reduction(slide: Slide, level: int) -> int:
    """Return by which whole number a level is made smaller where no size of pixels is asked for."""
    if _n_pixels(slide, level) <= MAX_LEVEL_PIXELS:
        return 1
    return max(2, round(OVERVIEW_DOWNSAMPLE / slide.level_downsamples[level][0]))


def _n_pixels(slide: Slide, level: int) -> int:
    width, height = slide.level_dimensions[level]
    return width * height


def _reduced(size_px: tuple[int, int], factor: int) -> tuple[int, int]:
    width, height = size_px
    return -(-width // factor), -(-height // factor)


def _read_overview(slide: Slide, level: int, pixel_level0: float | None) -> Overview:
    if pixel_level0 is not None:
        return _read_averaged(slide, level, pixel_level0)
    downsample_x, downsample_y = slide.level_downsamples[level]
    factor = _reduction(slide, level)
    # at level 0 blocks are what they are in the whole; at others OpenSlide may shift them by a part of a pixel
    if level == 0 or factor > 1:
        image = _read_in_blocks(slide, level, factor)
    else:
        image = slide.read((0, 0), level, slide.level_dimensions[level])
    return Overview(image, (downsample_x * factor, downsample_y * factor))


def _read_averaged(slide: Slide, level: int, pixel_level0: float) -> Overview:
    """Read a level down to pixels of exactly this side; as they are where they are larger, or hardly smaller."""
    downsample_x, downsample_y = (snapped(d) for d in slide.level_downsamples[level])
    ratio = pixel_level0 / downsample_x
    is_whole = math.isclose(ratio, round(ratio), rel_tol=1e-6)
    small_enough = math.ceil(math.sqrt(_n_pixels(slide, level) / MAX_LEVEL_PIXELS))
    factor = round(ratio) if is_whole else max(1, min(int(ratio), max(int(ratio / SECOND_STEP), small_enough)))
    image = _read_in_blocks(slide, level, factor)
    scale_x, scale_y = downsample_x * factor / pixel_level0, downsample_y * factor / pixel_level0
    is_fine = max(scale_x, scale_y) * (1 + RESOLUTION_TOLERANCE) < 1
    if is_fine and min(image.shape[1] * scale_x, image.shape[0] * scale_y) >= 1:
        image = cv2.resize(image, None, fx=scale_x, fy=scale_y, interpolation=cv2.INTER_AREA)
        return Overview(image, (pixel_level0, pixel_level0))
    return Overview(image, (downsample_x * factor, downsample_y * factor))


def _read_in_blocks(slide: Slide, level: int, factor: int) -> np.ndarray:
    """Read a level block by block, ``factor`` x ``factor`` pixels averaged into one."""
    width, height = _reduced(slide.level_dimensions[level], factor)
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
