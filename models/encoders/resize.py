"""Resizing as Pillow does it, for batches: antialiased, each axis on its own, rounded to bytes in between.

Published encoders were trained and are evaluated on patches that Pillow resized.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np
import torch
from PIL import Image
from scipy.sparse import csr_matrix

Interpolation = str  # "bilinear" or "bicubic"

_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_RADIUS = {"bilinear": 1.0, "bicubic": 2.0}  # of the kernel, in pixels of the coarser picture
_FRACTION_BITS = 22  # Pillow computes with whole numbers


def resize_image(image: np.ndarray, size_px: tuple[int, int], interpolation: Interpolation = "bilinear") -> np.ndarray:
    """Return an image, uint8 RGB (H, W, 3), resized to (width, height)."""
    return np.asarray(Image.fromarray(image).resize(size_px, _PILLOW[interpolation]))


def resize_batch(batch: torch.Tensor, size_px: tuple[int, int], interpolation: Interpolation) -> torch.Tensor:
    """Resize pictures where they are, on the processor or on a GPU.

    Args:
        batch: uint8 RGB (B, H, W, 3).
        size_px: width and height asked for.
        interpolation: the kernel.

    Returns:
        uint8 (B, height, width, 3), the numbers that Pillow gives.
    """
    if batch.device.type != "cpu":
        return in_whole_numbers(batch, size_px, interpolation)
    pictures = batch.numpy()
    resized = np.empty((len(pictures), size_px[1], size_px[0], 3), np.uint8)
    resize = resize_square if pictures.shape[1] == pictures.shape[2] else resize_image

    def resize_some(numbers: range) -> None:
        for number in numbers:
            resized[number] = resize(pictures[number], size_px, interpolation)

    threads, n_threads = _threads()
    list(threads.map(resize_some, [range(first, len(pictures), n_threads) for first in range(n_threads)]))
    return torch.from_numpy(resized)


@lru_cache(maxsize=1)
def _threads() -> tuple[ThreadPoolExecutor, int]:
    """Return as many threads as torch has, and how many these are."""
    n_threads = torch.get_num_threads()
    return ThreadPoolExecutor(n_threads), n_threads


def resize_square(image: np.ndarray, size_px: tuple[int, int], interpolation: Interpolation) -> np.ndarray:
    """Return what ``resize_image`` does of a square one, in less than half the time: rows are weighted as a whole."""
    along_x = cv2.transpose(_weighted_rows(cv2.transpose(image), size_px[0], interpolation))
    return _weighted_rows(along_x, size_px[1], interpolation)


def _weighted_rows(image: np.ndarray, n_rows: int, interpolation: Interpolation) -> np.ndarray:
    height, width = image.shape[:2]
    total = _sparse_taps(height, n_rows, interpolation) @ image.reshape(height, -1).astype(np.int32)
    total += 1 << (_FRACTION_BITS - 1)  # rounds to the nearest
    total >>= _FRACTION_BITS
    if interpolation != "bilinear":  # the weights of a triangle overshoot nowhere
        np.clip(total, 0, 255, out=total)
    return total.astype(np.uint8).reshape(n_rows, width, 3)


@lru_cache(maxsize=16)
def _sparse_taps(from_px: int, to_px: int, interpolation: Interpolation) -> csr_matrix:
    """Return the weights as a sparse matrix, int32 (to, from)."""
    first, weights = _taps(from_px, to_px, interpolation)
    columns = np.minimum(first[:, None] + np.arange(weights.shape[1]), from_px - 1)  # beyond the edge weights are 0
    rows = np.repeat(np.arange(to_px), weights.shape[1])
    matrix = csr_matrix((weights.ravel(), (rows, columns.ravel())), shape=(to_px, from_px))
    matrix.eliminate_zeros()
    return matrix


def in_whole_numbers(batch: torch.Tensor, size_px: tuple[int, int], interpolation: Interpolation) -> torch.Tensor:
    """Do with tensors, on any device, what Pillow does, number by number: first along x, then along y.

    For squares, as patches are; of some oblong pictures Pillow begins with y.
    """
    along_x = _resample(batch, 2, size_px[0], interpolation)
    return _resample(along_x, 1, size_px[1], interpolation)


def _resample(batch: torch.Tensor, axis: int, size_px: int, interpolation: Interpolation) -> torch.Tensor:
    if batch.shape[axis] == size_px:
        return batch
    first, weights = _taps_on(batch.device, batch.shape[axis], size_px, interpolation)
    shape = [1] * batch.ndim
    shape[axis] = size_px
    last = batch.shape[axis] - 1
    total = torch.full((), 1 << (_FRACTION_BITS - 1), dtype=torch.int32, device=batch.device)  # rounds to the nearest
    for tap in range(weights.shape[1]):  # beyond the edge weights are 0
        taken = batch.index_select(axis, (first + tap).clamp(max=last))
        total = total + taken.to(torch.int32) * weights[:, tap].view(shape)
    return (total >> _FRACTION_BITS).clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=32)
def _taps_on(
    device: torch.device, from_px: int, to_px: int, interpolation: Interpolation
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``_taps`` as tensors; kept on the device, as a copy to it would wait for what it is computing."""
    first, weights = _taps(from_px, to_px, interpolation)
    return torch.from_numpy(first).to(device), torch.from_numpy(weights).to(device)


def _taps(from_px: int, to_px: int, interpolation: Interpolation) -> tuple[np.ndarray, np.ndarray]:
    """Return the first source pixel of each target pixel, int64 (to,), and the weights from there, int32 (to, taps)."""
    scale = from_px / to_px
    stretch = max(scale, 1.0)  # making smaller widens the kernel
    radius = _RADIUS[interpolation] * stretch
    centre = (np.arange(to_px) + 0.5) * scale
    first = np.maximum(np.trunc(centre - radius + 0.5), 0).astype(np.int64)
    stop = np.minimum(np.trunc(centre + radius + 0.5), from_px).astype(np.int64)
    pixels = first[:, None] + np.arange((stop - first).max())
    weights = _kernel((pixels - centre[:, None] + 0.5) / stretch, interpolation) * (pixels < stop[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    scaled = weights * (1 << _FRACTION_BITS)
    return first, np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int32)


def _kernel(distance: np.ndarray, interpolation: Interpolation) -> np.ndarray:
    """Return the weight at a distance from the centre: a triangle, or the cubic of Keys 1981 with a = -0.5."""
    x = np.abs(distance)
    if interpolation == "bilinear":
        return np.maximum(1 - x, 0)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))
