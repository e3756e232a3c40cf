"""Heatmaps against a plain painter of the definition: patch by patch, the whole level at once."""

from dataclasses import replace

import cv2
import matplotlib
import numpy as np
import pytest

from demo.slides import write_pyramid
from demo.tissue import paint, plan_slide
from tests.golden.inputs import SEGMENTATIONS, slide_path
from tests.slides import small_slide
from wsi_core.contours import whole_slide
from wsi_core.grid import Grid, Region, patch_coords
from wsi_core.heatmap import HeatmapStyle, draw_heatmap
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide

PATCH = 128


def plain(slide, contours, coords, scores, level, style, region=None):
    """Paint as the definition has it; uint8 RGB."""
    downsample = np.array(slide.level_downsamples[level])
    origin, size = np.zeros(2, int), np.array(slide.level_dimensions[level])
    if region is not None:
        inside = ((coords >= region.top_left) & (coords <= region.bottom_right)).all(axis=1)
        coords, scores, origin = coords[inside], scores[inside], np.array(region.top_left)
        size = (np.array(region.bottom_right) / downsample).astype(int) - (origin / downsample).astype(int)
    threshold = (style.binary_thresh if style.binary_thresh >= 0 else 1 / len(scores)) if style.binarize else 0
    total, count, shown = np.zeros(size[::-1]), np.zeros(size[::-1]), np.zeros(size[::-1], bool)
    side = np.ceil(PATCH / downsample).astype(int)
    for corner, score in zip(np.ceil((coords - origin) / downsample).astype(int), scores, strict=True):
        (x0, y0), (x1, y1) = corner.clip(0), (corner + side).clip(0)
        total[y0:y1, x0:x1] += (score >= threshold) if style.binarize else score
        count[y0:y1, x0:x1] += 1
        shown[y0:y1, x0:x1] |= score >= threshold
    means = total / np.maximum(count, 1)
    means = np.rint(means) if style.binarize else means
    kernel = tuple(int(length * (1 - style.overlap)) * 2 + 1 for length in side)
    means = cv2.GaussianBlur(means, kernel, 0) if style.blur else means
    tissue = np.zeros(size[::-1], np.uint8)
    shift = (-origin / downsample).astype(int).tolist()
    for contour in sorted(
        (c.scaled(tuple(1 / downsample)) for c in contours), key=lambda c: -cv2.contourArea(c.outline)
    ):
        cv2.drawContours(tissue, [contour.outline], -1, 1, cv2.FILLED, offset=shift)
        cv2.drawContours(tissue, contour.holes, -1, 0, cv2.FILLED, offset=shift)
    base = slide.read(tuple(origin), level, tuple(size))
    base = np.full_like(base, 255) if style.blank_canvas else base
    image, painted = base.copy(), shown & (tissue > 0)
    image[painted] = (matplotlib.colormaps[style.cmap](means[painted])[:, :3] * 255).astype(np.uint8)
    image = cv2.GaussianBlur(image, kernel, 0) if style.blur else image
    return cv2.addWeighted(image, style.alpha, base, 1 - style.alpha, 0)


PLAIN = HeatmapStyle(alpha=0.4)
BLUR = replace(PLAIN, blur=True)
BINARY = replace(PLAIN, binarize=True, binary_thresh=0.5)
REGION = Region((202, 101), (1203, 905))
CASES = {  # style, step of the patches, region
    "plain": (PLAIN, 128, None),
    "overlap": (PLAIN, 32, None),
    "overlap and blur": (BLUR, 32, None),
    "blur of wide steps": (BLUR, 128, None),
    "binarised": (replace(BINARY, binary_thresh=-1.0), 128, None),
    "binarised with overlap": (BINARY, 32, None),
    "region": (PLAIN, 64, REGION),
    "region with blur": (BLUR, 64, REGION),
    "blank canvas alone": (replace(BLUR, blank_canvas=True, alpha=1.0), 64, None),
}


def drawn_and_plain(slide, contours, level, case):
    style, step, region = CASES[case]
    style = replace(style, overlap=1 - step / PATCH)
    coords = patch_coords(contours, Grid((PATCH, PATCH), (step, step), slide.size_level0, contour_fn="four_pt_hard"))
    scores = (np.sin(coords[:, 0] / 700) + np.cos(coords[:, 1] / 500) + 2) / 4
    drawn = draw_heatmap(slide, contours, coords, scores, PATCH, level, style, region)
    return drawn.astype(float), plain(slide, contours, coords, scores, level, style, region)


@pytest.fixture(scope="module")
def fabricated(tmp_path_factory):
    """A slide of tissue whose second level is 3.99 times smaller, with its tissue."""
    path, size = tmp_path_factory.mktemp("slides") / "f.tif", (1501, 1101)
    rng = np.random.default_rng(5)
    write_pyramid(path, paint(plan_slide(size, False, rng), size, rng), sizes_px=(size, (376, 276)))
    with Slide(path) as slide:
        yield slide, segment_slide(slide, SEGMENTATIONS["holes"])


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_a_fabricated_slide_is_within_2_of_255(fabricated, case, level):
    slide, contours = fabricated
    drawn, expected = drawn_and_plain(slide, contours, level, case)
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).mean() <= 2


@pytest.mark.parametrize(
    ("name", "level", "case"),
    [("cmu", 0, "overlap and blur"), ("tcga_cr", 1, "binarised with overlap"), ("tcga_cr", 1, "region with blur")],
)
def test_a_real_slide_is_within_2_of_255(shared, name, level, case):
    with Slide(slide_path(shared, name)) as slide:
        drawn, expected = drawn_and_plain(slide, segment_slide(slide, SEGMENTATIONS["biopsy"]), level, case)
    assert np.abs(drawn - expected).mean() <= 2


def test_no_cell_is_more_than_a_pixel_off_at_the_far_corner_of_an_odd_pyramid(tmp_path):
    size, n = (20_001, 641), 156
    path = small_slide(tmp_path / "odd.tif", size_px=size, sizes_px=(size, (5001, 160)))
    coords = np.stack(np.meshgrid(np.arange(n), np.arange(5)), axis=-1).reshape(-1, 2) * PATCH
    scores = (coords.sum(axis=1) // PATCH % 2).astype(float)
    style = HeatmapStyle(alpha=1.0, blank_canvas=True, cmap="gray")
    with Slide(path) as slide:
        picture = draw_heatmap(slide, [whole_slide(size)], coords, scores, PATCH, 1, style)
        downsample_x, downsample_y = slide.level_downsamples[1]
    steps_x = np.flatnonzero(np.diff(picture[10, :, 0].astype(int))) + 1
    steps_y = np.flatnonzero(np.diff(picture[:, 10, 0].astype(int))) + 1
    assert np.abs(steps_x[: n - 1] - np.arange(1, n) * PATCH / downsample_x).max() <= 1
    assert np.abs(steps_y[:4] - np.arange(1, 5) * PATCH / downsample_y).max() <= 1
