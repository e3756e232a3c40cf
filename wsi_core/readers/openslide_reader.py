"""Slides through OpenSlide. The only module that knows it."""

from pathlib import Path

import openslide
from PIL import Image

from wsi_core.readers.reader import NotThisReaderError, ReadError, Size
from wsi_core.readers.tiff_check import CUT_OFF


class OpenSlideReader:
    """A slide of one of OpenSlide's formats; see ``SlideReader``.

    Raises:
        NotThisReaderError: it has another format.
        ReadError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._slide = openslide.OpenSlide(path)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise NotThisReaderError(f"{path.name} is no slide that OpenSlide knows") from error
        except (openslide.OpenSlideError, OSError) as error:
            raise ReadError(f"{CUT_OFF} ({error})") from error
        self.properties = dict(self._slide.properties)
        self.format = self.properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown")
        self.level_dimensions = tuple(self._slide.level_dimensions)
        self.level_downsamples = tuple(self._slide.level_downsamples)

    def read_region(self, location_level0: Size, level: int, size_px: Size) -> Image.Image:
        """Return a region as RGBA, transparent outside the slide and where nothing was scanned."""
        try:
            return self._slide.read_region(location_level0, level, size_px)
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            raise ReadError(str(error)) from error

    def close(self) -> None:
        """Release the file."""
        self._slide.close()


def format_of(path: Path) -> str | None:
    """Return OpenSlide's word for a file's format, found by its content, or None where it knows none."""
    try:
        return openslide.OpenSlide.detect_format(path)
    except (openslide.OpenSlideError, OSError):
        return None


def library_version() -> str:
    """Return the version of the library, which is not that of its Python package."""
    return openslide.__library_version__
