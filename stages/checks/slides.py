"""Slides: OpenSlide, and whether every reader reads what it should, tried on slides made for it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simplejpeg
import tifffile
from PIL import Image

from stages.checks.finding import Finding
from utils.errors import ItemError, UsageError, one_line
from utils.versions import installed_version
from wsi_core.readers.openslide_reader import library_version
from wsi_core.slide import ReaderName, Slide

TILE_PX, COLOUR, TOLERANCE = 256, (205, 120, 165), 4
# as documented for OpenSlide 4; the library cannot be asked
FORMATS = "Aperio, DICOM, Hamamatsu, Leica, MIRAX, Philips, Sakura, Trestle, Ventana, Zeiss, tiled TIFF"
DESCRIPTIONS = {"aperio": "Aperio Image Library v1.0 |AppMag = 20|MPP = 0.5", "generic-tiff": ""}


def look() -> Iterator[Finding]:
    """Yield OpenSlide, and each reader on slides of several formats."""
    yield Finding("OpenSlide", "ok", f"{library_version()} reads {FORMATS}; by Pillow: png, jpg, bmp, flat tiff")
    with tempfile.TemporaryDirectory() as folder:
        yield of_reader("openslide", Path(folder))
        if installed_version("tiffslide"):
            yield of_reader("tiffslide", Path(folder))


def of_reader(reader: ReaderName, folder: Path) -> Finding:
    """Write a slide of each format and read it again."""
    check = f"reads by {reader}"
    for name, path in _fabricated(folder).items():
        try:
            with Slide(path, reader=reader) as slide:
                pixels = slide.read((0, 0), 0, (TILE_PX, TILE_PX))
        except (ItemError, UsageError) as error:
            return Finding(check, "fail", f"{name}: {one_line(error)}", _again(reader))
        if np.abs(pixels.astype(int) - COLOUR).max() > TOLERANCE:
            return Finding(check, "fail", f"{name}: other colours than were written", _again(reader))
    return Finding(check, "ok", ", ".join(_fabricated(folder)))


def _again(reader: str) -> str:
    packages = {"openslide": "openslide-python openslide-bin"}.get(reader, reader)
    return f"pip install --force-reinstall {packages}"


def _fabricated(folder: Path) -> dict[str, Path]:
    """Return small slides by their format; those that are missing are written."""
    slides = {name: folder / f"{name}.tif" for name in DESCRIPTIONS} | {"png": folder / "image.png"}
    for name, path in slides.items():
        if not path.exists() and name in DESCRIPTIONS:
            _write_slide(path, DESCRIPTIONS[name])
    if not slides["png"].exists():
        Image.new("RGB", (TILE_PX, TILE_PX), COLOUR).save(slides["png"])
    return slides


def _write_slide(path: Path, description: str) -> None:
    """Write a slide of four JPEG tiles, all of one colour."""
    tile = np.full((TILE_PX, TILE_PX, 3), COLOUR, np.uint8)
    jpeg = simplejpeg.encode_jpeg(tile, quality=95, colorspace="RGB", colorsubsampling="444")
    tifffile.imwrite(
        path,
        iter([jpeg] * 4),
        shape=(2 * TILE_PX, 2 * TILE_PX, 3),
        dtype=np.uint8,
        photometric="ycbcr",
        subsampling=(1, 1),
        tile=(TILE_PX, TILE_PX),
        compression="jpeg",
        description=description,
        metadata=None,
    )
