"""Tissue as a PNG mask: black is background, everything else tissue. Any size that has the slide's shape."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.errors import ItemError, one_line
from utils.pictures import without_pixel_limit
from wsi_core.contours import Contour, scaled
from wsi_core.outlines.polygons import STATUS
from wsi_core.segmentation import SEGMENTATION_DOWNSAMPLE

MAX_PIXELS = 4e8
MAX_COLOUR_PIXELS = 1e8  # of what is decoded into four channels, and looked at one by one
ONE_CHANNEL = ("L", "1", "I;16", "I")
SAME_SHAPE = 0.01  # relative difference of the two axes' scales
# What Pillow raises at damaged files.
_FAILURES = (OSError, ValueError, SyntaxError, EOFError)


def read_mask(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Trace a mask; everything is taken that is drawn, however small, numbered from 0 as it is found.

    Args:
        path: gray, black and white, or with a palette; 8 or 16 bits. What is transparent is background.
        slide_size_level0: width and height of the slide.

    Raises:
        ItemError: it is damaged, a colour picture, or of another shape than the slide (status ``failed_seg``).
    """
    mask = _fine_enough(_read(path, slide_size_level0), slide_size_level0)
    scale = slide_size_level0[0] / mask.shape[1], slide_size_level0[1] / mask.shape[0]
    outlines, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is None:
        return []
    parents = hierarchy.reshape(-1, 4)[:, 3]
    holes: dict[int, list[np.ndarray]] = {}
    for outline, parent in zip(outlines, parents.tolist(), strict=True):
        if parent >= 0:
            holes.setdefault(parent, []).append(scaled(outline.reshape(-1, 2), scale))
    tissue = np.flatnonzero(parents < 0).tolist()
    return [
        Contour(scaled(outlines[index].reshape(-1, 2), scale), holes.get(index, []), number)
        for number, index in enumerate(tissue)
    ]


def _read(path: Path, slide_size_level0: tuple[int, int]) -> np.ndarray:
    """Return a mask, uint8 (H, W), 255 where there is tissue."""
    try:
        with without_pixel_limit(), Image.open(path, formats=("PNG",)) as image:
            _require_shape(path, image.size, slide_size_level0)
            mode = image.mode
            if mode not in ONE_CHANNEL and image.width * image.height > MAX_COLOUR_PIXELS:
                raise ItemError(
                    f"{path.name}: a mask of {image.width}x{image.height} px in colours ({mode}) is too large; save "
                    "it as gray, or make it four times smaller", STATUS
                )  # fmt: skip
            pixels = np.asarray(image if mode in ONE_CHANNEL else image.convert("RGBA"))
    except _FAILURES as error:
        raise ItemError(f"{path.name} is no PNG that can be read: {one_line(error)}", STATUS) from error
    if pixels.ndim == 2:
        return np.where(pixels != 0, np.uint8(255), np.uint8(0))
    visible = pixels[..., 3] > 0
    if mode != "P" and (visible & (pixels[..., :3] != pixels[..., :1]).any(axis=2)).any():
        raise ItemError(
            f"{path.name} is a colour picture and no mask: a mask is black where there is no tissue, and one gray "
            "or white where there is (the programs' own masks/ are drawings; contours/ can be taken back)",
            STATUS,
        )
    return np.where(visible & pixels[..., :3].any(axis=2), np.uint8(255), np.uint8(0))


def _fine_enough(mask: np.ndarray, slide_size_level0: tuple[int, int]) -> np.ndarray:
    """Repeat the pixels of a very coarse mask: an outline runs through their centres and so loses half of each."""
    times = max(1, round(slide_size_level0[0] / mask.shape[1] / SEGMENTATION_DOWNSAMPLE))
    return mask.repeat(times, axis=0).repeat(times, axis=1)


def _require_shape(path: Path, size: tuple[int, int], slide_size_level0: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise ItemError(f"{path.name}: a mask of {width}x{height} px is too large; make it 16 times smaller", STATUS)
    # the exact number of pixels may have been rounded up or down
    scales = [(full / (side + 1), full / max(1, side - 1)) for full, side in zip(slide_size_level0, size, strict=True)]
    (low_x, high_x), (low_y, high_y) = scales
    if low_x > high_y * (1 + SAME_SHAPE) or low_y > high_x * (1 + SAME_SHAPE):
        raise ItemError(
            f"{path.name}: a mask of {width}x{height} px has another shape than the slide of "
            f"{slide_size_level0[0]}x{slide_size_level0[1]} px",
            STATUS,
        )
