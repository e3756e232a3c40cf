"""Many squares of one level at once, each tile decoded once: how patches are read for encoding.

The pixels are those of ``Slide.read``, square by square. Tiles of JPEG are decoded directly where that gives the same;
elsewhere squares that touch are read as one region and cut apart.
"""

import logging
from collections.abc import Iterator

import numpy as np

from wsi_core.level_reader import WHOLE_PX, jpeg_tiles_of
from wsi_core.readers.jpeg_tiles import UndecodableTileError
from wsi_core.slide import Slide

logger = logging.getLogger(__name__)

LONGEST_STRIP_PX = 8192


class SquareReader:
    """Reads squares of an open slide.

    Args:
        slide: the slide; closed with this.
    """

    def __init__(self, slide: Slide) -> None:
        self.slide = slide
        self._tiles = jpeg_tiles_of(slide)
        self._compared: set[int] = set()

    def close(self) -> None:
        """Release both files."""
        self._tiles.close()
        self.slide.close()

    def read(self, corners_level0: np.ndarray, level: int, side_px: int) -> np.ndarray:
        """Read squares.

        Args:
            corners_level0: int (N, 2), level-0 (x, y) of the top-left corners, neighbours beside one another.
            level: the level to read at.
            side_px: side in pixels of that level.

        Returns:
            uint8 RGB (N, ``side_px``, ``side_px``, 3).

        Raises:
            ItemError: the file is damaged there.
        """
        squares = np.empty((len(corners_level0), side_px, side_px, 3), np.uint8)
        for _ in self.read_in_parts(corners_level0, level, squares):
            pass  # there is room for all of them
        return squares

    def read_in_parts(self, corners_level0: np.ndarray, level: int, squares: np.ndarray) -> Iterator[np.ndarray]:
        """Read squares as ``read`` does, as many at a time as there is room for.

        Args:
            corners_level0, level: as for ``read``.
            squares: uint8 RGB (M, S, S, 3), gets up to M of them at a time.

        Yields:
            those of ``squares`` that are filled, until the next part is asked for.

        Raises:
            ItemError: the file is damaged there.
        """
        n_read = 0
        for part in self._directly(corners_level0, level, squares):
            yield part
            n_read += len(part)
        for start in range(n_read, len(corners_level0), len(squares)):
            yield self._in_strips(corners_level0[start : start + len(squares)], level, squares)

    def _directly(self, corners_level0: np.ndarray, level: int, squares: np.ndarray) -> Iterator[np.ndarray]:
        """Decode tiles; ends early where a tile is damaged or OpenSlide would show other pixels."""
        if not self._tiles.has(level):
            return
        corners_px = self.slide.on_level(corners_level0, level)
        whole_px = np.rint(corners_px).astype(np.int64)
        if np.abs(corners_px - whole_px).max() > WHOLE_PX:  # between pixels OpenSlide interpolates
            return
        try:
            for part in self._tiles.read_in_parts(level, whole_px, squares, self.slide.fill_value):
                if level not in self._compared and not self._is_same(part[0], corners_level0[0], level):
                    return
                yield part
        except UndecodableTileError:
            return

    def _is_same(self, square: np.ndarray, corner_level0: np.ndarray, level: int) -> bool:
        """Compare a square with OpenSlide's, once for each level; another decoder or colour space would show."""
        x, y = corner_level0.tolist()
        same = np.array_equal(square, self.slide.read((x, y), level, (len(square), len(square))))
        if same:
            self._compared.add(level)
        else:
            logger.debug("%s: level %d is left to OpenSlide", self.slide.path.name, level)
            self._tiles.give_up(level)
        return same

    def _in_strips(self, corners_level0: np.ndarray, level: int, squares: np.ndarray) -> np.ndarray:
        side_px = squares.shape[1]
        corners_px = self.slide.on_level(corners_level0, level)
        if not self.slide.is_read_by_openslide:  # which alone reads between pixels; others round, halves to even
            corners_px = np.rint(corners_px)
        for start, stop in _strips(corners_px, side_px):
            offsets_px = np.rint(corners_px[start:stop, 1] - corners_px[start, 1]).astype(int)
            x, y = corners_level0[start].tolist()
            strip = self.slide.read((x, y), level, (side_px, side_px + int(offsets_px[-1])))
            for number, offset_px in enumerate(offsets_px, start):
                squares[number] = strip[offset_px : offset_px + side_px]
        return squares[: len(corners_level0)]


def _strips(corners_px: np.ndarray, side_px: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of squares that lie below one another without a gap, whole pixels apart."""
    start = 0
    for number in range(1, len(corners_px) + 1):
        if number == len(corners_px) or not _continues(corners_px, start, number, side_px):
            yield start, number
            start = number


def _continues(corners_px: np.ndarray, start: int, number: int, side_px: int) -> bool:
    (first_x, first_y), (_, above_y), (x, y) = corners_px[start], corners_px[number - 1], corners_px[number]
    height_px = y - first_y
    return (
        x == first_x
        and 0 <= y - above_y <= side_px
        and abs(height_px - round(height_px)) <= WHOLE_PX
        and height_px + side_px <= LONGEST_STRIP_PX
    )
