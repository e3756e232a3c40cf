"""Tiles of a deep zoom: squares of 256 pixels of the slide shrunk by 1, 2, 4, ..., counted from its top left corner."""

import math
from dataclasses import dataclass

TILE_PX = 256


@dataclass(frozen=True)
class Tile:
    """One square.

    Attributes:
        shrink: times that both sides of the slide are halved.
        column: from the left.
        row: from the top.
    """

    shrink: int
    column: int
    row: int

    @property
    def downsample(self) -> int:
        """Level-0 pixels per pixel of the tile."""
        return 2**self.shrink

    @property
    def corner_level0(self) -> tuple[int, int]:
        """(x, y) of its top left corner."""
        return self.column * TILE_PX * self.downsample, self.row * TILE_PX * self.downsample

    def size_px(self, slide_size_level0: tuple[int, int]) -> tuple[int, int]:
        """Return its width and height, less than ``TILE_PX`` at the slide's right and lower edge; 0 or less outside."""
        x, y = self.corner_level0
        width, height = slide_size_level0
        right, below = (math.ceil(left / self.downsample) for left in (width - x, height - y))
        return min(TILE_PX, right), min(TILE_PX, below)


def max_shrink(slide_size_level0: tuple[int, int]) -> int:
    """Return how often a slide is halved until it is one tile."""
    return max(0, math.ceil(math.log2(max(slide_size_level0) / TILE_PX)))
