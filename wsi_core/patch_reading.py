"""The pixels of one patch."""

import numpy as np
from PIL import Image

from wsi_core.coords_file import PatchCoords
from wsi_core.slide import Slide


def read_patch(slide: Slide, patches: PatchCoords, corner: tuple[int, int]) -> np.ndarray:
    """Read a patch, and make it smaller where ``custom_downsample`` says so.

    Args:
        slide: the slide.
        patches: says the level and the size to read.
        corner: level-0 (x, y) of its top-left corner.

    Returns:
        uint8 RGB (S, S, 3), S = ``patches.target_patch_size_px``; black outside the slide.

    Raises:
        ItemError: the slide is damaged there.
    """
    image = slide.read(corner, patches.patch_level, (patches.patch_size_px, patches.patch_size_px))
    if patches.custom_downsample == 1:
        return image
    side = patches.target_patch_size_px
    return np.asarray(Image.fromarray(image).resize((side, side)))
