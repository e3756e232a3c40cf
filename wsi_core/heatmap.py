"""Paint attention over a slide: scores of patches in, an RGB picture out.

Overlapping patches are averaged; only tissue is painted; the colours may be blended with the slide. The picture is
painted strip by strip, so that beside its own three bytes a pixel, and one for the tissue, little memory is needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np

from wsi_core.contours import Contour, tissue_mask
from wsi_core.grid import Region
from wsi_core.slide import Slide

HEATMAP_DOWNSAMPLE = 32  # the coarsest level up to this downsample is segmented and painted where none is given
WHITE = 255
STRIP_PIXELS = 2**23  # painted at once, or more where the blur reaches far; about 30 bytes each


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
    if region is not None:
        inside = in_region(coords, region)
        coords, scores = coords[inside], scores[inside]
    painting = _Painting.of(slide, contours, coords, scores, patch_size_level0, level, style, region)
    width, height = painting.size_px
    picture = np.empty((height, width, 3), np.uint8)
    for rows in _strips(height, max(STRIP_PIXELS // max(width, 1), 4 * painting.halo_px)):
        picture[rows] = painting.strip(rows)
    return picture


def _strips(height: int, rows: int) -> Iterator[slice]:
    return (slice(start, min(start + rows, height)) for start in range(0, height, rows))


@dataclass(frozen=True)
class _Painting:
    """A picture to be, of which any strip of rows can be painted by itself.

    Attributes:
        slide: what it is a picture of.
        tissue: bool (H, W), which pixels are tissue; of the whole, as OpenCV clips polygons inexactly.
        cells: the pixels of each patch, int (N, 4), see ``patch_cells``.
        values: (N,) shown in the cells, 0 to 1.
        shown: bool (N,), whether a cell is painted.
        kernel: of the blur, (width, height).
        level: the level painted at.
        origin_level0: (x, y) of its corner.
        size_px: its width and height.
        style: how.
    """

    slide: Slide
    tissue: np.ndarray
    cells: np.ndarray
    values: np.ndarray
    shown: np.ndarray
    kernel: tuple[int, int]
    level: int
    origin_level0: tuple[int, int]
    size_px: tuple[int, int]
    style: HeatmapStyle

    @classmethod
    def of(
        cls,
        slide: Slide,
        contours: list[Contour],
        coords: np.ndarray,
        scores: np.ndarray,
        patch_size_level0: int,
        level: int,
        style: HeatmapStyle,
        region: Region | None,
    ) -> "_Painting":
        """Prepare the picture of a level, or of a region at that level."""
        downsample = np.asarray(slide.level_downsamples[level])
        origin = (0, 0) if region is None else region.top_left
        size_px = slide.level_dimensions[level] if region is None else _size_at(region, downsample)
        scale_x, scale_y = 1 / downsample
        threshold = _threshold(style, len(scores))
        return cls(
            slide=slide,
            tissue=tissue_mask(contours, size_px, (scale_x, scale_y), origin),
            cells=patch_cells(coords - np.asarray(origin), patch_size_level0, downsample),
            values=(scores >= threshold if style.binarize else scores).astype(float),
            shown=scores >= threshold,
            kernel=_blur_kernel(patch_size_level0, downsample, style.overlap),
            level=level,
            origin_level0=origin,
            size_px=size_px,
            style=style,
        )

    @property
    def halo_px(self) -> int:
        """Rows above and below a strip that it depends on: two blurs reach half a kernel each."""
        return 2 * (self.kernel[1] // 2) if self.style.blur else 0

    def strip(self, rows: slice) -> np.ndarray:
        """Paint some rows; uint8 RGB (rows, W, 3)."""
        first = max(0, rows.start - self.halo_px)
        window = slice(first, min(rows.stop + self.halo_px, self.size_px[1]))
        base = self._base(window)
        image = self._coloured(window, base)
        if self.style.blur:
            image = cv2.GaussianBlur(image, self.kernel, 0)
        inner = slice(rows.start - first, rows.stop - first)
        if self.style.alpha == 1:
            return image[inner]
        return cv2.addWeighted(image[inner], self.style.alpha, base[inner], 1 - self.style.alpha, 0)

    def _coloured(self, window: slice, base: np.ndarray) -> np.ndarray:
        size_px = (self.size_px[0], window.stop - window.start)
        here = (self.cells[:, 1] < window.stop) & (self.cells[:, 3] > window.start)
        cells = self.cells[here] - np.array([0, window.start, 0, window.start])
        means = mean_scores(self.values[here], cells, size_px)
        if self.style.binarize:
            means = np.rint(means)
        if self.style.blur:
            means = cv2.GaussianBlur(means, self.kernel, 0)
        painted = _count_cells(cells[self.shown[here]], size_px) > 0
        painted &= self.tissue[window]
        image = base.copy()
        image[painted] = _colours(means[painted], self.style.cmap)
        return image

    def _base(self, window: slice) -> np.ndarray:
        size_px = (self.size_px[0], window.stop - window.start)
        if self.style.blank_canvas:
            return np.full((size_px[1], size_px[0], 3), WHITE, np.uint8)
        x, y = self.origin_level0
        return self.slide.read((x, y + self.slide.offset_level0(self.level, window.start)), self.level, size_px)


def _size_at(region: Region, downsample: np.ndarray) -> tuple[int, int]:
    corners = np.array([region.top_left, region.bottom_right]) / downsample
    width, height = np.diff(corners.astype(int), axis=0)[0]
    return max(1, int(width)), max(1, int(height))


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
    """Average the scores (N,) of the cells (N, 4) over each pixel; float32 (H, W), 0 where there is none."""
    total = _sum_over_cells(scores, cells, size_px, np.float64)  # single precision would drift along a row
    count = _count_cells(cells, size_px)
    np.divide(total, count, out=total, where=count > 0)
    total[count == 0] = 0
    return total.clip(0, 1).astype(np.float32)


def _count_cells(cells: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Count the cells over each pixel; int32 (H, W)."""
    return _sum_over_cells(np.ones(len(cells), np.int32), cells, size_px, np.int32)


def _sum_over_cells(values: np.ndarray, cells: np.ndarray, size_px: tuple[int, int], dtype: type) -> np.ndarray:
    """Add each value to all pixels of its cell, at a cost that does not depend on the cells' size.

    A cell is +1 and -1 at its four corners in the array of differences; summing up twice fills it.
    """
    width, height = size_px
    x0, y0, x1, y1 = np.clip(cells, 0, [width, height, width, height]).T
    sums: np.ndarray = np.zeros((height + 1, width + 1), dtype)
    for y, x, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
        np.add.at(sums, (y, x), sign * values)
    sums.cumsum(axis=0, out=sums).cumsum(axis=1, out=sums)
    return sums[:height, :width]


def _threshold(style: HeatmapStyle, n_patches: int) -> float:
    if not style.binarize:
        return 0.0
    return style.binary_thresh if style.binary_thresh >= 0 else 1 / max(n_patches, 1)


def _blur_kernel(patch_size_level0: int, downsample: np.ndarray, overlap: float) -> tuple[int, int]:
    cell_px = np.ceil(patch_size_level0 / downsample)
    width, height = (cell_px * (1 - overlap)).astype(int) * 2 + 1
    return int(width), int(height)


def _colours(scores: np.ndarray, cmap: str) -> np.ndarray:
    """Return uint8 RGB (N, 3) for scores (N,) from 0 to 1."""
    table = matplotlib.colormaps[cmap].resampled(256)(np.arange(256))[:, :3]
    return (table * 255).astype(np.uint8)[np.minimum(scores * 256, 255).astype(int)]
