"""Fabricated patches of two kinds of tissue."""

import cv2
import numpy as np

STROMA_RGB = (232, 178, 205)
NUCLEUS_RGB = (60, 30, 100)


def tissue(seed: int, *, n_nuclei: int, radius_px: int, size_px: int = 256) -> np.ndarray:
    """Return uint8 RGB (size, size, 3): pink tissue with dark nuclei, a little noise over all."""
    rng = np.random.default_rng(seed)
    image = np.full((size_px, size_px, 3), STROMA_RGB, np.uint8)
    for x, y in rng.integers(0, size_px, (n_nuclei, 2)):
        cv2.circle(image, (int(x), int(y)), radius_px, NUCLEUS_RGB, -1)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
