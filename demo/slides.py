"""Fabricated slides: pyramidal tiled TIFFs that OpenSlide reads, with tissue, glass and a physical resolution."""

from pathlib import Path

import cv2
import numpy as np
import tifffile

from demo.tissue import Plan, paint, plan_slide

SLIDE_SIZE_PX = (4096, 3072)
TILE_PX = 256
JPEG_QUALITY = 85
MPP = 0.5
DOWNSAMPLES = (1, 4, 16)


def fabricate_slide(
    path: Path, *, seed: int, tumour: bool, size_px: tuple[int, int] = SLIDE_SIZE_PX, mpp: float = MPP
) -> Plan:
    """Write a slide and return where its tissue and its tumour lie.

    Args:
        path: the file, ``.tif`` or ``.tiff``.
        seed: the same seed gives the same slide.
        tumour: whether it has tumour regions.
        size_px: width and height of level 0.
        mpp: micrometres per pixel that the file states.
    """
    rng = np.random.default_rng(seed)
    plan = plan_slide(size_px, tumour, rng)
    write_pyramid(path, paint(plan, size_px, rng), mpp=mpp)
    return plan


def write_pyramid(
    path: Path, image: np.ndarray, *, mpp: float = MPP, sizes_px: tuple[tuple[int, int], ...] | None = None
) -> None:
    """Write uint8 RGB (H, W, 3) as a pyramid of JPEG tiles.

    Args:
        path: the file.
        image: level 0.
        mpp: micrometres per pixel of level 0.
        sizes_px: width and height of every level, the first that of ``image``; None: 1, 4 and 16 times smaller.
    """
    height, width = image.shape[:2]
    sizes = sizes_px or tuple((max(1, width // d), max(1, height // d)) for d in DOWNSAMPLES)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as writer:
        for level, size in enumerate(sizes):
            shown = image if level == 0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            pixels_per_cm = 1e4 / mpp * size[0] / width
            writer.write(
                shown,
                photometric="rgb",
                tile=(TILE_PX, TILE_PX),
                compression="jpeg",
                compressionargs={"level": JPEG_QUALITY},
                subfiletype=0 if level == 0 else 1,
                resolution=(pixels_per_cm, pixels_per_cm),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
