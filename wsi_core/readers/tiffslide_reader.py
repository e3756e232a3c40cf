"""Slides through tiffslide, which reads TIFF-based formats in Python. An extra: ``pip install '.[tiffslide]'``."""

import math
from pathlib import Path

from PIL import Image

from utils.errors import UsageError
from wsi_core.readers.reader import ReadError, Size, on_canvas, part_inside

TIFF_CMYK = 5
# What tiffslide, tifffile, zarr and the decoders raise at damaged files; all of imagecodecs' errors are RuntimeErrors.
_FAILURES = (OSError, ValueError, LookupError, RuntimeError, NotImplementedError, TypeError, AttributeError)


class TiffSlideReader:
    """A slide of one of tiffslide's formats; see ``SlideReader``.

    Raises:
        ReadError: it cannot be opened.
        UsageError: tiffslide is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import tiffslide
        except ImportError as error:
            raise UsageError("--reader tiffslide needs a package: pip install '.[tiffslide]'") from error
        try:
            self._slide = tiffslide.TiffSlide(path)
            texts = {name: str(value) for name, value in self._slide.properties.items() if value is not None}
            self.level_dimensions = tuple(self._slide.level_dimensions)
        except (tiffslide.TiffFileError, *_FAILURES) as error:
            raise ReadError(f"{' '.join(str(error).split())}; try --reader openslide") from error
        if self._slide.ts_tifffile.pages.first.photometric == TIFF_CMYK:
            raise ReadError("its colours are CMYK, which would be taken for others; try --reader openslide")
        self.properties = {name.replace("tiffslide.", "openslide."): text for name, text in texts.items()}
        self.format = self.properties.get("openslide.vendor", "generic-tiff")
        width0, height0 = self.level_dimensions[0]
        self.level_downsamples = tuple((width0 / w + height0 / h) / 2 for w, h in self.level_dimensions)

    def read_region(self, location_level0: Size, level: int, size_px: Size) -> Image.Image:
        """Return a region as RGB, or as RGBA where a part of it is outside the slide."""
        downsample = self.level_downsamples[level]
        x, y = (round(c / downsample) for c in location_level0)
        left, top, right, bottom = part_inside((x, y), size_px, self.level_dimensions[level])
        if right <= left or bottom <= top:
            return Image.new("RGBA", size_px)
        location = math.ceil(left * downsample), math.ceil(top * downsample)  # leads to exactly this pixel
        try:
            inside = self._slide.read_region(location, level, (right - left, bottom - top))
        except _FAILURES as error:
            raise ReadError(_what_is_wrong(error)) from error
        return on_canvas(inside.convert("RGB"), (left - x, top - y), size_px)

    def close(self) -> None:
        """Release the file."""
        self._slide.close()


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"tile {error} of it is missing"
    return " ".join(str(error).split()) or type(error).__name__
