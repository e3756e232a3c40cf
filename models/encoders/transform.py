"""From the pixels of patches to the input of a network, on the device that computes: resize, crop, normalise."""

from dataclasses import dataclass
from typing import Protocol

import torch

from models.encoders.resize import Interpolation, resize_batch
from models.encoders.spec import NO_RESIZE, EncoderSpec


class StainChange(Protocol):
    """Normalises the stains of patches."""

    @property
    def describe(self) -> str:
        """What it does, for provenance."""

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return uint8 RGB (B, H, W, 3) of the same, on the same device."""


@dataclass(frozen=True)
class Geometry:
    """How the shape of a patch becomes that of a network's input.

    Attributes:
        resize_px: the short side is resized to it; -1: patches stay as they are.
        crop_px: side of the square cut from the middle after that; None: nothing is cut off.
        interpolation: of the resize.
    """

    resize_px: int
    crop_px: int | None
    interpolation: Interpolation

    @classmethod
    def of(cls, spec: EncoderSpec, target_patch_size_px: int | None) -> "Geometry":
        """Return that of an encoder; a size the user asks for takes the place of resize and crop."""
        if target_patch_size_px is not None:
            return cls(target_patch_size_px, None, spec.interpolation)
        return cls(spec.resize_px, spec.input_size_px if spec.crop else None, spec.interpolation)

    @property
    def cuts_px(self) -> int | None:
        """Side of the square cut out, None where a square patch stays whole."""
        return None if self.crop_px == self.resize_px else self.crop_px

    def input_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return the width and height that the network gets of such a patch."""
        width_px, height_px = self.resized_px(width_px, height_px)
        return (width_px, height_px) if self.crop_px is None else (self.crop_px, self.crop_px)

    def resized_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return width and height after resizing: the long side is rounded down, as torchvision does."""
        short = min(width_px, height_px)
        if self.resize_px in (NO_RESIZE, short):
            return width_px, height_px
        return max(1, int(self.resize_px * width_px / short)), max(1, int(self.resize_px * height_px / short))

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return uint8 (B, h, w, 3) of uint8 RGB (B, H, W, 3)."""
        height_px, width_px = batch.shape[1:3]
        size_px = self.resized_px(width_px, height_px)
        if size_px != (width_px, height_px):
            batch = resize_batch(batch, size_px, self.interpolation)
        return batch if self.crop_px is None else _centre(batch, self.crop_px)


def _centre(batch: torch.Tensor, side_px: int) -> torch.Tensor:
    top, left = (round((size - side_px) / 2) for size in batch.shape[1:3])
    return batch[:, max(0, top) : max(0, top) + side_px, max(0, left) : max(0, left) + side_px]


class Normalise:
    """Bytes (B, H, W, 3) to float32 (B, 3, H, W), from 0..255 to 0..1 and then by mean and standard deviation.

    The result keeps the channels of a pixel together, as pictures do: convolutions are faster so on any device.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        means = torch.tensor(mean, dtype=torch.float64, device=device)
        stds = torch.tensor(std, dtype=torch.float64, device=device)
        self._factor = (1 / (255 * stds)).float()
        self._summand = (-means / stds).float()
        self._out = torch.empty(0, device=device)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the network's input, valid until the next call: memory that is used again costs no time to get."""
        n_patches, height_px, width_px, _ = batch.shape
        if self._out.numel() < batch.numel():
            self._out = torch.empty(batch.numel(), device=batch.device)
        # whole rows: torch is slow where the last dimension is short
        rows = self._out[: batch.numel()].view(n_patches * height_px, width_px * 3)
        rows.copy_(batch.reshape(rows.shape))
        torch.addcmul(self._summand.repeat(width_px), rows, self._factor.repeat(width_px), out=rows)
        return rows.view(batch.shape).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Transform:
    """All that happens to pixels before the network.

    Attributes:
        geometry: resize and crop.
        normalise: to the numbers the network was trained on.
        stain: normalises stains first, None for none.
    """

    geometry: Geometry
    normalise: Normalise
    stain: StainChange | None = None

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return float32 (B, 3, h, w) of uint8 RGB (B, H, W, 3), on the same device."""
        if self.stain is not None:
            batch = self.stain(batch)
        return self.normalise(self.geometry(batch))
