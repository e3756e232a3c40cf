"""Heatmaps look as those of the original, and the same patches are sampled."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.golden.inputs import SEGMENTATIONS, slide_path
from wsi_core.grid import Grid, patch_coords
from wsi_core.heatmap import HeatmapStyle, draw_heatmap
from wsi_core.patch_sampling import sample_patches
from wsi_core.percentiles import to_percentiles
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide

CASES = {
    "cmu": ("cmu", 0, HeatmapStyle(alpha=0.4)),
    "tcga_blank": ("tcga_cr", 1, HeatmapStyle(alpha=0.6, blank_canvas=True)),
    "tcga_bin": ("tcga_cr", 1, HeatmapStyle(alpha=0.4, binarize=True, binary_thresh=0.5)),
}


@pytest.mark.parametrize("case", CASES)
def test_overlay_is_within_2_of_255(shared, case):
    name, level, style = CASES[case]
    with Slide(slide_path(shared, name)) as slide:
        contours = segment_slide(slide, SEGMENTATIONS["biopsy"])
        coords = patch_coords(contours, Grid((256, 256), (256, 256), slide.size_level0))
        scores = np.sin(coords[:, 0] / 700) + np.cos(coords[:, 1] / 500)
        picture = draw_heatmap(slide, contours, coords, to_percentiles(scores) / 100, 256, level, style)
    golden = np.asarray(Image.open(shared / "goldens" / f"heatmap_{case}_quarter.png").convert("RGB"), float)
    height, width = golden.shape[:2]
    quarter = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX), float)
    assert np.abs(quarter - golden).mean() <= 2


@pytest.mark.parametrize(
    ("key", "mode", "options"),
    [
        ("rois_topk", "topk", {"k": 7}),
        ("rois_reverse_topk", "reverse_topk", {"k": 7}),
        ("range_sample_k5_seed3_70_95", "range_sample", {"k": 5, "seed": 3, "score_range": (70, 95)}),
    ],
)
def test_sampled_patches_are_equal(shared, key, mode, options):
    golden = json.loads((shared / "goldens" / "losses_and_rois.json").read_text())["sample_rois"]
    coords = np.array(golden["rois_in"]["coords"])
    chosen, percentiles = sample_patches(np.array(golden["rois_in"]["scores"]), mode=mode, **options)
    np.testing.assert_array_equal(coords[chosen], golden[key]["coords"])
    np.testing.assert_allclose(percentiles, golden[key]["scores"])
