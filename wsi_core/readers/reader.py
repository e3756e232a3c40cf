"""What every reader of slides offers; ``wsi_core.slide`` builds on it."""

from collections.abc import Mapping
from typing import Protocol

from PIL import Image

Size = tuple[int, int]


class SlideReader(Protocol):
    """A slide file open for reading. Positions and sizes are (x, y) and (width, height)."""

    @property
    def format(self) -> str:
        """A short word such as ``aperio``, ``generic-tiff`` or ``png``."""

    @property
    def level_dimensions(self) -> tuple[Size, ...]:
        """Width and height of each level, the finest first."""

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """How much smaller each level is, the mean of both axes."""

    @property
    def properties(self) -> Mapping[str, str]:
        """What the file says of itself, under OpenSlide's names."""

    def read_region(self, location_level0: Size, level: int, size_px: Size) -> Image.Image:
        """Return a region as RGB, or as RGBA where a part of it is transparent or outside the slide.

        Raises:
            ReadError: the file is damaged there.
        """

    def close(self) -> None:
        """Release the file."""


class ReadError(Exception):
    """A file cannot be read; says why in one line."""


class NotThisReaderError(ReadError):
    """The file has a format that this reader does not know."""


def on_canvas(inside: Image.Image, corner: Size, size_px: Size) -> Image.Image:
    """Place the part of a region that lies inside the slide on a transparent canvas."""
    if inside.size == size_px:
        return inside
    canvas = Image.new("RGBA", size_px)
    canvas.paste(inside, corner)
    return canvas


def part_inside(corner: Size, size_px: Size, level_size: Size) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the part of a region that lies inside a level; empty where none does."""
    left, top = (min(max(0, c), limit) for c, limit in zip(corner, level_size, strict=True))
    right, bottom = (
        min(max(start, c + size), limit)
        for start, c, size, limit in zip((left, top), corner, size_px, level_size, strict=True)
    )
    return left, top, right, bottom
