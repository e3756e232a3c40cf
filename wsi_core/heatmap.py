"""Paint attention over a slide: scores of patches in, an RGB picture out.

Overlapping patches are averaged; only tissue is painted; the colours may be blended with the slide.
"""

from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np

from wsi_core.contours import Contour, tissue_mask
from wsi_core.grid import Region
from wsi_core.slide import Slide

HEATMAP_DOWNSAMPLE = 32  # the coarsest level up to this downsample is segmented and painted where none is given
WHITE = 255


@dataclass(frozen=True)
class HeatmapStyle:
    """How scores become a picture.

    Attributes:
        cmap: a matplotlib colour map.
        alpha: weight of the colours against the slide; 1 shows the colours alone on the tissue.
        blank_canvas: paint on white rather than on the slide.
        blur: smooth the scores and the colours with a Gaussian about as wide as a patch's step.
        overlap: overlap of neighbouring patches, 0 to 1, for the width of the blur.
        binarize: show scores from ``binary_thresh`` as 1 and do not paint the others.
        binary_thresh: 0 to 1; negative: 1 / number of patches.
    """

    cmap: str = "jet"
    alpha: float = 0.4
    blank_canvas: bool = False
    blur: bool = False
    overlap: float = 0.0
    binarize: bool = False
    binary_thresh: float = -1.0


@dataclass(frozen=True)
class _Canvas:
    """The pixels of ``level`` that ``region`` covers."""

    level: int
    region: Region
    downsample_xy: np.ndarray

    @property
    def size_px(self) -> tuple[int, int]:
        corners = np.array([self.region.top_left, self.region.bottom_right]) / self.downsample_xy
        width, height = np.diff(corners.astype(int), axis=0)[0]
        return int(width), int(height)


def draw_heatmap(
    slide: Slide,
    contours: list[Contour],
    coords: np.ndarray,
    scores: np.ndarray,
    patch_size_level0: int,
    level: int,
    style: HeatmapStyle,
    region: Region | None = None,
) -> np.ndarray:
    """Paint the scores of patches over a slide.

    Args:
        slide: the slide.
        contours: its tissue, in level-0 pixels.
        coords: (N, 2) level-0 corners of the patches.
        scores: (N,) 0 to 1.
        patch_size_level0: side of a patch.
        level: the level to paint at.
        style: colours, blending, smoothing.
        region: paint only this part; patches whose corner lies outside are left out.

    Returns:
        uint8 RGB (H, W, 3) of the level or of the region at that level.
    """
    downsample = np.asarray(slide.level_downsamples[level])
    whole = region or Region((0, 0), slide.size_level0)
    canvas = _Canvas(level, whole, downsample)
    if region is not None:
        inside = in_region(coords, region)
        coords, scores = coords[inside], scores[inside]
    size_px = canvas.size_px if region is not None else slide.level_dimensions[level]
    threshold = _threshold(style, len(scores))
    cells = patch_cells(coords - np.asarray(whole.top_left), patch_size_level0, downsample)
    means = mean_scores(scores >= threshold if style.binarize else scores, cells, size_px)
    if style.binarize:
        means = np.rint(means)
    kernel = _blur_kernel(patch_size_level0, downsample, style.overlap)
    if style.blur:
        means = cv2.GaussianBlur(means, kernel, 0)
    base = _base_image(slide, canvas, size_px, style)
    painted = _covered(cells[scores >= threshold], size_px)
    scale_xy = (1 / downsample[0], 1 / downsample[1])
    painted &= tissue_mask(contours, size_px, scale_xy, whole.top_left)
    image = base.copy()
    image[painted] = _colours(means[painted], style.cmap)
    if style.blur:
        image = cv2.GaussianBlur(image, kernel, 0)
    return cv2.addWeighted(image, style.alpha, base, 1 - style.alpha, 0) if style.alpha < 1 else image


def in_region(coords: np.ndarray, region: Region) -> np.ndarray:
    """Tell which corners (N, 2) lie in the region, bounds included; bool (N,)."""
    return np.all((coords >= region.top_left) & (coords <= region.bottom_right), axis=1)


def patch_cells(corners: np.ndarray, patch_size_level0: int, downsample: np.ndarray) -> np.ndarray:
    """Return the pixels that each patch covers at a level.

    Both edges are rounded up, which puts every cell within a pixel of its true place at any downsample.

    Args:
        corners: (N, 2) in level-0 pixels from the canvas's corner.
        patch_size_level0: side of a patch.
        downsample: (x, y) level-0 pixels per canvas pixel.

    Returns:
        int (N, 4): x0, y0 and, exclusive, x1, y1.
    """
    starts = np.ceil(corners / downsample)
    ends = np.ceil((corners + patch_size_level0) / downsample)
    return np.concatenate([starts, ends], axis=1).astype(int)


def mean_scores(scores: np.ndarray, cells: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Average the scores (N,) of the cells (N, 4) over each pixel; float64 (H, W), 0 where there is none."""
    total = _sum_over_cells(scores.astype(float), cells, size_px)
    count = np.rint(_sum_over_cells(np.ones(len(cells)), cells, size_px))
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0).clip(0, 1)


def _covered(cells: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    return _sum_over_cells(np.ones(len(cells)), cells, size_px) > 0.5


def _sum_over_cells(values: np.ndarray, cells: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Add each value to all pixels of its cell, at a cost that does not depend on the cells' size.

    A cell is +1 and -1 at its four corners in the array of differences; summing up twice fills it.
    """
    width, height = size_px
    x0, y0, x1, y1 = np.clip(cells, 0, [width, height, width, height]).T
    differences = np.zeros((height + 1, width + 1))
    for y, x, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
        np.add.at(differences, (y, x), sign * values)
    return differences.cumsum(axis=0).cumsum(axis=1)[:height, :width]


def _threshold(style: HeatmapStyle, n_patches: int) -> float:
    if not style.binarize:
        return 0.0
    return style.binary_thresh if style.binary_thresh >= 0 else 1 / max(n_patches, 1)


def _blur_kernel(patch_size_level0: int, downsample: np.ndarray, overlap: float) -> tuple[int, int]:
    cell_px = np.ceil(patch_size_level0 / downsample)
    width, height = (cell_px * (1 - overlap)).astype(int) * 2 + 1
    return int(width), int(height)


def _base_image(slide: Slide, canvas: _Canvas, size_px: tuple[int, int], style: HeatmapStyle) -> np.ndarray:
    if style.blank_canvas:
        return np.full((size_px[1], size_px[0], 3), WHITE, np.uint8)
    return slide.read(canvas.region.top_left, canvas.level, size_px)


def _colours(scores: np.ndarray, cmap: str) -> np.ndarray:
    """Return uint8 RGB (N, 3) for scores (N,) from 0 to 1."""
    table = matplotlib.colormaps[cmap].resampled(256)(np.arange(256))[:, :3]
    return (table * 255).astype(np.uint8)[np.minimum(scores * 256, 255).astype(int)]
