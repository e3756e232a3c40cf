"""A TIFF is looked at before a library believes it.

Refused are files that would cost hours or gigabytes (a list of images in a circle, sizes that nothing is there for), or
whose missing pixels would be taken for glass. What can be read in part is left to the readers. Only the directories are
read, each once, so that this takes a millisecond also where libraries take minutes.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wsi_core.readers.reader import ReadError

TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDTH, HEIGHT, DESCRIPTION = 256, 257, 270
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_LENGTHS = 322, 323, 324, 325
NDPI_FORMAT = 65420  # its directories are of a kind of their own
FORMATS_OF_TYPES = {3: "H", 4: "I", 16: "Q"}
MAX_IMAGES = 2000  # slides have up to some hundreds; for thousands readers take minutes
MAX_DESCRIPTION_BYTES = 1 << 24  # that of a slide has some kilobytes; readers take a second for each MiB
MAX_TAGS = 4096
BYTES_PER_PIXEL = 4  # of a tile that is decoded
CHUNK_BYTES = 1 << 16
CLASSIC_MAX_BYTES = 1 << 32
GIB = 1024**3
CUT_OFF = "it is damaged or was not copied whole; copy it again"


@dataclass(frozen=True)
class _Layout:
    """How numbers are written: byte order, and classic TIFF or BigTIFF."""

    order: str
    is_big: bool

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.is_big else "I")

    @property
    def n_tags(self) -> str:
        return self.order + ("Q" if self.is_big else "H")

    @property
    def tag(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.is_big else "HHI4s"))


@dataclass(frozen=True)
class _Values:
    """The values of a tag, which lie in the tag itself or, where there are many, elsewhere in the file."""

    file: BinaryIO
    layout: _Layout
    type: int
    count: int
    field: bytes

    @property
    def format(self) -> str:
        return self.layout.order + FORMATS_OF_TYPES.get(self.type, "B")

    @property
    def first(self) -> int:
        if self.count * struct.calcsize(self.format) > len(self.field):
            return 0
        return int(struct.unpack_from(self.format, self.field)[0])

    def are_all_zero(self) -> bool:
        """Tell whether all are 0; mostly the first chunk says no."""
        n_bytes = self.count * struct.calcsize(self.format)
        if n_bytes <= len(self.field):
            return not any(self.field[:n_bytes])
        self.file.seek(struct.unpack(self.layout.offset, self.field)[0])
        while n_bytes > 0 and (chunk := self.file.read(min(n_bytes, CHUNK_BYTES))):
            if any(chunk):
                return False
            n_bytes -= len(chunk)
        return True


_Tags = dict[int, _Values]


def require_sound_tiff(path: Path, max_memory_gb: float) -> None:
    """Refuse a TIFF that no reader should be asked to open; other files pass.

    Args:
        path: the file.
        max_memory_gb: what one tile may take when it is decoded, in GiB.

    Raises:
        ReadError: says why.
    """
    try:
        with path.open("rb") as file:
            if (beginning := file.read(4)) not in TIFF_BEGINNINGS:
                return
            layout = _Layout("<" if beginning[:1] == b"I" else ">", is_big=b"+" in beginning)
            if os.fstat(file.fileno()).st_size > CLASSIC_MAX_BYTES and not layout.is_big:
                return  # an NDPI, whose offsets are longer than they look
            for number, tags in enumerate(_images(file, layout)):
                _require_sound_image(tags, number, max_memory_gb)
    except struct.error as error:  # a number that lies beyond the end
        raise ReadError(CUT_OFF) from error
    except OSError as error:
        raise ReadError(_why_not_read(error)) from error


def _why_not_read(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "there is no permission to read it; ask its owner for it (chmod a+r)"
    return " ".join(str(error).split())


def _images(file: BinaryIO, layout: _Layout) -> Iterator[_Tags]:
    """Yield the tags of each image of the file."""
    size_bytes = os.fstat(file.fileno()).st_size
    file.seek(8 if layout.is_big else 4)
    offset = _number(file, layout.offset)
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise ReadError("its list of images runs in a circle; it is damaged, copy it again or export it anew")
        if offset >= size_bytes:
            raise ReadError(CUT_OFF)
        if len(seen) == MAX_IMAGES:
            raise ReadError(f"it lists more than {MAX_IMAGES} images, which no slide has; export it anew")
        seen.add(offset)
        file.seek(offset)
        n_tags = _number(file, layout.n_tags)
        if n_tags > MAX_TAGS:
            raise ReadError(CUT_OFF)
        entries = file.read(n_tags * layout.tag.size)
        tags = {
            number: _Values(file, layout, kind, count, field)
            for number, kind, count, field in layout.tag.iter_unpack(entries)
        }
        offset = 0 if NDPI_FORMAT in tags else _number(file, layout.offset)
        yield tags


def _number(file: BinaryIO, form: str) -> int:
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])


def _require_sound_image(tags: _Tags, number: int, max_memory_gb: float) -> None:
    width, height, tile_width, tile_height = (
        tags[tag].first if tag in tags else 0 for tag in (WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT)
    )
    if number == 0 and not (width and height):
        raise ReadError(f"its first image has no pixels ({width}x{height}); it is damaged, copy it again")
    if DESCRIPTION in tags and tags[DESCRIPTION].count > MAX_DESCRIPTION_BYTES:
        raise ReadError(f"its description has {tags[DESCRIPTION].count >> 20} MiB; it is damaged, or export it anew")
    if TILE_OFFSETS not in tags or TILE_LENGTHS not in tags or not (width and height):
        return  # strips, which a plain image has, or a level that readers leave out
    if not (tile_width and tile_height):
        raise ReadError(f"its tiles have no pixels ({tile_width}x{tile_height}); it is damaged, copy it again")
    tile_gib = tile_width * tile_height * BYTES_PER_PIXEL / GIB
    if tile_gib > max_memory_gb:
        raise ReadError(
            f"one of its tiles ({tile_width}x{tile_height} px) takes {tile_gib:.2g} GiB of memory, more than "
            f"--max_memory_gb {max_memory_gb:g}; export it anew with tiles of 256 px"
        )
    _require_tiles(tags, (width, height), (tile_width, tile_height))


def _require_tiles(tags: _Tags, size_px: tuple[int, int], tile_px: tuple[int, int]) -> None:
    """Refuse an image that lists fewer tiles than it needs, or none with anything in it."""
    n_tiles = -(-size_px[0] // tile_px[0]) * -(-size_px[1] // tile_px[1])
    n_listed = min(tags[TILE_OFFSETS].count, tags[TILE_LENGTHS].count)
    image = f"an image of {size_px[0]}x{size_px[1]} px"
    if n_listed < n_tiles:
        raise ReadError(f"it claims {image} and lists {n_listed} of its {n_tiles} tiles; it is damaged, copy it again")
    if tags[TILE_LENGTHS].are_all_zero():
        raise ReadError(
            f"{image} in it has no data in any of its tiles; it is damaged, copy it again or export it anew"
        )
