import numpy as np
import pytest

from demo.slides import write_pyramid
from tests.slides import small_slide
from utils.errors import ItemError
from wsi_core.params import SlideResolution
from wsi_core.patch_reading import PatchReading, read_patch
from wsi_core.patch_request import PatchRequest
from wsi_core.resolution import Resolution, stated_resolution
from wsi_core.slide import Slide
from wsi_core.tissue_scale import TissueScale

SIZES = ((4000, 3200), (2000, 1600), (1001, 801))  # downsamples 1, 2 and 3.995


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    path = small_slide(tmp_path_factory.mktemp("slides") / "a.tif", size_px=SIZES[0], sizes_px=SIZES)
    with Slide(path) as opened:
        yield opened


def plan(slide, target_mpp, base_mpp, **changes):
    request = PatchRequest(target_mpp=target_mpp, **changes)
    return request.on(slide, Resolution((base_mpp, base_mpp), "metadata"))


@pytest.mark.parametrize(
    ("base_mpp", "target_mpp", "level", "read_size_px", "size_level0"),
    [
        (0.25, 0.25, 0, 256, 256),
        (0.25, 0.5, 1, 256, 512),
        (0.25, 1.0, 2, 256, 1024),
        (0.25, 2.0, 2, 512, 2048),
        (0.263, 0.5, 0, 487, 487),  # not taken for 0.25: level 1 is coarser than asked for
        (0.2505, 0.5, 1, 255, 511),  # level 1 is coarser by a fifth of a percent only
        (0.5, 0.502, 0, 257, 257),
        (0.5, 0.499, 0, 255, 255),
    ],
)
def test_the_nearest_finer_level_is_read_and_resized(slide, base_mpp, target_mpp, level, read_size_px, size_level0):
    planned = plan(slide, target_mpp, base_mpp)
    assert planned.reading == PatchReading(level, read_size_px, 256, size_level0)
    assert planned.step_level0[0] == pytest.approx(256 * target_mpp / base_mpp)
    assert read_patch(slide, planned.reading, (0, 0)).shape == (256, 256, 3)


def test_a_target_finer_than_the_slide_needs_leave(slide):
    with pytest.raises(ItemError, match=r"coarser than target_mpp 0\.25; choose .* or pass --allow_upsample"):
        plan(slide, 0.25, 0.5)
    assert plan(slide, 0.25, 0.5, allow_upsample=True).reading == PatchReading(0, 128, 256, 128)


def test_a_slide_without_resolution_says_what_it_has_and_what_to_pass(slide):
    with pytest.raises(
        ItemError, match=r"a\.tif does not state .*openslide\.vendor=generic-tiff.*pass --mpp.*column mpp"
    ):
        PatchRequest(target_mpp=0.5).on(slide, None)


def test_pixels_of_a_level_need_no_resolution(slide):
    planned = PatchRequest(patch_size_px=128, step_size_px=64, patch_level=1, custom_downsample=2).on(slide, None)
    assert planned.reading == PatchReading(1, 256, 128, 512)
    assert (planned.patch_size_level0, planned.step_level0) == ((512, 512), (256, 256))


@pytest.mark.parametrize(
    ("mpp", "target_mpp", "downsample"),
    [(0.25, 0.5, 2), (0.5, 0.5, 1), (0.25, 0.25, 1), (0.25, 2, 2), (0.5, 2, 1), (0.5, 0.25, 0.5), (0.5, None, None)],
)
def test_tissue_is_found_at_the_same_resolution_on_all_scanners(mpp, target_mpp, downsample):
    request = PatchRequest(target_mpp=target_mpp)
    assert request.tissue_scale(Resolution((mpp, mpp), "metadata")) == TissueScale(downsample)
    assert request.tissue_scale(None) == TissueScale()


def test_a_level_squeezed_along_one_axis_is_not_read(tmp_path):
    write_pyramid(tmp_path / "a.tif", np.zeros((1024, 2048, 3), np.uint8), sizes_px=((2048, 1024), (512, 512)))
    with Slide(tmp_path / "a.tif") as slide:
        planned = PatchRequest(patch_size_px=64, target_mpp=2).on(slide, stated_resolution(slide.properties))
    assert planned.reading == PatchReading(0, 256, 64, 256)


def test_a_row_comes_before_the_command():
    command = PatchRequest(target_mpp=0.5)
    assert command.for_row(SlideResolution()) == command
    assert command.for_row(SlideResolution(target_mpp=1)).target_mpp == 1
    assert command.for_row(SlideResolution(patch_level=2)) == PatchRequest(patch_level=2)


def test_coordinates_of_trident_find_their_level(slide):
    assert PatchReading(None, 0, 256, 512).on(slide) == PatchReading(1, 256, 256, 512)
    assert PatchReading(None, 0, 256, 487).on(slide) == PatchReading(0, 487, 256, 487)


@pytest.mark.parametrize("level", [0, 3, None])
def test_a_reading_survives_as_texts(level):
    reading = PatchReading(level, 487, 256, 487, "white")
    assert PatchReading(0, 1, 1, 1).with_texts(reading.as_text()) == reading


def test_a_reading_is_contradicted_by_what_texts_say_otherwise_not_by_what_they_leave_out():
    reading = PatchReading(1, 256, 128, 512)
    assert reading.contradicted_by({}) == reading.contradicted_by(reading.as_text()) == []
    assert reading.contradicted_by({"patch_level": "", "background": "white"}) == ["patch_level", "background"]
