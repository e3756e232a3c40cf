"""Pictures of parts of a slide, shrunk by area, from the level that is nearest."""

import math

import numpy as np
import simplejpeg
from PIL import Image

from stages.viewer.slide_handles import SlideHandle

MAX_READ_PX = 2**24  # read at once for one picture
JPEG_QUALITY = 85
LEVEL_TOLERANCE = 1.02  # a level that is this much coarser than asked for will do: scanners round


def read_area(
    handle: SlideHandle, corner_level0: tuple[float, float], size_level0: tuple[float, float], size_px: tuple[int, int]
) -> np.ndarray | None:
    """Read a part of a slide at any scale.

    Args:
        handle: the slide.
        corner_level0: (x, y) of the part's top left corner.
        size_level0: its width and height; what lies outside the slide is left out before it is scaled.
        size_px: width and height of the picture.

    Returns:
        uint8 RGB (height, width, 3); None where the slide has no level coarse enough to read that much.

    Raises:
        ItemError: the file is damaged there.
    """
    slide = handle.slide
    level = slide.best_level(min(size_level0[0] / size_px[0], size_level0[1] / size_px[1]) * LEVEL_TOLERANCE)
    axes = zip(corner_level0, size_level0, slide.level_downsamples[level], slide.level_dimensions[level], strict=True)
    x, y = (_Span.on_level(corner, size, downsample, end) for corner, size, downsample, end in axes)
    if x.length * y.length > MAX_READ_PX:
        return None
    location = slide.offset_level0(level, x.first), slide.offset_level0(level, y.first)
    region = handle.read(location, level, (x.length, y.length))
    if region.shape[:2] == size_px[::-1]:
        return region
    box = (x.start, y.start, x.stop, y.stop)
    return np.asarray(Image.fromarray(region).resize(size_px, Image.Resampling.BOX, box))


class _Span:
    """What is read along one axis: whole pixels of a level, and where in them the part begins and ends.

    Attributes:
        first: the first pixel of the level.
        length: how many.
        start, stop: of the part, in pixels from ``first``, with fractions.
    """

    def __init__(self, start_px: float, stop_px: float, end_px: int) -> None:
        start_px, stop_px = max(0.0, start_px), min(float(end_px), stop_px)
        self.first = min(math.floor(start_px), end_px - 1)
        self.length = max(1, math.ceil(stop_px) - self.first)
        self.start = max(0.0, start_px - self.first)
        self.stop = min(float(self.length), max(stop_px - self.first, self.start + 1e-3))

    @classmethod
    def on_level(cls, corner_level0: float, size_level0: float, downsample: float, end_px: int) -> "_Span":
        return cls(corner_level0 / downsample, (corner_level0 + size_level0) / downsample, end_px)


def cut_out(
    picture: Image.Image,
    slide_size_level0: tuple[int, int],
    corner_level0: tuple[float, float],
    size_level0: tuple[float, float],
    size_px: tuple[int, int],
) -> np.ndarray:
    """Return a part of a small picture of the whole slide, enlarged; see ``read_area`` for the arguments."""
    scale = picture.width / slide_size_level0[0], picture.height / slide_size_level0[1]
    axes = zip(corner_level0, size_level0, scale, picture.size, strict=True)
    x, y = (_Span(corner * factor, (corner + size) * factor, end) for corner, size, factor, end in axes)
    box = (x.first + x.start, y.first + y.start, x.first + x.stop, y.first + y.stop)
    return np.asarray(picture.convert("RGB").resize(size_px, Image.Resampling.BILINEAR, box))


def as_jpeg(image: np.ndarray) -> bytes:
    """Encode uint8 RGB (H, W, 3)."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), JPEG_QUALITY, "RGB", "420")
