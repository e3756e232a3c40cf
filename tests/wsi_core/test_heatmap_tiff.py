import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from tests.slides import small_slide
from utils.errors import ItemError
from wsi_core import heatmap, heatmap_tiff, pyramid_tiff
from wsi_core.contours import whole_slide
from wsi_core.heatmap import HeatmapPainter, HeatmapStyle, draw_heatmap
from wsi_core.heatmap_tiff import write_heatmap_tiff
from wsi_core.slide import Slide

SIZE = (2300, 1501)
COORDS = np.stack(np.meshgrid(np.arange(8), np.arange(5)), axis=-1).reshape(-1, 2) * 256
SCORES = np.linspace(0, 1, len(COORDS))
HOW = ([whole_slide(SIZE)], COORDS, SCORES, 256, 0, HeatmapStyle())
MPP = (0.25, 0.2501)


@pytest.fixture
def slide(tmp_path):
    with Slide(small_slide(tmp_path / "a.tif", size_px=SIZE)) as opened:
        yield opened


def write(path, slide):
    with HeatmapPainter(slide, *HOW) as painter:
        write_heatmap_tiff(path, painter, name="a & é", mpp_level0_xy=MPP)
    return path


@pytest.fixture(params=[False, True], ids=["classic", "big"])
def tiff(request, tmp_path, slide, monkeypatch):
    if request.param:
        monkeypatch.setattr(pyramid_tiff, "CLASSIC_LIMIT", 0)
    return write(tmp_path / "h.ome.tif", slide)


def test_openslide_and_tifffile_read_what_is_painted_at_all_levels(tiff, slide):
    painted = draw_heatmap(slide, *HOW)
    with Slide(tiff) as pyramid, tifffile.TiffFile(tiff) as file:
        (series,) = file.series
        assert file.is_ome
        assert [level.shape[1::-1] for level in series.levels] == list(pyramid.level_dimensions)
        assert pyramid.level_dimensions == ((2300, 1501), (1150, 750), (575, 375), (287, 187), (143, 93))
        for number, level in enumerate(series.levels):
            image = level.asarray()
            np.testing.assert_array_equal(pyramid.read((0, 0), number, image.shape[1::-1]), image)
            assert np.abs(image - painted.astype(float)).mean() < 2
            painted = heatmap_tiff._halved(painted)


def test_the_tiff_tells_its_name_and_how_large_pixels_are(tiff):
    with Slide(tiff) as pyramid:
        assert float(pyramid.properties["openslide.mpp-x"]) == pytest.approx(MPP[0])
        assert float(pyramid.properties["openslide.mpp-y"]) == pytest.approx(MPP[1])
    with tifffile.TiffFile(tiff) as file:
        image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    assert image["Name"] == "a & é"
    assert (image["Pixels"]["PhysicalSizeX"], image["Pixels"]["PhysicalSizeY"]) == MPP


def test_a_painting_that_fails_leaves_no_file(tmp_path, slide, monkeypatch):
    def fail(*_):
        raise ItemError("damaged")

    monkeypatch.setattr(HeatmapPainter, "paint", fail)
    with pytest.raises(ItemError, match="damaged"):
        write(tmp_path / "out" / "h.ome.tif", slide)
    assert list((tmp_path / "out").iterdir()) == []


def peak_mib(path, side, blur):
    slide = SimpleNamespace(level_dimensions=((side, side),), level_downsamples=((1.0, 1.0),))
    corners = np.array([[x, y] for x in range(0, 4096, 256) for y in range(0, 4096, 256)])
    style = HeatmapStyle(blank_canvas=True, blur=blur, overlap=0.9)
    tracemalloc.start()
    with HeatmapPainter(slide, [whole_slide((side, side))], corners, np.ones(len(corners)), 256, 0, style) as painter:
        write_heatmap_tiff(path, painter)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("blur", [False, True])
def test_memory_does_not_grow_with_the_level(tmp_path, monkeypatch, blur):
    monkeypatch.setattr("utils.threads.usable_processors", lambda: 1)
    monkeypatch.setattr(heatmap, "BLOCK_PX", 512)
    small, large = (peak_mib(tmp_path / "h.tif", side, blur) for side in (1024, 4096))
    more_mib = (4096**2 - 1024**2) * 3 / 2**20
    assert large - small < 0.12 * more_mib  # blocks this small leave a 16th for the upper levels
