"""Small slides for tests: rectangles of tissue on glass, in pyramids that OpenSlide reads."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tifffile

from demo.slides import MPP, write_pyramid
from wsi_core.slide import Slide

GLASS, PINK = (243, 243, 245), (205, 120, 165)
Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in level-0 pixels

TISSUE: Box = (256, 256, 1536, 1280)
HOLE: Box = (640, 640, 1024, 1024)


def picture(size_px: tuple[int, int], tissue: list[Box], holes: list[Box]) -> np.ndarray:
    """Paint boxes of tissue and of holes in it; uint8 RGB (H, W, 3)."""
    image = np.full((size_px[1], size_px[0], 3), GLASS, np.uint8)
    for boxes, colour in ((tissue, PINK), (holes, GLASS)):
        for x0, y0, x1, y1 in boxes:
            image[y0:y1, x0:x1] = colour
    return image


def small_slide(
    path: Path,
    *,
    size_px: tuple[int, int] = (2048, 1536),
    tissue: list[Box] | None = None,
    holes: list[Box] | None = None,
    sizes_px: tuple[tuple[int, int], ...] | None = None,
    mpp: float = MPP,
) -> Path:
    """Write a slide, by default with one piece of tissue and a hole in it; tissue [] is a blank slide."""
    boxes = [TISSUE] if tissue is None else tissue
    image = picture(size_px, boxes, [HOLE] if holes is None and tissue is None else holes or [])
    write_pyramid(path, image, mpp=mpp, sizes_px=sizes_px or (size_px, (size_px[0] // 4, size_px[1] // 4)))
    return path


def shrink_slide(path: Path, smaller: Path, *, mpp: float) -> None:
    """Write what a scanner of half the resolution would see."""
    with Slide(path) as slide:
        size = slide.size_level0[0] // 2, slide.size_level0[1] // 2
        image = slide.read((0, 0), 0, slide.size_level0)
    write_pyramid(smaller, cv2.resize(image, size, interpolation=cv2.INTER_AREA), mpp=mpp)


def damage_tile(path: Path, number: int = 0, damage: Callable[[int], bytes] = bytes) -> None:
    """Overwrite a tile of level 0 with what ``damage`` makes of its number of bytes, by default zeros."""
    with tifffile.TiffFile(path) as tiff:
        start, length = tiff.pages[0].dataoffsets[number], tiff.pages[0].databytecounts[number]
    data = bytearray(path.read_bytes())
    data[start : start + length] = damage(length)
    path.write_bytes(data)


def truncate(path: Path, keep: float = 0.5) -> Path:
    """Cut the end off a file, as a broken copy does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    return path
