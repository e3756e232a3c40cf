"""Outlines of tissue and of the holes in it, in level-0 pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

EDGE_PX = 64  # of tissue that is drawn in windows


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
    return TissueMask(contours, scale_xy, offset_level0).window((0, 0), size_px)


class TissueMask:
    """Tissue without its holes as a boolean mask, of which any window can be drawn by itself.

    OpenCV clips an edge that leaves the canvas inexactly, all along. So edges are cut into short ones, and the canvas
    is larger than the window by more than their length: what is inexact stays outside.

    Args:
        contours: outlines in level-0 pixels.
        scale_xy: mask pixels per level-0 pixel.
        offset_level0: the level-0 (x, y) that is the mask's corner.
    """

    def __init__(
        self, contours: list[Contour], scale_xy: tuple[float, float], offset_level0: tuple[int, int] = (0, 0)
    ) -> None:
        self._shift_px = np.array([-int(o * s) for o, s in zip(offset_level0, scale_xy, strict=True)])
        self._contours = [
            Contour(_with_short_edges(contour.outline), [_with_short_edges(hole) for hole in contour.holes])
            for contour in _from_large_to_small(contour.scaled(scale_xy) for contour in contours)
        ]
        self._boxes = [cv2.boundingRect(np.concatenate([c.outline, *c.holes])) for c in self._contours]

    def window(self, corner_px: tuple[int, int], size_px: tuple[int, int]) -> np.ndarray:
        """Draw a window of the mask.

        Args:
            corner_px: its (x, y) in the mask.
            size_px: its width and height.

        Returns:
            bool (height, width).
        """
        margin = EDGE_PX + 1
        width, height = size_px
        canvas = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
        shift = self._shift_px - corner_px + margin
        for contour, box in zip(self._contours, self._boxes, strict=True):
            if _overlaps(box, shift, canvas.shape):
                cv2.drawContours(canvas, [contour.outline], -1, 1, cv2.FILLED, offset=shift.tolist())
                cv2.drawContours(canvas, contour.holes, -1, 0, cv2.FILLED, offset=shift.tolist())
        return canvas[margin : margin + height, margin : margin + width].view(bool)


def _overlaps(box: Sequence[int], shift: np.ndarray, shape: tuple[int, ...]) -> bool:
    left, top = box[0] + shift[0], box[1] + shift[1]
    return bool(left < shape[1] and top < shape[0] and left + box[2] > 0 and top + box[3] > 0)


def _with_short_edges(ring: np.ndarray) -> np.ndarray:
    """Add points on the edges of a ring, int32 (N, 2), until none is longer than ``EDGE_PX``."""
    edges = np.roll(ring, -1, axis=0) - ring
    n_parts = np.maximum(1, -(-np.abs(edges).max(axis=1, initial=0) // EDGE_PX))
    number = np.repeat(np.arange(len(ring)), n_parts)
    part = np.arange(len(number)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    return np.rint(ring[number] + edges[number] * (part / n_parts[number])[:, None]).astype(np.int32)


def _from_large_to_small(contours: Iterator[Contour]) -> list[Contour]:
    # a small piece of tissue inside the hole of a larger one is drawn after that hole
    return sorted(contours, key=lambda contour: cv2.contourArea(contour.outline), reverse=True)
