"""create_heatmaps.py: formats, sizes and legends of the finished pictures."""

import numpy as np
import openslide
import pytest
from PIL import Image

from demo.slides import write_pyramid
from tests.stages.heatmap_runs import MADE, NAME, run
from wsi_core.slide import Slide


def pictures(tmp_path, pattern):
    return sorted((tmp_path / MADE / "good").glob(pattern))


def test_a_tiff_opens_with_its_levels_and_shows_what_a_png_does(config, tmp_path):
    assert run(tmp_path, config) == 0
    config["heatmap_arguments"] |= {"save_ext": "tiff", "legend": True}
    assert run(tmp_path, config) == 0
    (path,) = pictures(tmp_path, "s1_0.5_*.tiff")
    with openslide.OpenSlide(path) as slide, Image.open(tmp_path / MADE / "good" / f"s1_{NAME}") as plain:
        assert slide.level_dimensions[0] == plain.size and slide.level_count > 1
        shown = np.asarray(slide.read_region((0, 0), 0, plain.size).convert("RGB"), float)
        assert np.abs(shown - np.asarray(plain, float)).mean() < 2
    assert len(pictures(tmp_path, "*_legend.png")) == 1
    assert len(pictures(tmp_path, "s1_orig_0.tiff")) == 1


def test_a_picture_too_large_for_jpeg_is_written_as_tiff(config, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("stages.finished_picture.JPEG_MAX_SIDE_PX", 2000)
    config["heatmap_arguments"]["save_ext"] = "jpg"
    assert run(tmp_path, config) == 0
    assert "a side of 2048 pixels is too long for JPEG: written as tiff" in caplog.text
    assert len(pictures(tmp_path, "s1_0.5_*.tiff")) == 1 and not pictures(tmp_path, "*.jpg")


def test_a_picture_that_takes_too_much_memory_is_painted_at_a_coarser_level(
    config,
    tmp_path,
    caplog,
    monkeypatch,
):
    monkeypatch.setattr("wsi_core.heatmap_memory.GIB_PER_PROCESSOR", 0)
    config["data_arguments"]["max_memory_gb"] = 0.02
    assert run(tmp_path, config) == 0
    assert "painted at level 1" in caplog.text and "max_memory_gb is 0.02" in caplog.text
    (path,) = pictures(tmp_path, f"s1_{NAME.replace('_l_0', '_l_1')}")
    with Slide(tmp_path / "slides/s1.tif") as slide, Image.open(path) as picture:
        assert picture.size == slide.level_dimensions[1]


def test_a_slide_without_a_coarser_level_is_shown_smaller(config, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("wsi_core.heatmap_memory.GIB_PER_PROCESSOR", 0)
    monkeypatch.setattr("wsi_core.heatmap_memory.LEAST_ROOM_GIB", 0)
    with Slide(tmp_path / "slides/s1.tif") as slide:
        pixels = slide.read((0, 0), 0, slide.size_level0)
    write_pyramid(tmp_path / "slides/s1.tif", pixels, sizes_px=((2048, 1536),))
    config["data_arguments"]["max_memory_gb"] = 0.01
    assert run(tmp_path, config) == 0
    assert "painted at level 0, 2 times smaller" in caplog.text
    with Image.open(tmp_path / MADE / "good" / f"s1_{NAME}") as picture:
        assert picture.size == (1024, 768)


@pytest.mark.parametrize("factor", [1, 2])
def test_a_legend_stands_below_the_picture(config, tmp_path, factor):
    config["heatmap_arguments"] |= {"legend": True, "custom_downsample": factor}
    assert run(tmp_path, config) == 0
    with Image.open(tmp_path / MADE / "good" / f"s1_{NAME}") as picture:
        assert picture.width == 2048 // factor and picture.height > 1536 // factor
    with Image.open(tmp_path / MADE / "good" / "s1_orig_0.png") as original:
        assert original.size == (2048 // factor, 1536 // factor)


def test_a_legend_that_would_make_a_jpeg_too_large_stands_beside_it(config, tmp_path, monkeypatch):
    monkeypatch.setattr("stages.finished_picture.JPEG_MAX_SIDE_PX", 2048)
    config["heatmap_arguments"] |= {"legend": True, "save_ext": "jpg"}
    config["data_arguments"]["process_list"] = None
    with Slide(tmp_path / "slides/s1.tif") as slide:
        pixels = slide.read((0, 0), 0, slide.size_level0)
    write_pyramid(tmp_path / "slides/s1.tif", np.rot90(pixels), sizes_px=((1536, 2048),))
    assert run(tmp_path, config) == 0
    made = tmp_path / MADE / "unlabelled"
    assert len(list(made.glob("s1_0.5_*_legend.png"))) == 1
    (path,) = made.glob("s1_0.5_*.jpg")
    with Image.open(path) as picture:
        assert picture.size == (1536, 2048)
