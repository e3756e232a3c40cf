import cv2
import numpy as np
import pytest

from demo.slides import fabricate_slide
from demo.tissue import MAP_SCALE, plan_slide
from wsi_core.contours import tissue_mask
from wsi_core.params import SlideParams
from wsi_core.resolution import stated_resolution
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide

SIZE_PX = (1600, 1200)
SMALL_AREAS = SlideParams(sthresh=15, mthresh=5, close=2, a_t=0.1, a_h=0.01)


@pytest.fixture(scope="module")
def tumour_slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "tumour.tif"
    return path, fabricate_slide(path, seed=3, tumour=True, size_px=SIZE_PX, mpp=0.25)


def pixels(path):
    with Slide(path) as slide:
        return slide.read((0, 0), 0, slide.level_dimensions[0])


def _inner(where):
    """Take off a map's rim as far as the median filter (2 pixels) and the closing (1) reach."""
    return cv2.erode(where.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)


def test_the_slide_is_a_pyramid_with_a_physical_resolution(tumour_slide):
    with Slide(tumour_slide[0]) as slide:
        assert slide.level_dimensions == ((1600, 1200), (400, 300), (100, 75))
        resolution = stated_resolution(slide.properties)
        assert resolution is not None and resolution.mpp_xy == pytest.approx((0.25, 0.25), rel=1e-3)


def test_the_same_seed_gives_the_same_slide_and_another_seed_another(tumour_slide, tmp_path):
    for seed in (3, 4):
        fabricate_slide(tmp_path / f"{seed}.tif", seed=seed, tumour=True, size_px=SIZE_PX, mpp=0.25)
    assert np.array_equal(pixels(tumour_slide[0]), pixels(tmp_path / "3.tif"))
    assert not np.array_equal(pixels(tumour_slide[0]), pixels(tmp_path / "4.tif"))


def test_segmentation_finds_the_tissue_that_was_planned(tumour_slide):
    path, plan = tumour_slide
    with Slide(path) as slide:
        contours = segment_slide(slide, SMALL_AREAS)
    height, width = plan.tissue.shape
    found = tissue_mask(contours, (width, height), (1 / MAP_SCALE, 1 / MAP_SCALE), (0, 0))
    assert _inner(plan.tissue).any() and found[_inner(plan.tissue)].all()
    assert not found[_inner(~plan.tissue)].any()


def test_glass_is_bright_and_tumour_darker_than_the_tissue_around_it(tumour_slide):
    path, plan = tumour_slide
    with Slide(path) as slide:
        brightness = slide.read((0, 0), 2, slide.level_dimensions[2]).mean(axis=2)
    glass, stroma, tumour = (
        brightness[where].mean() for where in (~plan.tissue, plan.tissue & ~plan.tumour, plan.tumour)
    )
    assert glass > 235 and glass > stroma + 40 and stroma > tumour + 10


@pytest.mark.parametrize("seed", range(12))
def test_tumour_covers_a_fair_part_of_the_tissue_and_only_of_tumour_slides(seed):
    plan = plan_slide((4096, 3072), True, np.random.default_rng(seed))
    assert not (plan.tumour & ~plan.tissue).any()
    assert 0.15 <= plan.tumour.sum() / plan.tissue.sum() <= 0.41
    normal = plan_slide((4096, 3072), False, np.random.default_rng(seed))
    assert normal.tissue.any() and not normal.tumour.any()
