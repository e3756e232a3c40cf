import tracemalloc
from functools import partial

import numpy as np
import pytest
import tifffile

from demo.slides import write_pyramid
from tests.slides import small_slide
from wsi_core import overview
from wsi_core.overview import Overviews, overview_size
from wsi_core.params import SlideParams
from wsi_core.segmentation import find_tissue
from wsi_core.slide import Slide

PARAMS = SlideParams(a_t=0.1, a_h=0.1, close=0, mthresh=3)


@pytest.fixture
def flat_slide(tmp_path):
    """A slide of one level, with sides that are no multiples of anything."""
    size = (3001, 2003)
    return small_slide(tmp_path / "flat.tif", size_px=size, sizes_px=(size,))


def test_a_level_of_ordinary_size_is_taken_as_it_is(flat_slide):
    with Slide(flat_slide) as slide:
        taken = Overviews(slide).at(0)
        assert taken.downsample_xy == (1, 1)
        np.testing.assert_array_equal(taken.image, slide.read((0, 0), 0, slide.size_level0))


def test_a_level_that_is_too_large_is_averaged_down(flat_slide, monkeypatch):
    monkeypatch.setattr(overview, "MAX_LEVEL_PIXELS", 1e6)
    monkeypatch.setattr(overview, "BLOCK_PX", 640)  # several blocks, the last ones narrower
    with Slide(flat_slide) as slide:
        taken = Overviews(slide).at(0)
        whole = slide.read((0, 0), 0, slide.size_level0)
        assert taken.image.shape == (32, 47, 3) and overview_size(slide, 0) == (47, 32)
    assert taken.downsample_xy == (64, 64)
    for row, column in ((0, 0), (9, 9), (10, 10), (31, 46), (5, 46)):
        block = whole[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        if block.shape[:2] == (64, 64):
            np.testing.assert_allclose(taken.image[row, column], block.mean(axis=(0, 1)), atol=1)
        else:  # the rim is averaged from what is there
            assert np.abs(taken.image[row, column] - block.mean(axis=(0, 1))).max() < 8


def test_tissue_is_found_where_it_is_on_a_slide_without_a_coarse_level(flat_slide, monkeypatch):
    with Slide(flat_slide) as slide:
        (exact,) = find_tissue(Overviews(slide).at(0), PARAMS)
        monkeypatch.setattr(overview, "MAX_LEVEL_PIXELS", 1e6)
        (coarse,) = find_tissue(Overviews(slide).at(0), PARAMS)
    assert np.abs(exact.outline.min(axis=0) - coarse.outline.min(axis=0)).max() <= 64
    assert np.abs(exact.outline.max(axis=0) - coarse.outline.max(axis=0)).max() <= 64
    assert len(coarse.holes) == 1


def test_the_last_overview_is_kept(flat_slide):
    with Slide(flat_slide) as slide:
        overviews = Overviews(slide)
        assert overviews.at(0) is overviews.at(0)
        with pytest.raises(ValueError, match="read-only"):
            overviews.at(0).image[0, 0] = 0


@pytest.mark.parametrize("pixel", [16, 17, 30, 30.418])
def test_a_slide_is_averaged_to_pixels_of_exactly_one_size(flat_slide, pixel):
    with Slide(flat_slide) as slide:
        taken = Overviews(slide).averaged(pixel, finest_level0=1, coarsest_level0=4)
        whole = slide.read((0, 0), 0, slide.size_level0)
    assert taken.downsample_xy == (pixel, pixel)
    width, height = (side / pixel for side in (3001, 2003))
    assert abs(taken.image.shape[1] - width) <= 1 and abs(taken.image.shape[0] - height) <= 1
    column, row = int(1536 / pixel), int(500 / pixel)  # the edge of tissue runs through it
    (x0, x1), (y0, y1) = ((round(n * pixel), round((n + 1) * pixel)) for n in (column, row))
    np.testing.assert_allclose(taken.image[row, column], whole[y0:y1, x0:x1].mean(axis=(0, 1)), atol=5)


def test_a_level_is_averaged_that_is_fine_enough_and_not_too_large(tmp_path, monkeypatch):
    """Each level has a grey of its own, so that the picture shows which one was read."""
    levels = ((4096, 3072), (1024, 768), (512, 384), (128, 96))
    write_grey_levels(tmp_path / "a.tif", levels)

    def read(slide, finest, coarsest):
        seen = Overviews(slide).averaged(64, finest_level0=finest, coarsest_level0=coarsest)
        return int(seen.image[0, 0, 0]) // 50

    with Slide(tmp_path / "a.tif") as slide:
        assert [read(slide, 1, 4), read(slide, 4, 16), read(slide, 7.99, 8), read(slide, 16, 64)] == [0, 1, 2, 2]
        monkeypatch.setattr(overview, "MAX_LEVEL_PIXELS", 1e6)
        assert [read(slide, 1, 16), read(slide, 1, 3.9)] == [1, 0]  # not coarser than allowed, however large


def test_pixels_are_not_made_finer(flat_slide):
    with Slide(flat_slide) as slide:
        taken = Overviews(slide).averaged(0.5, finest_level0=0.1, coarsest_level0=0.2)
        np.testing.assert_array_equal(taken.image, Overviews(slide).at(0).image)
    assert taken.downsample_xy == (1, 1)


def test_a_slide_smaller_than_a_pixel_is_taken_as_it_is(tmp_path):
    small_slide(tmp_path / "a.tif", size_px=(20, 12), tissue=[], sizes_px=((20, 12),))
    with Slide(tmp_path / "a.tif") as slide:
        assert min(Overviews(slide).averaged(30.5, finest_level0=1, coarsest_level0=4).image.shape[:2]) >= 1
        assert min(Overviews(slide).averaged(30, finest_level0=1, coarsest_level0=4).image.shape[:2]) >= 1


def write_grey_levels(path, sizes_px):
    """Write a pyramid whose levels are grey 25, 75, 125 and so on."""
    with tifffile.TiffWriter(path) as writer:
        for level, (width, height) in enumerate(sizes_px):
            grey = np.full((height, width, 3), 50 * level + 25, np.uint8)
            writer.write(grey, photometric="rgb", tile=(256, 256), subfiletype=min(level, 1), metadata=None)


def test_an_averaged_picture_is_kept_while_levels_are_read(flat_slide):
    with Slide(flat_slide) as slide:
        overviews = Overviews(slide)
        averaged = partial(overviews.averaged, 30, finest_level0=1, coarsest_level0=4)
        taken = averaged()
        overviews.at(0)
        assert averaged() is taken


def test_memory_stays_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(overview, "MAX_LEVEL_PIXELS", 1e6)
    monkeypatch.setattr(overview, "BLOCK_PX", 512)
    size = (8192, 4096)
    write_pyramid(tmp_path / "a.tif", np.full((size[1], size[0], 3), 240, np.uint8), sizes_px=(size,))
    with Slide(tmp_path / "a.tif") as slide:
        assert (
            peak_bytes(lambda: Overviews(slide).at(0)) < 12 * 512 * 512
        )  # a few copies of one block, of 100 MB in all
        in_two_steps = partial(Overviews(slide).averaged, 30.5, finest_level0=1, coarsest_level0=4)
        first_step_bytes = 3 * 820 * 410
        assert peak_bytes(in_two_steps) < 12 * 512 * 512 + first_step_bytes


def peak_bytes(call):
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
