"""A Gaussian blur as wide as a patch, of any part of a picture, at a cost that hardly depends on the width.

OpenCV's takes time in proportion to the width: some seconds for a thousand pixels square, times a patch of a thousand
pixels. A wide Gaussian leaves nothing that a smaller picture could not show, so the picture is averaged down, blurred,
and enlarged again. Narrow ones are OpenCV's own.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from wsi_core.rectangle import Rectangle

LEAST_SIGMA = 2.5  # of the smaller picture, in its pixels; then tissue is at most 2 of 255 off


@dataclass(frozen=True)
class Blur:
    """OpenCV's ``GaussianBlur`` of a picture with a kernel of so many pixels and sigma 0, which is: from its width.

    Attributes:
        kernel_px: width and height, odd.
    """

    kernel_px: tuple[int, int]

    @property
    def factor(self) -> int:
        """How many pixels square become one of the smaller picture; 1: none is made."""
        return max(1, int(min(_sigma(k) for k in self.kernel_px) / LEAST_SIGMA))

    @property
    def reach_px(self) -> tuple[int, int]:
        """How far, along x and y, a pixel of the result looks around itself; a multiple of ``factor``."""
        reach_x, reach_y = ((radius + 1) * self.factor for radius in self._radii)
        return reach_x, reach_y

    @property
    def _radii(self) -> tuple[int, int]:
        radius_x, radius_y = (math.ceil((k // 2) / self.factor) for k in self.kernel_px)
        return radius_x, radius_y

    def source_of(self, part: Rectangle, size_px: tuple[int, int]) -> Rectangle:
        """Return the rectangle of a picture of ``size_px`` that a part of the blurred picture depends on."""
        return part.grown(self.reach_px).aligned(self.factor).within(size_px)

    def apply(self, image: np.ndarray, source: Rectangle, part: Rectangle) -> np.ndarray:
        """Blur a part of a picture.

        Args:
            image: uint8 or float32 (H, W) or (H, W, C), the source of the part; beyond it the picture is mirrored.
            source: where it lies in the picture, see ``source_of``.
            part: the part wanted.

        Returns:
            The part, of the same type.
        """
        blurred = cv2.GaussianBlur(image, self.kernel_px, 0) if self.factor == 1 else self._in_small(image)
        return blurred[part.seen_from(source).slices]

    def _in_small(self, image: np.ndarray) -> np.ndarray:
        over_x, over_y = (
            reach + -length % self.factor if length % self.factor else 0
            for length, reach in zip(image.shape[1::-1], self.reach_px, strict=True)
        )
        if over_x or over_y:  # the picture ends within one of the larger pixels: there it has to be mirrored as it is
            image = cv2.copyMakeBorder(image, 0, over_y, 0, over_x, cv2.BORDER_REFLECT_101)
        size = image.shape[1::-1]
        small = cv2.resize(image, (size[0] // self.factor, size[1] // self.factor), interpolation=cv2.INTER_AREA)
        sigma_x, sigma_y = (self._sigma_in_small(k) for k in self.kernel_px)
        width, height = (2 * radius + 1 for radius in self._radii)
        small = cv2.GaussianBlur(small, (width, height), sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
        return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)

    def _sigma_in_small(self, kernel_px: int) -> float:
        """Return what is left to do: averaging ``factor`` pixels and drawing lines between the averages blur too."""
        already = (self.factor**2 - 1) / 12 + self.factor**2 / 6
        return math.sqrt(_sigma(kernel_px) ** 2 - already) / self.factor


def _sigma(kernel_px: int) -> float:
    """Return the standard deviation, in pixels, that OpenCV takes for a kernel where none is given."""
    return 0.3 * ((kernel_px - 1) * 0.5 - 1) + 0.8
