"""From the pixels of a patch to the input of a network: resize as Pillow does, then normalise."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from models.encoders.registry import NO_RESIZE


@dataclass(frozen=True)
class ResizeShortSide:
    """Resize the short side to ``size_px`` pixels, bilinear with antialiasing; -1 leaves patches as they are."""

    size_px: int

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return uint8 RGB (h, w, 3) of an image (H, W, 3)."""
        height, width = image.shape[:2]
        short = min(height, width)
        if self.size_px in (NO_RESIZE, short):
            return image
        size = (max(1, int(self.size_px * width / short)), max(1, int(self.size_px * height / short)))
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


class Normalise:
    """Bytes (B, H, W, 3) to float32 (B, 3, H, W), from 0..255 to 0..1 and then by mean and standard deviation."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the network's input on the device that the batch is on."""
        return (batch.permute(0, 3, 1, 2).float() / 255 - self._mean) / self._std
