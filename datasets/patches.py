"""Patches of a slide as blocks: neighbours that are read, and later encoded, together.

Blocks do not follow the order of the file of coordinates: patches that share tiles of the slide lie in one block, so
that hardly any tile is decoded twice. The numbers of its patches say which place in the file each has.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from utils.errors import ItemError
from wsi_core.coords_file import STATUS_BAD, PatchCoords
from wsi_core.slide import DEFAULT_MAX_MEMORY_GB, DEFAULT_READER, ReaderName, Slide, is_plain_image


@dataclass(frozen=True)
class SlidePatches:
    """A slide and the patches to read of it.

    Attributes:
        path: the slide; the file of coordinates where that holds the images of the patches.
        patches: the patches.
        reader: the library that reads the slide.
        max_memory_gb: what a plain image may take when it is decoded.
        max_bad_part: the part of the patches that may be unreadable before the slide is given up, 0 to 1.
    """

    path: Path
    patches: PatchCoords
    reader: ReaderName = DEFAULT_READER
    max_memory_gb: float = DEFAULT_MAX_MEMORY_GB
    max_bad_part: float = 0.0

    @property
    def max_bad(self) -> int:
        """How many patches may be unreadable."""
        return int(self.max_bad_part * len(self.patches))

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """Shape of a patch as it is read: height, width, RGB."""
        side_px = self.patches.reading.target_size_px
        return side_px, side_px, 3

    @cached_property
    def is_decoded_whole(self) -> bool:
        """Whether the slide is a plain image, of which any part takes the memory of the whole."""
        return not self.patches.has_images and is_plain_image(self.path)

    def open(self) -> Slide:
        """Open the slide.

        Raises:
            ItemError: it cannot be read, or the coordinates are of another slide.
        """
        background = self.patches.reading.background
        slide = Slide(self.path, reader=self.reader, max_memory_gb=self.max_memory_gb, background=background)
        try:
            _require_same_slide(self.patches, slide)
        except ItemError:
            slide.close()
            raise
        return slide

    def blocks(self, patches_per_block: int) -> Iterator[np.ndarray]:
        """Yield the numbers of the patches of each block, int64 (up to ``patches_per_block``,)."""
        order = np.arange(len(self.patches)) if self.patches.has_images else self._by_place(patches_per_block)
        for start in range(0, len(order), patches_per_block):
            yield order[start : start + patches_per_block]

    def _by_place(self, patches_per_block: int) -> np.ndarray:
        """Sort patches by bands as high as a square block, from left to right in each, from top to bottom in each x."""
        x, y = self.patches.coords.T
        band_height_level0 = max(1, self.patches.patch_size_level0 * math.isqrt(patches_per_block))
        return np.lexsort((y, x, y // band_height_level0))


@dataclass(frozen=True)
class BadPatch:
    """A patch that cannot be read.

    Attributes:
        number: its place in the file of coordinates.
        level: the level it was read at.
        reason: why not, in one line.
    """

    number: int
    level: int
    reason: str


@dataclass(frozen=True)
class BlockInfo:
    """What a process that reads tells of a block beside the pixels.

    Attributes:
        numbers: the patches that were read, int64 (``n_read``,); their pixels come first in the block's memory.
        prepared: what was made of the patches where they were read, one array (``n_read``, ...) for each way to do so.
        bad: the patches that cannot be read.
        error: why the slide cannot be read at all.
    """

    numbers: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    prepared: tuple[np.ndarray, ...] = ()
    bad: tuple[BadPatch, ...] = ()
    error: str = ""

    @property
    def n_read(self) -> int:
        """How many patches were read."""
        return len(self.numbers)


def _require_same_slide(patches: PatchCoords, slide: Slide) -> None:
    """Refuse coordinates that were made for another slide, as far as their file says for which."""
    if any(patches.slide_size) and patches.slide_size != slide.size_level0:
        raise _of_another_slide("slide", patches.slide_size, slide.size_level0)
    level = patches.reading.level
    if level is not None:
        slide.check_level(level, name="the patches")
        if any(patches.level_size) and patches.level_size != slide.level_dimensions[level]:
            raise _of_another_slide(f"level {level}", patches.level_size, slide.level_dimensions[level])
    if len(patches) and (patches.coords >= slide.size_level0).any():
        x, y = patches.coords[(patches.coords >= slide.size_level0).any(axis=1)][0].tolist()
        raise ItemError(f"the coordinates are of another slide: x={x} y={y} lies outside {slide.path.name}", STATUS_BAD)


def _of_another_slide(what: str, stated: tuple[int, int], found: tuple[int, int]) -> ItemError:
    sizes = [f"{width}x{height} px" for width, height in (stated, found)]
    return ItemError(
        f"the coordinates are of another slide: their {what} has {sizes[0]}, this one {sizes[1]}", STATUS_BAD
    )
