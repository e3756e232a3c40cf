"""Patch coordinates and segmentation equal those of the original, element by element."""

import json
from dataclasses import replace

import cv2
import h5py
import numpy as np
import pytest

from tests.golden.inputs import SEGMENTATIONS, slide_path
from wsi_core.contours import Contour
from wsi_core.grid import Grid, patch_coords
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide


def test_coordinates_are_equal(shared):
    with np.load(shared / "goldens" / "coords.npz") as golden:
        for key in golden.files:
            name, segmentation, size, step, level, contour_fn, padding = key.split("|")
            with Slide(slide_path(shared, name)) as slide:
                contours = segment_slide(slide, SEGMENTATIONS[segmentation])
                downsample_xy = slide.level_downsamples[int(level)]
                laid = Grid.at_level(int(size), int(step), downsample_xy, slide.size_level0)
                grid = replace(laid, contour_fn=contour_fn, use_padding=padding == "True")
            np.testing.assert_array_equal(patch_coords(contours, grid), golden[key], err_msg=key)


def test_segmentation_is_equal(shared):
    golden = json.loads((shared / "goldens" / "segmentation.json").read_text())
    for key, expected in golden.items():
        name, segmentation = key.split("|")
        with Slide(slide_path(shared, name)) as slide:
            assert slide.best_level(64) == expected["seg_level"], key
            contours = segment_slide(slide, SEGMENTATIONS[segmentation])
        assert [cv2.contourArea(c.outline) for c in contours] == expected["areas"], key
        assert [len(c.holes) for c in contours] == expected["holes"], key
        assert [[cv2.contourArea(h) for h in c.holes] for c in contours] == expected["hole_areas"], key


@pytest.mark.parametrize(
    ("file", "step_px", "center_shift", "n_patches"),
    [("C3L-03262-22_blockmap.h5", 256, 0.375, 195), ("C3L-03262-22_0.5_roi_False.h5", 128, 0.5, 773)],
)
def test_grid_of_the_published_heatmap_is_equal(shared, file, step_px, center_shift, n_patches):
    outlines = json.loads((shared / "clam_demo" / "C3L-03262-22_contours.json").read_text())
    contours = [
        Contour(np.array(outline, np.int32), [np.array(hole, np.int32) for hole in holes])
        for outline, holes in zip(outlines["tissue"], outlines["holes"], strict=True)
    ]
    grid = Grid((256, 256), (step_px, step_px), (100_000, 100_000), "four_pt_hard", center_shift=center_shift)
    coords = patch_coords(contours, grid)
    assert len(coords) == n_patches
    with h5py.File(shared / "clam_demo" / file) as published:
        np.testing.assert_array_equal(coords, published["coords"])
