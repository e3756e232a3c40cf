"""Pictures small enough to be part of a page."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from utils.page import data_uri
from utils.pictures import PICTURE_FORMATS, without_pixel_limit

MAX_SIDE_PX = 1600  # more than a page shows
PIXELS_PER_BYTE = 40  # no tissue takes less, so more pixels need not be tried
QUALITY = 60  # at a given size more pixels of less quality show more of a tissue


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture as a data URI, with its width and height in pixels."""

    address: str
    size_px: tuple[int, int]


def embedded_picture(path: Path, max_bytes: int) -> EmbeddedPicture | None:
    """Return a picture file as a JPEG of at most ``max_bytes``, made as small as that takes; None: it is unreadable."""
    side_px = min(MAX_SIDE_PX, math.isqrt(int(PIXELS_PER_BYTE * max_bytes)))
    try:
        with without_pixel_limit(), Image.open(path, formats=PICTURE_FORMATS) as file:
            box_px = (side_px, side_px)
            file.draft("RGB", box_px)
            file.thumbnail(box_px, reducing_gap=2.0)
            picture = file.convert("RGB")
    except (OSError, SyntaxError, ValueError):  # SyntaxError: a damaged PNG
        return None
    shown, content = picture, _jpeg(picture)
    while len(content) > max_bytes and max(shown.size) > 1:
        # a JPEG's size grows a little slower than its area, so the first guess mostly does
        scale = 0.95 * math.sqrt(max_bytes / len(content))
        shown = picture.resize((max(1, int(shown.width * scale)), max(1, int(shown.height * scale))))
        content = _jpeg(shown)
    return EmbeddedPicture(data_uri("image/jpeg", content), shown.size)


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return file.getvalue()
