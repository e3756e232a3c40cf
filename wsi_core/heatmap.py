"""Paint attention over a slide: scores of patches in, an RGB picture out.

Overlapping patches are averaged; only tissue is painted; the colours may be blended with the slide. Any rectangle of
the picture can be painted by itself, so that beside the picture little memory is needed, and several are painted at a
time.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Literal

import cv2
import numpy as np
from tqdm import tqdm

from utils.threads import in_threads
from wsi_core.colour_map import colour_numbers, colour_table
from wsi_core.contours import Contour, TissueMask
from wsi_core.grid import Region
from wsi_core.heatmap_blur import Blur
from wsi_core.level_reader import LevelReader
from wsi_core.rectangle import Rectangle, rectangles
from wsi_core.score_map import ScoreMap
from wsi_core.slide import Slide

HEATMAP_DOWNSAMPLE = 32  # the coarsest level up to this downsample is segmented and painted where none is given
WHITE = 255
BLOCK_PX = 2048  # side of what is painted at once: a whole number of tiles of most slides
WIDE_BLOCK_PX = 4096  # where the blur reaches far, so that little is painted twice

RoiPatches = Literal["inside", "touching"]


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
    roi_patches: RoiPatches = "inside",
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
        region: paint only this part.
        roi_patches: the patches of a region: those whose corner lies ``inside`` it, or those ``touching`` it.

    Returns:
        uint8 RGB (H, W, 3) of the level or of the region at that level.

    Raises:
        ItemError: the slide is damaged.
    """
    with HeatmapPainter(
        slide, contours, coords, scores, patch_size_level0, level, style, region, roi_patches
    ) as painter:
        return painter.whole()


class HeatmapPainter:
    """A picture to be, of which any rectangle can be painted by itself, from any thread.

    Use it as a context manager; the slide stays open when it is closed. The arguments are those of ``draw_heatmap``.

    Attributes:
        size_px: width and height of the picture.
        downsample_xy: level-0 pixels per pixel of it.
    """

    def __init__(
        self,
        slide: Slide,
        contours: list[Contour],
        coords: np.ndarray,
        scores: np.ndarray,
        patch_size_level0: int,
        level: int,
        style: HeatmapStyle,
        region: Region | None = None,
        roi_patches: RoiPatches = "inside",
    ) -> None:
        if region is not None:
            chosen = in_region(coords, patch_size_level0, region, roi_patches)
            coords, scores = coords[chosen], scores[chosen]
        self.downsample_xy = slide.level_downsamples[level]
        downsample = np.asarray(self.downsample_xy)
        origin = (0, 0) if region is None else region.top_left
        self.size_px = picture_size(slide, level, region)
        scale_x, scale_y = 1 / downsample
        threshold = _threshold(style, len(scores))
        values = scores >= threshold if style.binarize else scores
        self._scores = ScoreMap(coords - np.asarray(origin), values, patch_size_level0, shown=scores >= threshold)
        self._tissue = TissueMask(contours, (scale_x, scale_y), origin)
        self._blur = Blur(_blur_kernel(patch_size_level0, downsample, style.overlap)) if style.blur else None
        self._colours = colour_table(style.cmap)[:, None]
        self._style = style
        self._slide = None if style.blank_canvas else LevelReader(slide, level, origin)

    def __enter__(self) -> "HeatmapPainter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release what was opened besides the slide."""
        if self._slide is not None:
            self._slide.close()

    @property
    def block_px(self) -> int:
        """Side of the squares that are best painted at once, a power of 2."""
        reaches_far = self._blur is not None and 4 * max(self._blur.reach_px) > BLOCK_PX
        return WIDE_BLOCK_PX if reaches_far else BLOCK_PX

    def whole(self, reduction: int = 1) -> np.ndarray:
        """Paint the picture on all processors.

        Args:
            reduction: how many times smaller it gets, a power of 2 up to a block's side; pixels are averaged.

        Returns:
            uint8 RGB (H, W, 3).

        Raises:
            ItemError: the slide is damaged.
        """
        width, height = (max(1, side // reduction) for side in self.size_px)
        picture = np.empty((height, width, 3), np.uint8)

        def paint(block: Rectangle) -> None:
            part = block.reduced(reduction).within((width, height))
            painted = self.paint(block)
            if reduction > 1 and part.width and part.height:
                painted = cv2.resize(painted, part.size_px, interpolation=cv2.INTER_AREA)
            picture[part.slices] = painted[: part.height, : part.width]

        blocks = list(rectangles(self.size_px, self.block_px))
        for _ in tqdm(
            in_threads(paint, blocks), total=len(blocks), unit="block", leave=False, delay=1, dynamic_ncols=True
        ):
            pass
        return picture

    def paint(self, part: Rectangle) -> np.ndarray:
        """Paint a rectangle that lies in the picture; uint8 RGB (height, width, 3).

        Raises:
            ItemError: the slide is damaged there.
        """
        return self._sharp(part) if self._blur is None else self._blurred(part, self._blur)

    def _sharp(self, part: Rectangle) -> np.ndarray:
        base = self._base(part)
        grid = self._scores.grid(part.corner_px, part.size_px, self.downsample_xy)
        if grid.covered.any():
            colours = grid.expanded(self._coloured(self._rounded(grid.means)))
            painted = grid.expanded(grid.covered) & self._tissue.window(part.corner_px, part.size_px)
            cv2.copyTo(self._blended(colours, base), painted.view(np.uint8), base)
        return base

    def _blurred(self, part: Rectangle, blur: Blur) -> np.ndarray:
        """Blur the scores, colour them, and blur the picture of them."""
        colours_from = blur.source_of(part, self.size_px)
        scores_from = blur.source_of(colours_from, self.size_px)
        grid = self._scores.grid(scores_from.corner_px, scores_from.size_px, self.downsample_xy)
        base = self._base(colours_from)
        image = base.copy()
        if grid.covered.any():
            means = blur.apply(grid.expanded(self._rounded(grid.means)), scores_from, colours_from)
            _, covered = self._scores.window(colours_from.corner_px, colours_from.size_px, self.downsample_xy)
            painted = covered & self._tissue.window(colours_from.corner_px, colours_from.size_px)
            cv2.copyTo(self._coloured(means), painted.view(np.uint8), image)
        return self._blended(blur.apply(image, colours_from, part), base[part.seen_from(colours_from).slices])

    def _base(self, part: Rectangle) -> np.ndarray:
        if self._slide is None:
            return np.full((part.height, part.width, 3), WHITE, np.uint8)
        return self._slide.read(part.corner_px, part.size_px)

    def _rounded(self, means: np.ndarray) -> np.ndarray:
        return np.rint(means) if self._style.binarize else means

    def _coloured(self, means: np.ndarray) -> np.ndarray:
        """Return uint8 RGB (h, w, 3) for scores (h, w) from 0 to 1."""
        return cv2.applyColorMap(colour_numbers(means), self._colours)

    def _blended(self, image: np.ndarray, base: np.ndarray) -> np.ndarray:
        alpha = self._style.alpha
        return image if alpha == 1 else cv2.addWeighted(image, alpha, base, 1 - alpha, 0)


def picture_size(slide: Slide, level: int, region: Region | None = None) -> tuple[int, int]:
    """Return width and height of the picture of a level, or of a region at that level."""
    if region is None:
        return slide.level_dimensions[level]
    corners = np.array([region.top_left, region.bottom_right]) / slide.level_downsamples[level]
    width, height = np.diff(corners.astype(int), axis=0)[0]
    return max(1, int(width)), max(1, int(height))


def in_region(coords: np.ndarray, patch_size_level0: int, region: Region, roi_patches: RoiPatches) -> np.ndarray:
    """Tell which patches belong to a region; bool (N,).

    Args:
        coords: (N, 2) level-0 corners.
        patch_size_level0: side of a patch.
        region: the region.
        roi_patches: ``inside``: those whose corner lies in it, bounds included; ``touching``: those that share some
            area with it.
    """
    if roi_patches == "inside":
        return np.all((coords >= region.top_left) & (coords <= region.bottom_right), axis=1)
    return np.all((coords + patch_size_level0 > region.top_left) & (coords < region.bottom_right), axis=1)


def _threshold(style: HeatmapStyle, n_patches: int) -> float:
    if not style.binarize:
        return 0.0
    return style.binary_thresh if style.binary_thresh >= 0 else 1 / max(n_patches, 1)


def _blur_kernel(patch_size_level0: int, downsample: np.ndarray, overlap: float) -> tuple[int, int]:
    cell_px = np.ceil(patch_size_level0 / downsample)
    width, height = (cell_px * (1 - overlap)).astype(int) * 2 + 1
    return int(width), int(height)
