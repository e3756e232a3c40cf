import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsi_core.contour_tests import patches_in_contour
from wsi_core.contours import Contour
from wsi_core.grid import BLOCK_PATCHES, Grid, Region, patch_coords
from wsi_core.pyramid import snapped

SQUARE = Contour(np.array([[0, 0], [4000, 0], [4000, 4000], [0, 4000]], np.int32))
PATCHES_OF_256 = Grid((256, 256), (256, 256), (4000, 4000))


def box(x0, y0, x1, y1, holes=()):
    return Contour(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.int32), [box(*hole).outline for hole in holes])


def grid(**changes):
    return replace(PATCHES_OF_256, **changes)


def at_downsample(downsample, **changes):
    return replace(Grid.at_level(256, 256, (downsample, downsample), (4000, 4000)), **changes)


@pytest.mark.parametrize(("downsample", "expected"), [(3.9994, 4), (2.0005, 2), (1, 1), (4.1, 4.1), (2.5, 2.5)])
def test_a_downsample_near_a_whole_number_is_that_number(downsample, expected):
    assert snapped(downsample) == expected


def test_a_pyramid_rounded_up_steps_by_whole_patches():
    coords = patch_coords([SQUARE], at_downsample(20001 / 5001))
    assert set(np.diff(np.unique(coords[:, 0]))) == {1024}


def test_positions_of_a_fractional_downsample_are_rounded_not_drifting():
    coords = patch_coords([SQUARE], at_downsample(2.4, contour_fn="basic"))
    assert np.unique(coords[:, 0]).tolist() == [round(i * 256 * 2.4) for i in range(7)]


def test_without_padding_no_patch_leaves_the_slide():
    assert patch_coords([SQUARE], grid()).max() + 256 > 4000
    assert patch_coords([SQUARE], grid(use_padding=False)).max() + 256 <= 4000


def test_x_is_the_outer_order():
    coords = patch_coords([SQUARE], grid(patch_size_level0=(1024, 1024), step_level0=(1024, 1024)))
    assert coords[:4].tolist() == [[0, 0], [0, 1024], [0, 2048], [0, 3072]]


def test_a_region_restarts_the_grid_at_its_corner():
    coords = patch_coords([SQUARE], grid(region=Region((100, 70), (700, 400))))
    assert coords.tolist() == [[100, 70], [100, 326], [356, 70], [356, 326], [612, 70], [612, 326]]


def test_a_region_of_one_grid_a_slide_keeps_the_corners_in_it():
    coords = patch_coords([SQUARE], grid(origin="slide", region=Region((500, 500), (1024, 800))))
    assert coords.tolist() == [[512, 512], [512, 768], [768, 512], [768, 768]]


def test_a_region_beside_the_tissue_has_no_patches():
    assert patch_coords([SQUARE], grid(region=Region((9000, 9000), (9500, 9500)))).shape == (0, 2)


def test_no_contours_no_patches():
    assert patch_coords([], grid()).shape == (0, 2)


@settings(deadline=None)
@example(downsample=6.5078125, step_px=15, side=500)
@given(st.floats(1.02, 9.97), st.integers(8, 200), st.integers(500, 4000))
def test_without_padding_no_patch_hangs_over_the_slide(downsample, step_px, side):
    laid = Grid.at_level(32, step_px, (downsample, downsample), (side, side))
    laid = replace(laid, contour_fn="basic", use_padding=False)
    coords = patch_coords([SQUARE], laid)
    assert not len(coords) or coords.max() + laid.patch_size_level0[0] <= side


def test_one_grid_a_slide_has_no_overlaps_and_each_patch_once():
    tissue = [box(130, 40, 1500, 900), box(1510, 40, 2600, 1000), box(400, 700, 2000, 1800)]
    apart = patch_coords(tissue, grid())
    together = patch_coords(tissue, grid(origin="slide"))
    assert len(np.unique(together, axis=0)) == len(together)
    assert (together % 256 == 0).all() and (apart % 256 != 0).any()
    assert together.tolist() == sorted(together.tolist())


def test_one_grid_a_slide_at_a_fractional_step_is_rounded_from_the_corner():
    coords = patch_coords([box(900, 900, 3000, 3000)], grid(origin="slide", step_level0=(243.7, 243.7)))
    multiples = {round(i * 243.7) for i in range(20)}
    assert set(coords.ravel().tolist()) <= multiples
    assert np.diff(np.unique(coords[:, 0])).min() >= 243


def test_one_grid_a_slide_covers_tissue_up_to_its_border():
    coords = patch_coords([box(300, 300, 800, 800)], grid(origin="slide"))
    assert np.unique(coords[:, 0]).tolist() == [256, 512]


def test_one_grid_a_slide_loses_no_patch_where_pixels_are_oblong():
    """The points tested are the same distance apart along both axes, whatever the patch's height."""
    laid = grid(patch_size_level0=(400, 200), step_level0=(400, 200), origin="slide")
    tissue = [box(900, 905, 1700, 1200)]
    everywhere = Contour(SQUARE.outline)
    candidates = patch_coords([everywhere], replace(laid, contour_fn="basic"))
    expected = [
        c for c in candidates.tolist() if patches_in_contour(tissue[0], *np.array(c)[:, None], "four_pt", 400).any()
    ]
    assert patch_coords(tissue, laid).tolist() == expected


def test_many_regions_cost_no_more_than_what_they_cover():
    corners = [(x, y) for x in range(0, 100_000, 2_000) for y in range(0, 100_000, 2_000)]
    regions = [box(x, y, x + 300, y + 300) for x, y in corners]
    laid = grid(step_level0=(100, 100), slide_size_level0=(100_000, 100_000))
    tracemalloc.start()
    coords = patch_coords([box(0, 0, 100_000, 100_000)], laid, regions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(coords) >= 2_500 and peak < 3 * coords.nbytes + 60 * BLOCK_PATCHES


@pytest.mark.parametrize("origin", ["contour", "slide"])
def test_regions_take_a_subset_in_the_same_order(origin):
    tissue, laid = [box(10, 20, 1500, 900), box(1600, 30, 2600, 1000)], grid(origin=origin)
    everywhere = patch_coords(tissue, laid).tolist()
    region = box(500, 100, 2200, 900, holes=[(700, 200, 1200, 700)])
    within = patch_coords(tissue, laid, [region, box(0, 0, 300, 300)]).tolist()
    assert within == [corner for corner in everywhere if corner in within]
    assert 0 < len(within) < len(everywhere)
    centers = np.array(within) + 128
    assert not ((centers > (700, 200)) & (centers < (1200, 700))).all(axis=1).any()
    assert patch_coords(tissue, laid, []).shape == (0, 2)


def test_blocks_of_columns_give_what_the_whole_would(monkeypatch):
    tissue = [box(0, 0, 4000, 4000, holes=[(1000, 1000, 3000, 3000)])]
    whole = patch_coords(tissue, grid(step_level0=(33, 33)))
    monkeypatch.setattr("wsi_core.grid.BLOCK_PATCHES", 500)
    np.testing.assert_array_equal(patch_coords(tissue, grid(step_level0=(33, 33))), whole)


def test_memory_grows_with_the_patches_kept_and_not_with_the_candidates():
    frame = box(0, 0, 200_000, 200_000, holes=[(300, 300, 199_700, 199_700)])
    laid = grid(step_level0=(16, 16), slide_size_level0=(200_000, 200_000))  # 156 million candidates
    tracemalloc.start()
    coords = patch_coords([frame], laid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(coords) > 200_000
    assert peak < 3 * coords.nbytes + 40 * BLOCK_PATCHES
