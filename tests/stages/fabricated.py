"""Pictures that serve as slides with one level, all different."""

from pathlib import Path

import numpy as np
from PIL import Image


def fabricate_picture(path: Path, seed: int, size_px: tuple[int, int] = (128, 96)) -> Path:
    """Write random coarse squares, the same for the same seed, and return the path."""
    width, height = size_px
    squares = np.random.default_rng(seed).integers(60, 250, (height // 8, width // 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(np.repeat(squares, 8, axis=0), 8, axis=1)).save(path)
    return path
