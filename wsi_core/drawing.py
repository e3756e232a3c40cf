"""Pictures of segmentation and patches, for people to judge: masks and stitches."""

import cv2
import numpy as np

from wsi_core.contours import Contour
from wsi_core.overview import Overview

TISSUE_RGB = (0, 255, 0)
HOLE_RGB = (0, 0, 255)
NUMBER_RGB = (255, 0, 0)
REGION_RGB = (255, 140, 0)
BAND_PX = 1024  # rows of a stitch that are worked on together, so that memory stays bounded
MAX_LINE_PX = 32_767  # of OpenCV
NUMBER_HEIGHT_PX = 21  # of OpenCV's simplex font at scale 1


def draw_mask(
    overview: Overview, contours: list[Contour], line_thickness_level0: int, regions: list[Contour] | None = None
) -> np.ndarray:
    """Draw tissue (green), holes (blue), regions of interest (orange) and the contours' numbers on the slide.

    Args:
        overview: the picture of the slide to draw on.
        contours: in level-0 pixels.
        line_thickness_level0: width of the lines in level-0 pixels, scaled to the picture.
        regions: the regions, likewise.

    Returns:
        uint8 RGB (H, W, 3).
    """
    image = overview.image.copy()
    downsample_x, downsample_y = overview.downsample_xy
    scale = (1 / downsample_x, 1 / downsample_y)
    line_px = int(np.clip(line_thickness_level0 / np.sqrt(downsample_x * downsample_y), 1, MAX_LINE_PX))
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
    font_scale = max(0.5, min(image.shape[:2]) / 40 / NUMBER_HEIGHT_PX)
    thickness = max(1, round(2 * font_scale))
    moments = cv2.moments(contour.outline)
    if moments["m00"] == 0:
        return
    text = str(contour.number)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font_scale, thickness)
    center = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    corner = int(center[0] - width / 2), int(center[1] + height / 2)
    for color, extra in (((255, 255, 255), 2 * thickness), (NUMBER_RGB, 0)):  # a white rim keeps it legible
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, font_scale, color, thickness + extra, cv2.LINE_AA)


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
