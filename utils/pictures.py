"""Pictures on disk; each appears whole or not at all."""

from pathlib import Path

import numpy as np
from PIL import Image

from utils.atomic import atomic_path


def save_picture(path: Path, image: np.ndarray) -> None:
    """Save a uint8 RGB array (H, W, 3) in the format that the file's ending names."""
    with atomic_path(path) as part:
        Image.fromarray(image).save(part)
