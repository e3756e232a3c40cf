"""How much memory a heatmap takes, and which level of a slide fits."""

from typing import Literal

from utils.processors import usable_processors
from wsi_core.grid import Region
from wsi_core.heatmap import BLOCK_PX, picture_size
from wsi_core.slide import Slide

Output = Literal["array", "tiff"]
# of a pixel: the picture, the picture with its legend, and Pillow's copy while it is saved
ARRAY_BYTES = 3 + 3 + 4
# what is left of a pixel for the levels of a pyramid beyond those that a block gives
TIFF_BYTES = 3 / 16**2
GIB_PER_PROCESSOR = 0.25  # for the block that it paints, where the blur reaches far
LEAST_ROOM_GIB = 0.1  # some picture is better than none
GIB = 2**30


def heatmap_memory_gib(slide: Slide, level: int, output: Output, region: Region | None = None) -> float:
    """Return the GiB that it takes to paint a heatmap and to save it, beyond what the process has anyway.

    Args:
        slide: the slide.
        level: the level to paint at.
        output: ``array``: painted whole, for jpg and png; ``tiff``: written while it is painted.
        region: the part to paint, if not all.
    """
    width, height = picture_size(slide, level, region)
    per_pixel = ARRAY_BYTES if output == "array" else TIFF_BYTES
    return width * height * per_pixel / GIB + GIB_PER_PROCESSOR * usable_processors()


def finest_level_within(
    slide: Slide, level: int, max_memory_gb: float, output: Output, region: Region | None = None
) -> int | None:
    """Return the finest level, ``level`` or a coarser one, whose heatmap takes up to ``max_memory_gb`` GiB, if any."""
    levels = range(level, len(slide.level_dimensions))
    fitting = (n for n in levels if heatmap_memory_gib(slide, n, output, region) <= max_memory_gb)
    return next(fitting, None)


def reduction_within(slide: Slide, level: int, max_memory_gb: float, region: Region | None = None) -> int:
    """Return how many times smaller a heatmap has to be, a power of 2, to take up to ``max_memory_gb`` GiB as an array.

    For slides without a level that is coarse enough.
    """
    width, height = picture_size(slide, level, region)
    room = max(max_memory_gb - GIB_PER_PROCESSOR * usable_processors(), LEAST_ROOM_GIB) * GIB
    reduction = 1
    while width * height * ARRAY_BYTES / reduction**2 > room and reduction < BLOCK_PX:
        reduction *= 2
    return reduction
