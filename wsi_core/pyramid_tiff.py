"""The owner of pyramids that we write: TIFFs of JPEG tiles with all levels, whose tiles come in any order.

Each level is a page of its own, as OpenSlide and QuPath look for it, and the same pages are the SubIFDs of the first
one, as OME-TIFF has it for Bio-Formats and tifffile. Not written by tifffile: it asks for imagecodecs even where tiles
are JPEG already, takes one level after the other, and makes levels either pages or SubIFDs.

Format: TIFF 6.0, BigTIFF where 4 GiB may not do; JPEG compression (7) of YCbCr, each tile a JPEG by itself.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import simplejpeg
from tifffile import OmeXml

from utils.version import VERSION

TILE_PX = 256
JPEG_QUALITY = 90
CLASSIC_LIMIT = 2**32  # bytes that a TIFF may have
RAW_BYTES = 4  # per pixel of the first level; with all others, and whatever JPEG makes of them
SHORT, LONG, RATIONAL, IFD, LONG8, IFD8, ASCII = 3, 4, 5, 13, 16, 18, 2
JPEG, YCBCR, RGB_SAMPLES, PER_CENTIMETRE = 7, 6, 3, 3
UM_PER_CM = 10_000
PROGRAM = f"clam-pipeline {VERSION}"


@dataclass(frozen=True)
class _Layout:
    """How numbers are written in one of the two kinds of TIFF; little-endian."""

    header: bytes
    offset: str
    count: str
    n_entries: str
    offset_type: int
    ifd_type: int


CLASSIC = _Layout(b"II*\0", "<I", "<I", "<H", LONG, IFD)
BIG = _Layout(b"II+\0" + struct.pack("<HH", 8, 0), "<Q", "<Q", "<Q", LONG8, IFD8)


@dataclass
class _Level:
    """A level while it is written: where its tiles are, row by row."""

    size_px: tuple[int, int]
    offsets: np.ndarray = field(init=False)
    lengths: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.n_columns, self.n_rows = (-(-length // TILE_PX) for length in self.size_px)
        self.offsets = np.zeros(self.n_columns * self.n_rows, np.uint64)
        self.lengths = np.zeros(self.n_columns * self.n_rows, np.uint64)


def pyramid_sizes(size_px: tuple[int, int]) -> list[tuple[int, int]]:
    """Return width and height of all levels: halved, rounded down, until one tile shows all."""
    sizes = [size_px]
    while max(sizes[-1]) > TILE_PX and min(sizes[-1]) >= 2:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def encoded_tile(tile: np.ndarray) -> bytes:
    """Return a tile, uint8 RGB of at most ``TILE_PX`` square, as JPEG; what it lacks repeats its last pixels."""
    over_y, over_x = TILE_PX - tile.shape[0], TILE_PX - tile.shape[1]
    if over_y or over_x:
        tile = np.pad(tile, ((0, over_y), (0, over_x), (0, 0)), mode="edge")
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(tile), JPEG_QUALITY, "RGB", "444")
    return data


class PyramidWriter:
    """Writes a pyramid to an open file.

    Args:
        file: to write to, empty.
        size_px: width and height of the first level; the others are those of ``pyramid_sizes``.
    """

    def __init__(self, file: BinaryIO, size_px: tuple[int, int]) -> None:
        self._file = file
        self._levels = [_Level(size) for size in pyramid_sizes(size_px)]
        self._layout = CLASSIC if size_px[0] * size_px[1] * RAW_BYTES < CLASSIC_LIMIT else BIG
        self._first_ifd_at = len(self._layout.header)
        file.write(self._layout.header + struct.pack(self._layout.offset, 0))

    def add(self, level: int, column: int, row: int, tile: bytes) -> None:
        """Write a tile, see ``encoded_tile``, at its place in the grid of a level."""
        here = self._levels[level]
        number = row * here.n_columns + column
        here.offsets[number], here.lengths[number] = self._append(tile), len(tile)

    def finish(self, name: str, mpp_xy: tuple[float, float] | None) -> None:
        """Write what says where the tiles are and what they show.

        Args:
            name: of the picture.
            mpp_xy: micrometres per pixel of the first level, if known.
        """
        tags = [self._tags(level, mpp_xy) for level in self._levels]
        smaller = [self._append_ifd(page) for page in tags[1:]]
        tags[0][270] = (ASCII, _ome_xml(name, self._levels[0].size_px, mpp_xy).encode("ascii") + b"\0")
        if smaller:
            tags[0][330] = (self._layout.ifd_type, smaller)
        places = [self._append_ifd(tags[0]), *smaller]
        pointers = [
            self._first_ifd_at,
            *(place + self._to_next(page) for place, page in zip(places, tags, strict=True)),
        ]
        for pointer, place in zip(pointers, places, strict=False):  # the last one stays 0
            self._file.seek(pointer)
            self._file.write(struct.pack(self._layout.offset, place))

    def _tags(self, level: _Level, mpp_xy: tuple[float, float] | None) -> dict[int, tuple[int, Sequence | bytes]]:
        tags: dict[int, tuple[int, Sequence | bytes]] = {
            254: (LONG, [int(level is not self._levels[0])]),  # a smaller picture of another page
            256: (LONG, [level.size_px[0]]),
            257: (LONG, [level.size_px[1]]),
            258: (SHORT, [8] * RGB_SAMPLES),
            259: (SHORT, [JPEG]),
            262: (SHORT, [YCBCR]),
            277: (SHORT, [RGB_SAMPLES]),
            284: (SHORT, [1]),  # the samples of a pixel stand together
            305: (ASCII, f"{PROGRAM}\0".encode("ascii")),
            322: (SHORT, [TILE_PX]),
            323: (SHORT, [TILE_PX]),
            324: (self._layout.offset_type, level.offsets.tolist()),
            325: (LONG, level.lengths.tolist()),
            530: (SHORT, [1, 1]),  # colour in full resolution
        }
        if mpp_xy is not None:
            shrunk = np.divide(self._levels[0].size_px, level.size_px)
            for tag, mpp, factor in zip((282, 283), mpp_xy, shrunk, strict=True):
                tags[tag] = (RATIONAL, _rational(UM_PER_CM / (mpp * factor)))
            tags[296] = (SHORT, [PER_CENTIMETRE])
        return tags

    def _append_ifd(self, tags: dict[int, tuple[int, Sequence | bytes]]) -> int:
        """Write a directory that points to no next one; return where it is."""
        layout = self._layout
        room = struct.calcsize(layout.offset)
        entries = []
        for tag, (kind, values) in sorted(tags.items()):
            data, count = _packed(kind, values)
            if len(data) > room:
                data = struct.pack(layout.offset, self._append(data))
            entries.append(struct.pack("<HH", tag, kind) + struct.pack(layout.count, count) + data.ljust(room, b"\0"))
        return self._append(struct.pack(layout.n_entries, len(entries)) + b"".join(entries) + bytes(room))

    def _to_next(self, tags: dict) -> int:
        """Return how far after its start a directory says where the next one is."""
        layout = self._layout
        return struct.calcsize(layout.n_entries) + len(tags) * (4 + 2 * struct.calcsize(layout.offset))

    def _append(self, data: bytes) -> int:
        """Write at the end of the file, at an even place, which is returned."""
        place = self._file.seek(0, 2)
        if place % 2:
            self._file.write(b"\0")
        self._file.write(data)
        return place + place % 2


FORMATS = {SHORT: "H", LONG: "I", RATIONAL: "I", IFD: "I", LONG8: "Q", IFD8: "Q"}


def _packed(kind: int, values: Sequence | bytes) -> tuple[bytes, int]:
    """Return values as bytes, and their number as TIFF counts it."""
    if isinstance(values, bytes):
        return values, len(values)
    return struct.pack(f"<{len(values)}{FORMATS[kind]}", *values), len(values) // (2 if kind == RATIONAL else 1)


def _rational(value: float) -> tuple[int, int]:
    denominator = 1
    while value * denominator * 10 < 2**32 and denominator < 10**6:
        denominator *= 10
    return round(value * denominator), denominator


def _ome_xml(name: str, size_px: tuple[int, int], mpp_xy: tuple[float, float] | None) -> str:
    shape = (size_px[1], size_px[0], RGB_SAMPLES)
    scale = {} if mpp_xy is None else {"PhysicalSizeX": mpp_xy[0], "PhysicalSizeY": mpp_xy[1]}  # micrometres
    xml = OmeXml(Creator=PROGRAM)
    xml.addimage("uint8", shape, (1, 1, 1, *shape), axes="YXS", Name=name, **scale)
    return xml.tostring().encode("ascii", "xmlcharrefreplace").decode("ascii")
