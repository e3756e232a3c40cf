"""Tiles of JPEG-tiled TIFFs decoded without OpenSlide, several times as fast and with the same pixels.

OpenSlide draws every region on a canvas with transparency; a patch needs the bytes of its tiles alone. Only formats in
which a level is one grid of whole tiles are read so. Both libraries decode with libjpeg-turbo, and both refuse a tile
that is damaged: whatever is refused here is for OpenSlide to read, or to say what is wrong with it.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
import simplejpeg
import tifffile

from wsi_core.readers.reader import Size

APERIO = "aperio"
FORMATS = (APERIO, "generic-tiff")
TIFF_JPEG, TIFF_RGB, TIFF_YCBCR = 7, 2, 6
MOST_BYTES_PER_PIXEL, MOST_BYTES_BESIDE = 8, 1 << 16  # noise at quality 100 has about 5
KEPT_BYTES = 32 * 2**20  # of decoded tiles that boxes still to come need too
BEGIN, END = b"\xff\xd8", b"\xff\xd9"
# Adobe's marker says which colours a JPEG holds: 0 for RGB, 1 for YCbCr; without it decoders guess.
ADOBE_MARKER = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
# What tifffile raises at files that are damaged or stranger than it knows.
_UNREADABLE = (OSError, ValueError, LookupError, RuntimeError, TypeError, AttributeError)


class UndecodableTileError(Exception):
    """A tile is missing or damaged."""


@dataclass(frozen=True)
class TileLevel:
    """A level as a grid of JPEG tiles.

    Attributes:
        size_px: width and height of the level.
        tile_px: width and height of a tile.
        offsets, lengths: where the bytes of each tile are in the file, row by row.
        header: what comes before them in a JPEG of their own.
    """

    size_px: Size
    tile_px: Size
    offsets: np.ndarray
    lengths: np.ndarray
    header: bytes

    @property
    def n_columns(self) -> int:
        """Tiles in a row."""
        return -(-self.size_px[0] // self.tile_px[0])

    @property
    def most_bytes(self) -> int:
        """What a tile may have in the file; a table that is damaged may claim all of it."""
        return MOST_BYTES_PER_PIXEL * self.tile_px[0] * self.tile_px[1] + MOST_BYTES_BESIDE

    @property
    def most_kept(self) -> int:
        """How many decoded tiles are kept."""
        return KEPT_BYTES // (3 * self.tile_px[0] * self.tile_px[1])


class JpegTiles:
    """The levels of a file that consist of JPEG tiles. Several threads may read at the same time.

    Args:
        path: the file.
        level_sizes: width and height of each level, as OpenSlide has them.
        file_format: OpenSlide's word for the format.
    """

    def __init__(self, path: Path, level_sizes: tuple[Size, ...], file_format: str) -> None:
        self._levels = _levels(path, level_sizes) if file_format in FORMATS else {}
        if file_format == APERIO:
            self._levels = _above_missing_tiles(self._levels)
        self._file: BinaryIO | None = path.open("rb") if self._levels else None
        self._place = Lock()  # of the next byte in the file

    def has(self, level: int) -> bool:
        """Tell whether a level can be decoded here."""
        return level in self._levels

    def give_up(self, level: int) -> None:
        """Leave a level to OpenSlide from now on."""
        self._levels.pop(level, None)

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()

    def richest_tile(self, level: int) -> tuple[Size, Size]:
        """Return corner and size, (x, y), of the tile of most bytes, which shows most; in pixels of the level."""
        grid = self._levels[level]
        row, column = divmod(int(grid.lengths.argmax()), grid.n_columns)
        return (column * grid.tile_px[0], row * grid.tile_px[1]), grid.tile_px

    def read(self, level: int, corners_px: np.ndarray, size_px: Size, fill: int) -> np.ndarray:
        """Read boxes of one size; a tile that several of them share is decoded once.

        Args:
            level: one that ``has`` knows.
            corners_px: int (N, 2), (x, y) of the top-left corners in pixels of the level; may lie outside it.
            size_px: width and height of the boxes.
            fill: the value of pixels outside the level.

        Returns:
            uint8 RGB (N, height, width, 3).

        Raises:
            UndecodableTileError: a tile is missing or damaged.
        """
        boxes = np.empty((len(corners_px), *size_px[::-1], 3), np.uint8)
        for _ in self.read_in_parts(level, corners_px, boxes, fill):
            pass  # there is room for all of them
        return boxes

    def read_in_parts(self, level: int, corners_px: np.ndarray, boxes: np.ndarray, fill: int) -> Iterator[np.ndarray]:
        """Read boxes as ``read`` does, as many at a time as there is room for.

        A tile of which boxes of a later part need something is kept, up to ``KEPT_BYTES``, so that it is decoded once.

        Args:
            level, corners_px, fill: as for ``read``.
            boxes: uint8 RGB (M, height, width, 3), gets up to M of them at a time.

        Yields:
            those of ``boxes`` that are filled, until the next part is asked for.
        """
        grid, size_px = self._levels[level], (boxes.shape[2], boxes.shape[1])
        last_box = {tile: numbers[-1] for tile, numbers in _boxes_by_tile(corners_px, size_px, grid).items()}
        kept: dict[tuple[int, int], np.ndarray] = {}
        for start in range(0, len(corners_px), len(boxes)):
            corners = corners_px[start : start + len(boxes)]
            part = boxes[: len(corners)]
            part.fill(fill)
            for place, touching in _boxes_by_tile(corners, size_px, grid).items():
                tile = kept.pop(place) if place in kept else self._decode(grid, place)
                for number in touching:
                    x, y = (np.multiply(place, grid.tile_px) - corners[number]).tolist()
                    _paste(tile, part[number], x, y)
                if last_box[place] >= start + len(part) and len(kept) < grid.most_kept:
                    kept[place] = tile
            yield part

    def _decode(self, grid: TileLevel, place: tuple[int, int]) -> np.ndarray:
        """Return what of the tile at (column, row) lies on the level; what it has beyond is noise."""
        (column, row), (width, height) = place, grid.tile_px
        tile = self._decoded(grid, row * grid.n_columns + column)
        return tile[: grid.size_px[1] - row * height, : grid.size_px[0] - column * width]

    def _decoded(self, grid: TileLevel, number: int) -> np.ndarray:
        assert self._file is not None
        try:
            with self._place:
                self._file.seek(int(grid.offsets[number]))
                data = self._file.read(min(int(grid.lengths[number]), grid.most_bytes))
            if not data.startswith(BEGIN):
                raise UndecodableTileError
            data = grid.header + data[len(BEGIN) :]
            _require_size(data, grid.tile_px)
            tile = simplejpeg.decode_jpeg(data, "RGB")
        except (ValueError, OSError, IndexError, OverflowError) as error:  # of JPEG, disk, or the table of tiles
            raise UndecodableTileError from error
        return tile


def _require_size(jpeg: bytes, size_px: Size) -> None:
    """Refuse a tile that claims another size, before memory is taken for that."""
    height, width, *_ = simplejpeg.decode_jpeg_header(jpeg)
    if (width, height) != size_px:
        raise UndecodableTileError


def _boxes_by_tile(corners_px: np.ndarray, size_px: Size, grid: TileLevel) -> dict[tuple[int, int], list[int]]:
    """Return (column, row) of the tiles that boxes touch, each with the numbers of those boxes."""
    n_columns, n_rows = grid.n_columns, -(-grid.size_px[1] // grid.tile_px[1])
    first = np.maximum(corners_px // grid.tile_px, 0)
    last = np.minimum((corners_px + size_px - 1) // grid.tile_px, (n_columns - 1, n_rows - 1))
    tiles: dict[tuple[int, int], list[int]] = {}
    for number, ((left, top), (right, bottom)) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                tiles.setdefault((column, row), []).append(number)
    return tiles


def _paste(tile: np.ndarray, box: np.ndarray, x: int, y: int) -> None:
    """Copy the part of a tile that lies in a box; (x, y) is the tile's corner, seen from the box's."""
    height, width = tile.shape[:2]
    left, top = max(0, x), max(0, y)
    right, bottom = min(box.shape[1], x + width), min(box.shape[0], y + height)
    if right <= left or bottom <= top:  # the box lies in what the last tile has beyond the level
        return
    box[top:bottom, left:right] = tile[top - y : bottom - y, left - x : right - x]


def _levels(path: Path, level_sizes: tuple[Size, ...]) -> dict[int, TileLevel]:
    """Return the levels that are one grid of JPEG tiles; none where the file is none of tifffile's."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it cannot read is read, or told, by OpenSlide
    try:
        with tifffile.TiffFile(path) as tiff:
            return {
                level: _tile_level(pages[0])
                for level, size in enumerate(level_sizes)
                if len(pages := [page for page in tiff.pages if _shows(page, size)]) == 1 and _is_jpeg_tiled(pages[0])
            }
    except (tifffile.TiffFileError, *_UNREADABLE):
        return {}


def _above_missing_tiles(levels: dict[int, TileLevel]) -> dict[int, TileLevel]:
    """Return the levels finer than the first with a tile of no bytes; OpenSlide draws the others in its own way."""
    missing = [level for level, grid in levels.items() if (grid.lengths == 0).any()]
    return {level: grid for level, grid in levels.items() if level < min(missing, default=len(levels) + 1)}


def _shows(page: tifffile.TiffPage, size_px: Size) -> bool:
    return (page.imagewidth, page.imagelength) == size_px


def _is_jpeg_tiled(page: tifffile.TiffPage) -> bool:
    return (
        page.is_tiled
        and page.compression == TIFF_JPEG
        and page.photometric in (TIFF_RGB, TIFF_YCBCR)
        and (page.samplesperpixel, page.bitspersample, page.planarconfig) == (3, 8, 1)
    )


def _tile_level(page: tifffile.TiffPage) -> TileLevel:
    tables = page.jpegtables or BEGIN + END
    colours = bytes([int(page.photometric == TIFF_YCBCR)])
    return TileLevel(
        size_px=(page.imagewidth, page.imagelength),
        tile_px=(page.tilewidth, page.tilelength),
        offsets=np.asarray(page.dataoffsets, np.int64),
        lengths=np.asarray(page.databytecounts, np.int64),
        header=BEGIN + ADOBE_MARKER + colours + tables.removeprefix(BEGIN).removesuffix(END),
    )
