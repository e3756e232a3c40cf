"""Which patches are worth keeping: optional filters, each off unless a threshold is given. Knows no files."""

from dataclasses import dataclass, fields

import cv2
import numpy as np

from utils.errors import UsageError
from wsi_core.contours import Contour
from wsi_core.coverage import tissue_coverage

# In the order in which they are asked: a patch counts for the first that it fails. Black comes before white because
# black has no saturation either.
FILTER_NAMES = ("tissue", "black", "white", "blur", "pen")

CELLS_PER_PATCH_SIDE = 16
MAX_CELLS = 4_000_000

# Ink by its colour, hue, saturation and value as OpenCV counts them (hue 0-179). From 70 degrees (yellow-green) over
# green and cyan to 240 degrees (blue), green is brighter than red. Stained tissue cannot be: haematoxylin, eosin and
# DAB all absorb more green than red light (optical densities of red and green 0.65 0.70, 0.07 0.99, 0.27 0.57:
# Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291), and so does every mixture of them. Haematoxylins that
# are bluer than theirs, as in many IHC stains, do reach these hues, mostly paler than this saturation. Nearly black
# pixels have a hue by chance. Red and black ink have the hues of eosin and of dark nuclei and are not found.
PEN_LOWEST_HSV = (35, 60, 40)
PEN_HIGHEST_HSV = (120, 255, 255)
PEN_BLOCK_PX = 8  # ink covers more than that; the coloured fringes that lenses give to nuclei average out


@dataclass(frozen=True)
class QualityFilters:
    """Thresholds beyond which a patch is left out; None: not asked.

    Attributes:
        min_tissue: least part of a patch's area that lies in tissue, 0-1; see ``tissue_fraction``.
        white_thresh: least mean saturation (HSV, 0-255); patches below are white, or gray.
        black_thresh: a patch whose red, green and blue are all below this on average (0-255) is black.
        blur_thresh: least variance of the Laplacian of the gray patch; it depends on magnification and scanner.
        pen_thresh: largest part of a patch's area that blue, green or cyan ink may cover, 0-1.

    Raises:
        UsageError: a threshold is outside its range.
    """

    min_tissue: float | None = None
    white_thresh: float | None = None
    black_thresh: float | None = None
    blur_thresh: float | None = None
    pen_thresh: float | None = None

    def __post_init__(self) -> None:
        limits = {"min_tissue": 1, "white_thresh": 255, "black_thresh": 255, "blur_thresh": np.inf, "pen_thresh": 1}
        for name, limit in limits.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value <= limit:
                upper = f"from 0 to {limit}" if np.isfinite(limit) else "0 or more"
                raise UsageError(f"{name} {value:g}: must be {upper}")

    @property
    def needs_pixels(self) -> bool:
        """Whether ``reason_to_drop`` can drop anything."""
        return any(getattr(self, field.name) is not None for field in fields(self) if field.name != "min_tissue")

    def as_text(self) -> dict[str, str]:
        """Return the thresholds that are given, as texts."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: f"{value:g}" for name, value in values.items() if value is not None}


def tissue_fraction(coords: np.ndarray, patch_size_level0: tuple[int, int], contours: list[Contour]) -> np.ndarray:
    """Return the part of each patch's area that lies in tissue, holes and what hangs over the slide left out.

    Tissue is measured in cells a sixteenth of a patch wide, or wider where that makes more than 4 million: an eighth
    for patches of 256 pixels on 60,000 x 60,000 pixels of tissue. Up to there the result is within 0.02 of the exact
    area, at the edge of tissue within 0.001 on average. With half a patch, as for 64 pixels there, it is within 0.06.

    Args:
        coords: (N, 2) level-0 (x, y) of top-left corners.
        patch_size_level0: width and height of a patch.
        contours: the tissue, in level-0 pixels.

    Returns:
        float32 (N,), 0 to 1 in steps of 0.001.
    """
    if not contours:
        return np.zeros(len(coords), np.float32)
    outlines = np.concatenate([contour.outline for contour in contours])
    corner, size = outlines.min(axis=0), np.ptp(outlines, axis=0) + 1
    cell = max(1, min(patch_size_level0) / CELLS_PER_PATCH_SIDE, float(np.sqrt(size.prod(dtype=float) / MAX_CELLS)))
    columns, rows = (int(side) for side in np.ceil(size / cell))
    sums = cv2.integral(tissue_coverage(contours, tuple(corner), cell, (rows, columns)))
    left, top = ((coords - corner) / cell).T
    right, bottom = ((coords + patch_size_level0 - corner) / cell).T
    cells = _at(sums, right, bottom) - _at(sums, left, bottom) - _at(sums, right, top) + _at(sums, left, top)
    return np.round(cells * (cell * cell / np.prod(patch_size_level0)), 3).astype(np.float32)


def _at(sums: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Look up sums at fractional places (N,), between four of them; beyond the edge as on it."""
    rows, columns = sums.shape
    x, y = x.clip(0, columns - 1), y.clip(0, rows - 1)
    column, row = np.minimum(x.astype(int), columns - 2), np.minimum(y.astype(int), rows - 2)
    over_x, over_y = x - column, y - row
    upper, lower = (sums[r, column] * (1 - over_x) + sums[r, column + 1] * over_x for r in (row, row + 1))
    return upper * (1 - over_y) + lower * over_y


def reason_to_drop(image: np.ndarray, filters: QualityFilters) -> str:
    """Return the first of ``FILTER_NAMES``, but for ``tissue``, that a patch fails, or an empty string.

    Args:
        image: uint8 RGB (H, W, 3).
        filters: the thresholds.
    """
    if filters.black_thresh is not None and max(cv2.mean(image)[:3]) < filters.black_thresh:
        return "black"
    if filters.white_thresh is not None and mean_saturation(image) < filters.white_thresh:
        return "white"
    if filters.blur_thresh is not None and sharpness(image) < filters.blur_thresh:
        return "blur"
    if filters.pen_thresh is not None and pen_fraction(image) > filters.pen_thresh:
        return "pen"
    return ""


def mean_saturation(image: np.ndarray) -> float:
    """Return the mean saturation of RGB uint8 (H, W, 3) in HSV, 0-255."""
    return float(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1].mean())


def sharpness(image: np.ndarray) -> float:
    """Return the variance of the Laplacian of RGB uint8 (H, W, 3) in gray."""
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def pen_fraction(image: np.ndarray) -> float:
    """Return the part of RGB uint8 (H, W, 3) that blue, green or cyan ink covers."""
    width, height = (max(1, side // PEN_BLOCK_PX) for side in image.shape[1::-1])
    blocks = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    ink = cv2.inRange(cv2.cvtColor(blocks, cv2.COLOR_RGB2HSV), PEN_LOWEST_HSV, PEN_HIGHEST_HSV)
    return float(np.count_nonzero(ink) / ink.size)
