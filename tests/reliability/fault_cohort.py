"""Forty small slides in a folder, twenty-five of them sound: what each is, and what is to become of it."""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from demo.slides import TILE_PX
from tests.dicom import write_dicom_slide
from tests.slides import Box, damage_tile, picture, small_slide, truncate
from utils.names import slide_id_of

SIZE_PX, SMALLER_PX = (1024, 768), (256, 192)
TISSUE: Box = (128, 128, 512, 512)
IN_TISSUE = 5  # a tile
STRANGER_UID = 65534  # "nobody": not the user who runs the programs
APERIO = "Aperio Image Library v11.2.1 \r\n1024x768 [0,0 1024x768] (256x256) JPEG/RGB Q=85|AppMag = 20|MPP = 0.5"

Make = Callable[[Path], object]


def pyramid(path: Path) -> Path:
    """Write a slide of two levels, with tissue of a width of its own."""
    x0, y0, x1, y1 = TISSUE
    return small_slide(
        path, size_px=SIZE_PX, tissue=[(x0, y0, x1 - len(path.name), y1)], sizes_px=(SIZE_PX, SMALLER_PX)
    )


def one_level(path: Path) -> Path:
    return small_slide(path, size_px=SIZE_PX, tissue=[TISSUE], sizes_px=(SIZE_PX,))


def glass(path: Path) -> Path:
    return small_slide(path, size_px=SIZE_PX, tissue=[], sizes_px=(SIZE_PX, SMALLER_PX))


def image() -> np.ndarray:
    return picture(SIZE_PX, [TISSUE], [])


def plain(path: Path) -> None:
    Image.fromarray(image()).save(path, resolution=1)


def tiff(path: Path, **options: object) -> None:
    """Write tiles in another manner than scanners mostly do."""
    tifffile.imwrite(path, image(), photometric="rgb", metadata=None, **options)


def aperio(path: Path) -> None:
    tiff(path, tile=(TILE_PX, TILE_PX), compression="jpeg", description=APERIO)


def under_a_wrong_name(path: Path, right_suffix: str, make: Make) -> None:
    right = path.with_suffix(right_suffix)
    make(right)
    right.rename(path)


def linked(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere.tif"
    pyramid(elsewhere)
    path.symlink_to(elsewhere)


def dicom(path: Path) -> None:
    """Write a slide of two files, of which the first stands for both."""
    write_dicom_slide(path.parent, image())


def flipped(path: Path) -> None:
    """Turn over all bits of a tile of level 0, in tissue."""
    with tifffile.TiffFile(pyramid(path)) as file:
        page = file.pages[0]
        start, length = page.dataoffsets[IN_TISSUE], page.databytecounts[IN_TISSUE]
    tile = path.read_bytes()[start : start + length]
    damage_tile(path, IN_TISSUE, lambda n_bytes: bytes(byte ^ 0xFF for byte in tile))


def locked(path: Path) -> None:
    """Write a slide that only another user may read; the programs must not run with a right to read all files."""
    pyramid(path)
    path.chmod(0o600 if os.geteuid() == 0 else 0)
    if os.geteuid() == 0:
        os.chown(path, STRANGER_UID, -1)


def with_tags(path: Path, level: int, **values: object) -> Path:
    """Write a slide and overwrite tags of a level."""
    with tifffile.TiffFile(pyramid(path), mode="r+") as file:
        for name, value in values.items():
            file.pages[level].tags[name].overwrite(value, dtype=4)
    return path


def without_data(path: Path, level: int) -> Path:
    """Write a slide with a level whose tiles are nowhere."""
    with tifffile.TiffFile(pyramid(path)) as file:
        n_tiles = len(file.pages[level].dataoffsets)
    return with_tags(path, level, TileOffsets=[0] * n_tiles, TileByteCounts=[0] * n_tiles)


def looped(path: Path) -> None:
    """Let the last directory of a slide be followed by the first."""
    with tifffile.TiffFile(pyramid(path)) as file:
        first, last = file.pages[0].offset, file.pages[-1].offset
    data = bytearray(path.read_bytes())
    (n_tags,) = struct.unpack_from("<H", data, last)
    struct.pack_into("<I", data, last + 2 + 12 * n_tags, first)
    path.write_bytes(data)


@dataclass(frozen=True)
class Row:
    """A slide of the cohort.

    Attributes:
        name: its file.
        kind: what is the matter with it.
        make: writes it.
        patching: its status in the process list.
        extraction: its status after extraction.
        reason: words that the reason of the first stage that fails must contain.
    """

    name: str
    kind: str
    make: Make
    patching: str = "processed"
    extraction: str = "processed"
    reason: str = ""

    @property
    def id(self) -> str:
        return slide_id_of(self.name)


def sound(name: str, kind: str, make: Make = pyramid, status: str = "processed") -> Row:
    return Row(name, kind, make, status, status)


def not_opened(name: str, kind: str, make: Make, reason: str) -> Row:
    return Row(name, kind, make, "failed_open", "no_coords", reason)


REMOVED = "removed.tif"
SOUND = (
    sound("level_0.dcm", "DICOM of two files", dicom),
    sound("0012.tif", "a name that looks like a number"),
    sound("1e5.tif", "a name that looks like a number"),
    sound("NA.tif", "a name that looks like nothing"),
    sound("a.b.c.tif", "dots in its name"),
    sound("CAPITALS.TIF", "capitals in its ending"),
    sound("Fall 12 Gewebe größer, 組織.tif", "spaces and letters beyond ASCII"),
    sound("comma,quote'.tif", "a comma and a quote in its name"),
    sound("glass.tif", "no tissue", glass, "no_tissue"),
    sound("wrong_svs.svs", "a PNG that is called .svs", lambda path: under_a_wrong_name(path, ".png", plain)),
    sound("wrong_jpg.jpg", "a pyramid that is called .jpg", lambda path: under_a_wrong_name(path, ".tif", pyramid)),
    sound("wrong_ndpi.ndpi", "a pyramid that is called .ndpi", lambda path: under_a_wrong_name(path, ".tif", pyramid)),
    sound("without_ending", "no ending", lambda path: under_a_wrong_name(path, ".tif", pyramid)),
    sound("link.tif", "a link to a slide elsewhere", linked),
    sound("read_only.tif", "no permission to write it", lambda path: pyramid(path).chmod(0o444)),
    sound("aperio.svs", "Aperio", aperio),
    sound("one_level.tif", "one level", one_level),
    sound("bigtiff.tif", "BigTIFF", lambda path: tiff(path, tile=(256, 256), compression="jpeg", bigtiff=True)),
    sound("big_endian.tif", "big-endian", lambda path: tiff(path, tile=(256, 256), compression="jpeg", byteorder=">")),
    sound("deflate.tif", "tiles of deflate", lambda path: tiff(path, tile=(256, 256), compression="deflate")),
    sound("strips.tif", "a flat TIFF in strips", lambda path: tiff(path, rowsperstrip=16)),
    sound("picture.png", "a plain image", plain),
    sound("picture2.jpg", "a plain image", plain),
    sound("picture3.bmp", "a plain image", plain),
    sound("plain.tif", "a pyramid"),
)
BAD = (
    not_opened("empty.svs", "empty", lambda path: path.touch(), "is empty"),
    not_opened("text.svs", "text", lambda path: path.write_text("no slide"), "no slide or image"),
    not_opened("truncated_10.tif", "truncated at 10 %", lambda path: truncate(pyramid(path), 0.1), "copied whole"),
    not_opened("truncated_50.tif", "truncated at 50 %", lambda path: truncate(pyramid(path), 0.5), "copied whole"),
    not_opened("truncated_90.tif", "truncated at 90 %", lambda path: truncate(pyramid(path), 0.9), "copied whole"),
    Row("flipped.tif", "flipped bytes in a tile", flipped, "processed", "failed_read", "cannot read 256x256 px at x="),
    not_opened("folder.svs", "a folder", lambda path: path.mkdir(), "is a folder"),
    not_opened("dangling.svs", "a link to nowhere", lambda path: path.symlink_to("moved.svs"), "link to moved.svs"),
    not_opened("locked.tif", "another user's, unreadable", locked, "no permission"),
    Row("zero_level.tif", "a level of no size", lambda path: with_tags(path, 1, ImageWidth=0)),
    not_opened("huge.tif", "a huge claimed size",
               lambda path: with_tags(path, 0, ImageWidth=2**31, ImageLength=2**31), "2147483648x2147483648 px"),
    sound("one_pixel.tif", "one pixel",
          lambda path: tifffile.imwrite(path, np.zeros((1, 1, 3), np.uint8), photometric="rgb"), "no_tissue"),
    not_opened("missing_level.tif", "a level without data", lambda path: without_data(path, 0), "no data"),
    not_opened("loop.tif", "a loop in the chain of directories", looped, "in a circle"),
    not_opened(REMOVED, "removed while running", pyramid, "no such file"),
)  # fmt: skip
ROWS = SOUND + BAD


def write_slides(folder: Path, rows: tuple[Row, ...]) -> None:
    """Fabricate slides."""
    folder.mkdir()
    for row in rows:
        row.make(folder / row.name)
