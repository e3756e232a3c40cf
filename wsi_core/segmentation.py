"""Tissue segmentation: an RGB image in, contours out. Knows no files.

Tissue is what is saturated: the median-blurred saturation channel of HSV, thresholded and closed
(Lu et al. 2021, "Data-efficient and weakly supervised computational pathology on whole-slide images", Methods).
"""

import logging

import cv2
import numpy as np

from utils.errors import ItemError
from wsi_core.contours import Contour, scaled
from wsi_core.overview import Overview, Overviews
from wsi_core.params import SlideParams
from wsi_core.slide import Slide

logger = logging.getLogger(__name__)

AREA_UNIT_LEVEL0 = 512 * 512  # what a_t and a_h count, in level-0 pixels
SEGMENTATION_DOWNSAMPLE = 64  # the coarsest level up to this downsample is segmented where none is given


def segment_slide(slide: Slide, params: SlideParams, *, downsample: float = SEGMENTATION_DOWNSAMPLE) -> list[Contour]:
    """Find the tissue of a slide at ``params.seg_level``, or, for -1, at the level that ``downsample`` leads to.

    Raises:
        ItemError: the slide lacks that level or cannot be read.
    """
    level = resolve_level(slide, params.seg_level, downsample, name="seg_level")
    return find_tissue(Overviews(slide).at(level), params)


def resolve_level(slide: Slide, level: int, downsample: float, *, name: str) -> int:
    """Return ``level``, or for -1 the coarsest one whose downsample is at most ``downsample``."""
    return slide.best_level(downsample) if level < 0 else slide.check_level(level, name=name)


def find_tissue(overview: Overview, params: SlideParams, area_unit_level0: float = AREA_UNIT_LEVEL0) -> list[Contour]:
    """Find tissue in a picture of the whole slide; ``select`` then applies ``keep_ids`` and ``exclude_ids``.

    Args:
        overview: the picture.
        params: thresholds, and areas below which tissue and holes are dropped.
        area_unit_level0: what these areas count, in level-0 pixels, see ``TissueScale``.

    Returns:
        Contours in level-0 pixels, numbered in the order in which they are found.
    """
    downsample_xy = overview.downsample_xy
    mask = saturation_mask(overview.image, params)
    outlines, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if hierarchy is None:
        return []
    parents = hierarchy.reshape(-1, 4)[:, 3]
    unit_px = int(area_unit_level0 / (downsample_xy[0] * downsample_xy[1]))
    areas = np.array([cv2.contourArea(outline) for outline in outlines])
    contours: list[Contour] = []
    for index in np.flatnonzero(parents == -1).tolist():
        if areas[index] <= params.a_t * unit_px:
            continue  # most are specks: only for the others are the holes looked up
        holes = np.flatnonzero(parents == index)
        if areas[index] - areas[holes].sum() <= params.a_t * unit_px:
            continue
        largest = holes[np.argsort(-areas[holes], kind="stable")][: params.max_n_holes]
        kept = largest[areas[largest] > params.a_h * unit_px].tolist()
        contours.append(
            Contour(
                scaled(outlines[index].reshape(-1, 2), downsample_xy),
                [scaled(outlines[hole].reshape(-1, 2), downsample_xy) for hole in kept],
                number=len(contours),
            )
        )
    return contours


def saturation_mask(image: np.ndarray, params: SlideParams) -> np.ndarray:
    """Return a uint8 mask (H, W), 255 where the image (H, W, 3) is saturated enough to be tissue."""
    saturation = cv2.extractChannel(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), 1)
    blurred = cv2.medianBlur(saturation, params.mthresh)
    how = cv2.THRESH_BINARY | (cv2.THRESH_OTSU if params.use_otsu else 0)
    _, mask = cv2.threshold(blurred, 0 if params.use_otsu else params.sthresh, 255, how)
    if params.close > 0:
        square = np.ones((params.close, params.close), np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, square)
    return mask


def why_none_selected(found: list[Contour]) -> str:
    """Say what to change where ``select`` leaves none of the contours that were found."""
    return f"keep_ids and exclude_ids leave none of the {len(found)} contours; empty one of them"


def why_no_tissue(overview: Overview, params: SlideParams, area_unit_level0: float = AREA_UNIT_LEVEL0) -> str:
    """Say what to change where ``find_tissue`` has found nothing."""
    pieces = find_tissue(overview, params.model_copy(update={"a_t": 0}), area_unit_level0)
    if not pieces:
        threshold = "Otsu's threshold" if params.use_otsu else f"sthresh {params.sthresh}"
        return f"nothing is more saturated than {threshold}; faint tissue needs a lower sthresh (preset faint)"
    largest = max(cv2.contourArea(piece.outline) for piece in pieces) / area_unit_level0
    preset = "; preset bwh_biopsy has 1" if largest > 1 else ""
    return f"no tissue is larger than a_t {params.a_t:g}, the largest piece has {largest:.2g}: lower a_t{preset}"


def select(contours: list[Contour], params: SlideParams) -> list[Contour]:
    """Apply ``keep_ids`` (none: keep all) and ``exclude_ids``.

    Raises:
        ItemError: an id to keep does not exist (status ``failed_seg``).
    """
    numbers = {contour.number for contour in contours}
    unknown = sorted(set(params.keep_ids) - numbers)
    if unknown:
        raise ItemError(
            f"keep_ids names {', '.join(map(str, unknown))}, but the slide has {len(contours)} contours, "
            "numbered from 0 as drawn on its mask",
            "failed_seg",
        )
    without_effect = sorted(set(params.exclude_ids) - numbers)
    if without_effect:
        logger.warning("exclude_ids names %s, but there are %d contours, numbered from 0",
                       ", ".join(map(str, without_effect)), len(contours))  # fmt: skip
    wanted = (set(params.keep_ids) or numbers) - set(params.exclude_ids)
    return [contour for contour in contours if contour.number in wanted]
