"""Whole-slide images: levels, properties, reading, whatever library reads the file.

Positions and sizes are (x, y) and (width, height). A position is in pixels of level 0, the finest level,
unless its name says otherwise.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from PIL import Image

from utils.errors import ItemError
from wsi_core.readers.image_reader import ImageReader
from wsi_core.readers.openslide_reader import OpenSlideReader, format_of
from wsi_core.readers.reader import NotThisReaderError, ReadError, SlideReader
from wsi_core.readers.tiff_check import require_sound_tiff
from wsi_core.readers.tiffslide_reader import TiffSlideReader

STATUS_UNREADABLE = "failed_open"

ReaderName = Literal["openslide", "tiffslide"]
Background = Literal["black", "white"]
DEFAULT_READER: ReaderName = "openslide"
DEFAULT_MAX_MEMORY_GB = 8.0
TOO_MANY_PIXELS = 10**12  # 25 x 25 cm at 0.25 µm: no scanner makes it, and to look at all of it takes hours


class Slide:
    """A slide file open for reading.

    Where the format is none of whole slides, a plain image (jpg, png, ...) is read as a slide with one level.
    Use it as a context manager. It is opened again, not copied, in another process.

    Args:
        path: the file.
        reader: the library that reads whole slides.
        max_memory_gb: what a plain image may take when it is decoded, in GiB.
        background: what is shown outside the slide and where it is transparent.

    Raises:
        ItemError: the file is missing or no slide (status ``failed_open``).
        UsageError: the reader is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        reader: ReaderName = DEFAULT_READER,
        max_memory_gb: float = DEFAULT_MAX_MEMORY_GB,
        background: Background = "black",
    ) -> None:
        self.path = Path(path)
        self._options = {"reader": reader, "max_memory_gb": max_memory_gb, "background": background}
        self._background = background
        self._reader = _open(self.path, reader, max_memory_gb)
        self.format = self._reader.format
        self.level_dimensions = self._reader.level_dimensions

    def __enter__(self) -> "Slide":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, **self._options}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)  # type: ignore[misc]  # opened again

    def close(self) -> None:
        """Release the file."""
        self._reader.close()

    @property
    def properties(self) -> Mapping[str, str]:
        """What the file says of itself, under OpenSlide's names."""
        return self._reader.properties

    @property
    def size_level0(self) -> tuple[int, int]:
        """Width and height in level-0 pixels."""
        return self.level_dimensions[0]

    @property
    def level_downsamples(self) -> tuple[tuple[float, float], ...]:
        """Level-0 pixels per pixel of each level, along x and y: width0 / width and height0 / height."""
        width0, height0 = self.size_level0
        return tuple((width0 / width, height0 / height) for width, height in self.level_dimensions)

    def best_level(self, downsample: float) -> int:
        """Return the coarsest level whose downsample, the mean of both axes, is at most ``downsample``."""
        coarser = (level for level, d in enumerate(self._reader.level_downsamples) if d > downsample)
        return max(0, next(coarser, len(self.level_dimensions)) - 1)

    def offset_level0(self, level: int, offset_px: int) -> int:
        """Return the level-0 x or y that leads to a column or row of a level: readers divide by the mean downsample."""
        return round(offset_px * self._reader.level_downsamples[level])

    def on_level(self, corners_level0: np.ndarray, level: int) -> np.ndarray:
        """Return where level-0 (x, y), (N, 2), lie on a level, in its pixels: readers divide by the mean downsample."""
        return corners_level0 / self._reader.level_downsamples[level]

    @property
    def is_read_by_openslide(self) -> bool:
        """Whether OpenSlide reads it, and not another library."""
        return isinstance(self._reader, OpenSlideReader)

    @property
    def fill_value(self) -> int:
        """The value of pixels outside the slide."""
        return 255 if self._background == "white" else 0

    def check_level(self, level: int, *, name: str) -> int:
        """Return ``level`` if the slide has it, else raise an ItemError that lists the levels."""
        if 0 <= level < len(self.level_dimensions):
            return level
        known = ", ".join(f"{i}: {w}x{h}" for i, (w, h) in enumerate(self.level_dimensions))
        raise ItemError(f"{self.path.name} has no level {level} for {name}; its levels are {known}", STATUS_UNREADABLE)

    def read(self, location_level0: tuple[int, int], level: int, size_px: tuple[int, int]) -> np.ndarray:
        """Read a region as RGB, on the background where it is outside the slide or transparent.

        Args:
            location_level0: (x, y) of the top-left corner, in level-0 pixels.
            level: the level to read at.
            size_px: (width, height) in pixels of that level.

        Returns:
            uint8 array (height, width, 3).

        Raises:
            ItemError: the file is damaged there; names the place.
        """
        x, y = (int(v) for v in location_level0)
        try:
            region = self._reader.read_region((x, y), level, size_px)
        except ReadError as error:
            raise ItemError(
                f"{self.path.name}: cannot read {size_px[0]}x{size_px[1]} px at x={x} y={y}, level {level}: {error}",
                STATUS_UNREADABLE,
            ) from error
        if self._background == "white" and _is_transparent(region):
            region = Image.alpha_composite(Image.new("RGBA", region.size, "white"), region)
        return np.asarray(region if region.mode == "RGB" else region.convert("RGB"))


def _is_transparent(region: Image.Image) -> bool:
    """Tell whether any pixel is; it is quicker to ask than to put all of them on a background."""
    return region.mode == "RGBA" and region.getchannel("A").getextrema() != (255, 255)


def is_plain_image(path: Path) -> bool:
    """Tell whether a file is of no format of whole slides, so that any part of it takes the memory of the whole."""
    return path.is_file() and format_of(path) is None


def _why_no_file(path: Path) -> str:
    if path.is_symlink():
        return f"a link to {path.readlink()}, which is not there"
    return "a folder, no slide" if path.is_dir() else "no such file"


def _open(path: Path, reader: ReaderName, max_memory_gb: float) -> SlideReader:
    if not path.is_file():
        raise ItemError(f"{path}: {_why_no_file(path)}", STATUS_UNREADABLE)
    try:
        require_sound_tiff(path, max_memory_gb)
        return _of_believable_size(_opened(path, reader, max_memory_gb))
    except NotThisReaderError as error:
        raise ItemError(str(error), STATUS_UNREADABLE) from error
    except ReadError as error:
        raise ItemError(f"{path.name} cannot be opened: {error}", STATUS_UNREADABLE) from error


def _opened(path: Path, reader: ReaderName, max_memory_gb: float) -> SlideReader:
    if reader == "tiffslide" and format_of(path) is not None:
        return TiffSlideReader(path)
    try:
        return OpenSlideReader(path)
    except NotThisReaderError:
        return ImageReader(path, max_memory_gb)


def _of_believable_size(reader: SlideReader) -> SlideReader:
    width, height = reader.level_dimensions[0]
    if 0 < width * height < TOO_MANY_PIXELS:
        return reader
    reader.close()
    raise ReadError(
        f"it claims {width}x{height} px, which no slide has; it is damaged, copy it again or export it anew"
    )
