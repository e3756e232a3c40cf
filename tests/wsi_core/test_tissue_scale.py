import pytest

from tests.slides import small_slide
from utils.errors import ItemError
from wsi_core.overview import Overviews
from wsi_core.slide import Slide
from wsi_core.tissue_scale import PIXEL_REFERENCE_PX, TissueScale


@pytest.fixture
def slide(tmp_path):
    with Slide(small_slide(tmp_path / "a.tif", size_px=(2048, 1536))) as opened:  # downsamples 1 and 4
        yield opened


def test_as_scanned_levels_are_taken_as_they_are(slide):
    scale = TissueScale()
    assert [scale.level_on(slide, -1, 64), scale.level_on(slide, -1, 2), scale.level_on(slide, 0, 64)] == [1, 0, 0]
    assert scale.overview(Overviews(slide), 1).downsample_xy == (4, 4)
    assert scale.area_unit_level0 == 512**2


def test_at_a_reference_pixels_and_areas_are_physical(slide):
    scale = TissueScale(2)
    assert scale.level_on(slide, -1, 64) == -1
    assert scale.overview(Overviews(slide), -1).downsample_xy == (2 * PIXEL_REFERENCE_PX, 2 * PIXEL_REFERENCE_PX)
    assert scale.area_unit_level0 == 1024**2


def test_a_level_that_is_asked_for_is_taken_as_it_is_at_a_reference_too(slide):
    scale = TissueScale(2)
    assert scale.level_on(slide, 0, 64) == 0
    assert scale.overview(Overviews(slide), 0).downsample_xy == (1, 1)
    with pytest.raises(ItemError, match="no level 2 for seg_level"):
        scale.level_on(slide, 2, 64)
