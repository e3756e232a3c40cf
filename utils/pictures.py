"""Pictures on disk; each appears whole or not at all."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from utils.atomic import atomic_path

logger = logging.getLogger(__name__)

# What is a picture to us: Pillow would hand others to whatever program it knows for them (PostScript, to Ghostscript).
PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")
JPEG_MAX_SIDE_PX = 65_500  # of the format
JPEG_QUALITY = 95
PNG_COMPRESSION = 1  # of 9: of a slide the file is 8 % larger than with Pillow's 6, in a third of the time


@contextmanager
def without_pixel_limit() -> Iterator[None]:
    """Lift Pillow's limit of pixels where ours counts, and its warnings about what it is going to refuse."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def save_picture(path: Path, image: np.ndarray) -> Path:
    """Save a picture in the format that the file's ending names.

    Args:
        path: the file; a picture too large for JPEG becomes a PNG beside it.
        image: uint8 RGB (H, W, 3).

    Returns:
        The file written.
    """
    if path.suffix.lower() in {".jpg", ".jpeg"} and max(image.shape[:2]) > JPEG_MAX_SIDE_PX:
        logger.warning("%s: too large for JPEG, saved as PNG", path.name)
        path = path.with_suffix(".png")
    with atomic_path(path) as part:
        Image.fromarray(image).save(part, quality=JPEG_QUALITY, compress_level=PNG_COMPRESSION)
    return path


def made_smaller(image: np.ndarray, longest_px: int) -> np.ndarray:
    """Return a picture, uint8 RGB (H, W, 3), whose longer side has at most so many pixels."""
    height, width = image.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX, reducing_gap=2.0))
