"""Rectangles of one level, read by several threads: how the picture below a heatmap is read.

The pixels are those of the level read at once, or of a region of it. Tiles of JPEG are decoded directly where that
gives the same; OpenSlide takes several times as long, as it draws on a canvas with transparency.
"""

import logging
from contextlib import nullcontext
from threading import Lock

import numpy as np

from wsi_core.readers.jpeg_tiles import JpegTiles, UndecodableTileError
from wsi_core.slide import Slide

logger = logging.getLogger(__name__)

WHOLE_PX = 1e-6  # positions on a level this close to whole pixels, and differences this close to whole numbers


class LevelReader:
    """Reads rectangles of one level of an open slide, from any thread.

    Args:
        slide: the slide, which stays open when this is closed.
        level: the level.
        origin_level0: (x, y) of the place that is (0, 0) here.
    """

    def __init__(self, slide: Slide, level: int, origin_level0: tuple[int, int] = (0, 0)) -> None:
        self._slide = slide
        self._level = level
        self._origin_level0 = origin_level0
        self._tiles = jpeg_tiles_of(slide)
        self._turn = nullcontext() if slide.is_read_by_openslide else Lock()  # other libraries serve one thread
        on_level = slide.on_level(np.asarray(origin_level0), level)
        self._origin_px = np.rint(on_level).astype(np.int64)
        # between pixels OpenSlide interpolates
        is_whole = bool(np.abs(on_level - self._origin_px).max() <= WHOLE_PX)
        self.is_direct = is_whole and self._tiles.has(level) and self._decodes_as_openslide()

    def close(self) -> None:
        """Release what was opened besides the slide."""
        self._tiles.close()

    def read(self, corner_px: tuple[int, int], size_px: tuple[int, int]) -> np.ndarray:
        """Read a rectangle.

        Args:
            corner_px: (x, y) of its top-left corner, in pixels of the level from the origin.
            size_px: its width and height in these pixels.

        Returns:
            uint8 RGB (height, width, 3), to be written to.

        Raises:
            ItemError: the slide is damaged there.
        """
        if self.is_direct:
            try:
                corners = self._origin_px[None] + corner_px
                return self._tiles.read(self._level, corners, size_px, self._slide.fill_value)[0]
            except UndecodableTileError:
                pass  # OpenSlide says what is wrong with it
        x, y = (
            start + self._slide.offset_level0(self._level, offset)
            for start, offset in zip(self._origin_level0, corner_px, strict=True)
        )
        with self._turn:
            return self._slide.read((x, y), self._level, size_px).copy()

    def _decodes_as_openslide(self) -> bool:
        """Compare one tile; another decoder or colour space would show."""
        corner, size = self._tiles.richest_tile(self._level)
        x, y = (self._slide.offset_level0(self._level, offset) for offset in corner)
        if np.abs(self._slide.on_level(np.array([x, y]), self._level) - corner).max() > WHOLE_PX:
            x, y = corner = (0, 0)  # which OpenSlide shows without interpolation at any downsample
        try:
            tile = self._tiles.read(self._level, np.array([corner]), size, self._slide.fill_value)[0]
        except UndecodableTileError:
            return False
        return np.array_equal(tile, self._slide.read((x, y), self._level, size))


def jpeg_tiles_of(slide: Slide) -> JpegTiles:
    """Open the tiles of a slide that can be decoded without OpenSlide; none where another library reads it."""
    return JpegTiles(slide.path, slide.level_dimensions, slide.format if slide.is_read_by_openslide else "")
