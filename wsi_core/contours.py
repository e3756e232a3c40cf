"""Outlines of tissue and of the holes in it, in level-0 pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np


@dataclass(frozen=True)
class Contour:
    """One piece of tissue.

    Attributes:
        outline: int32 (N, 2), (x, y) in level-0 pixels.
        holes: the outlines of its holes, int32 (M, 2) each.
        number: its number after filtering by area, which ``keep_ids`` and ``exclude_ids`` refer to.
    """

    outline: np.ndarray
    holes: list[np.ndarray] = field(default_factory=list)
    number: int = 0

    def scaled(self, scale_xy: tuple[float, float]) -> "Contour":
        """Return it with both axes multiplied and truncated to whole pixels."""
        return Contour(scaled(self.outline, scale_xy), [scaled(h, scale_xy) for h in self.holes], self.number)


def whole_slide(size_level0: tuple[int, int]) -> Contour:
    """Return the outline of a whole slide: the centres of its outermost pixels."""
    right, bottom = size_level0[0] - 1, size_level0[1] - 1
    return Contour(np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.int32))


def scaled(outline: np.ndarray, scale_xy: tuple[float, float]) -> np.ndarray:
    """Multiply the points (N, 2) by (x, y) factors and truncate them to int32."""
    return (outline * np.asarray(scale_xy, dtype=float)).astype(np.int32)


def tissue_mask(
    contours: list[Contour],
    size_px: tuple[int, int],
    scale_xy: tuple[float, float],
    offset_level0: tuple[int, int],
) -> np.ndarray:
    """Draw tissue without its holes as a boolean mask (height, width).

    Args:
        contours: outlines in level-0 pixels.
        size_px: (width, height) of the mask.
        scale_xy: mask pixels per level-0 pixel.
        offset_level0: the level-0 (x, y) that is the mask's corner.
    """
    width, height = size_px
    mask = np.zeros((height, width), np.uint8)
    shift = tuple(-int(o * s) for o, s in zip(offset_level0, scale_xy, strict=True))
    for contour in _from_large_to_small(contour.scaled(scale_xy) for contour in contours):
        cv2.drawContours(mask, [contour.outline], -1, 1, cv2.FILLED, offset=shift)
        cv2.drawContours(mask, contour.holes, -1, 0, cv2.FILLED, offset=shift)
    return mask.view(bool)


def _from_large_to_small(contours: Iterator[Contour]) -> list[Contour]:
    # a small piece of tissue inside the hole of a larger one is drawn after that hole
    return sorted(contours, key=lambda contour: cv2.contourArea(contour.outline), reverse=True)
