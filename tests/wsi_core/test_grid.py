import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsi_core.contour_tests import center_in_hole, inside_contour
from wsi_core.contours import Contour
from wsi_core.grid import Grid, Region, patch_coords, snapped

SQUARE = Contour(np.array([[0, 0], [4000, 0], [4000, 4000], [0, 4000]], np.int32))


def grid(**changes):
    settings_ = {"patch_size_px": 256, "step_size_px": 256, "downsample_xy": (1, 1), "slide_size_level0": (4000, 4000)}
    return Grid(**{**settings_, **changes})


@st.composite
def outlines(draw):
    """Outlines as segmentation makes them: traced around random pixels, with spikes and touching corners."""
    pixels = draw(st.lists(st.integers(0, 1), min_size=64, max_size=64))
    found, _ = cv2.findContours(np.array(pixels, np.uint8).reshape(8, 8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [outline.reshape(-1, 2) * 6 for outline in found]


def by_opencv(outline, x, y):
    return cv2.pointPolygonTest(outline.astype(np.int32), (float(x), float(y)), False)


@settings(deadline=None, max_examples=40)
@given(outlines(), st.integers(1, 24), st.sampled_from([0.0, 0.375, 0.5, 0.625]))
def test_contour_tests_agree_with_opencv_point_by_point(found, patch_px, shift_part):
    corners = np.stack(np.meshgrid(np.arange(-9, 48, 4), np.arange(-9, 48, 5)), -1).reshape(-1, 2)
    half, shift = patch_px // 2, int(patch_px // 2 * shift_part)
    four = [(half + a * shift, half + b * shift) for a in (-1, 1) for b in (-1, 1)]
    points = {"basic": [(0, 0)], "center": [(half, half)], "four_pt": four, "four_pt_hard": four}
    combine = {"basic": all, "center": all, "four_pt": any, "four_pt_hard": all}
    for outline in found:
        for rule, offsets in points.items():
            expected = [combine[rule](by_opencv(outline, x + a, y + b) >= 0 for a, b in offsets) for x, y in corners]
            assert inside_contour(corners, outline, rule, patch_px, shift_part).tolist() == expected
        expected = [by_opencv(outline, x + patch_px / 2, y + patch_px / 2) > 0 for x, y in corners]
        assert center_in_hole(corners, [outline], patch_px).tolist() == expected


@pytest.mark.parametrize(("downsample", "expected"), [(3.9994, 4), (2.0005, 2), (1, 1), (4.1, 4.1), (2.5, 2.5)])
def test_a_downsample_near_a_whole_number_is_that_number(downsample, expected):
    assert snapped(downsample) == expected


def test_a_pyramid_rounded_up_steps_by_whole_patches():
    coords = patch_coords([SQUARE], grid(downsample_xy=(20001 / 5001, 20001 / 5001)))
    assert set(np.diff(np.unique(coords[:, 0]))) == {1024}


def test_positions_of_a_fractional_downsample_are_rounded_not_drifting():
    coords = patch_coords([SQUARE], grid(downsample_xy=(2.4, 2.4), contour_fn="basic"))
    assert np.unique(coords[:, 0]).tolist() == [round(i * 256 * 2.4) for i in range(7)]


def test_without_padding_no_patch_leaves_the_slide():
    assert patch_coords([SQUARE], grid()).max() + 256 > 4000
    assert patch_coords([SQUARE], grid(use_padding=False)).max() + 256 <= 4000


def test_x_is_the_outer_order():
    coords = patch_coords([SQUARE], grid(patch_size_px=1024, step_size_px=1024))
    assert coords[:4].tolist() == [[0, 0], [0, 1024], [0, 2048], [0, 3072]]


def test_a_region_restarts_the_grid_at_its_corner():
    coords = patch_coords([SQUARE], grid(region=Region((100, 70), (700, 400))))
    assert coords.tolist() == [[100, 70], [100, 326], [356, 70], [356, 326], [612, 70], [612, 326]]


def test_a_region_beside_the_tissue_has_no_patches():
    assert patch_coords([SQUARE], grid(region=Region((9000, 9000), (9500, 9500)))).shape == (0, 2)


def test_no_contours_no_patches():
    assert patch_coords([], grid()).shape == (0, 2)


@settings(deadline=None)
@example(downsample=6.5078125, step_px=15, side=500)
@given(st.floats(1.02, 9.97), st.integers(8, 200), st.integers(500, 4000))
def test_without_padding_no_patch_hangs_over_the_slide(downsample, step_px, side):
    laid = grid(
        patch_size_px=32,
        step_size_px=step_px,
        downsample_xy=(downsample, downsample),
        slide_size_level0=(side, side),
        contour_fn="basic",
        use_padding=False,
    )
    coords = patch_coords([SQUARE], laid)
    assert not len(coords) or coords.max() + laid.patch_size_level0[0] <= side
