"""Pictures of segmentation and patches, for people to judge: masks and stitches."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from wsi_core.contours import Contour
from wsi_core.fitted_text import font
from wsi_core.overview import Overview

TISSUE_RGB = (0, 255, 0)
HOLE_RGB = (0, 0, 255)
NUMBER_RGB = (255, 0, 0)
REGION_RGB = (255, 140, 0)
BAND_PX = 1024  # rows of a stitch that are worked on together, so that memory stays bounded
# wider lines hide what they surround
MAX_LINE_PART, MAX_LINE_PX = 0.01, 3  # of a picture's shorter side, and in any case
LEAST_NUMBER_PX = 14


def draw_mask(
    overview: Overview, contours: list[Contour], line_thickness_level0: int, regions: list[Contour] | None = None
) -> np.ndarray:
    """Draw tissue (green), holes (blue), regions of interest (orange) and the contours' numbers on the slide.

    Args:
        overview: the picture of the slide to draw on.
        contours: in level-0 pixels.
        line_thickness_level0: width of the lines in level-0 pixels, scaled to the picture; at most a hundredth of it.
        regions: the regions, likewise.

    Returns:
        uint8 RGB (H, W, 3).
    """
    image = overview.image.copy()
    downsample_x, downsample_y = overview.downsample_xy
    scale = (1 / downsample_x, 1 / downsample_y)
    most_px = max(MAX_LINE_PX, MAX_LINE_PART * min(image.shape[:2]))
    line_px = max(1, int(min(line_thickness_level0 / np.sqrt(downsample_x * downsample_y), most_px)))
    drawn = [contour.scaled(scale) for contour in contours]
    for contour in drawn:
        cv2.drawContours(image, [contour.outline], -1, TISSUE_RGB, line_px, cv2.LINE_8)
        cv2.drawContours(image, contour.holes, -1, HOLE_RGB, line_px, cv2.LINE_8)
    for region in regions or []:
        cv2.drawContours(image, [region.scaled(scale).outline], -1, REGION_RGB, line_px, cv2.LINE_8)
    for contour in drawn:
        _draw_number(image, contour)
    return image


def _draw_number(image: np.ndarray, contour: Contour) -> None:
    """Write a contour's number at its centre of mass, as far inside the picture as it has to be."""
    height_px = max(LEAST_NUMBER_PX, round(min(image.shape[:2]) / 22))
    letters, rim_px = font(height_px), max(1, height_px // 8)  # a white rim keeps it legible on tissue
    text = str(contour.number)
    left, top, right, bottom = (int(side) for side in letters.getbbox(text, stroke_width=rim_px))
    size = np.array([right - left, bottom - top])
    corner = (_center(contour.outline) - size / 2).clip(0, np.maximum(image.shape[1::-1] - size, 0)).astype(int)
    x, y = corner.tolist()
    under = image[y : y + size[1], x : x + size[0]]
    tile = Image.fromarray(under)
    ImageDraw.Draw(tile).text((-left, -top), text, NUMBER_RGB, letters, stroke_width=rim_px, stroke_fill="white")
    under[:] = np.asarray(tile)


def _center(outline: np.ndarray) -> np.ndarray:
    moments = cv2.moments(outline)
    if moments["m00"] == 0:
        return outline.mean(axis=0)
    return np.array([moments["m10"], moments["m01"]]) / moments["m00"]


def draw_stitch(overview: Overview, coords: np.ndarray, patch_size_level0: int) -> np.ndarray:
    """Show only the kept patches, on black.

    Args:
        overview: the picture of the slide to show them in.
        coords: (N, 2) level-0 corners.
        patch_size_level0: side of a patch in level-0 pixels.

    Returns:
        uint8 RGB (H, W, 3).
    """
    image = overview.image
    downsample = np.asarray(overview.downsample_xy)
    corners = np.stack([coords, coords + patch_size_level0], axis=1)  # (N, 2, 2): of each the first and the last
    kept = _covered(np.rint(corners / downsample).astype(np.int32), image.shape[:2])
    return cv2.bitwise_and(image, image, mask=kept)


def _covered(boxes_px: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask (H, W), 255 in the boxes (N, 2, 2): of each (x, y) of its start and of its end."""
    height, width = shape
    mask = np.zeros(shape, np.uint8)
    for top in range(0, height, BAND_PX):
        band = mask[top : top + BAND_PX]
        touching = (boxes_px[:, 0, 1] < top + len(band)) & (boxes_px[:, 1, 1] > top)
        boxes = (boxes_px[touching] - (0, top)).clip(0, (width, len(band)))
        # how the number of boxes changes from pixel to pixel, along both axes
        change = np.zeros((len(band) + 1, width + 1), np.int32)
        for x_of, y_of, sign in ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1)):
            np.add.at(change, (boxes[:, y_of, 1], boxes[:, x_of, 0]), sign)
        n_boxes = change.cumsum(axis=0, out=change).cumsum(axis=1, out=change)[:-1, :-1]
        band[n_boxes > 0] = 255
    return mask
