import numpy as np
import pytest

from demo.slides import write_pyramid
from tests.slides import damage_tile
from utils.errors import ItemError
from utils.threads import in_threads
from wsi_core.level_reader import LevelReader
from wsi_core.rectangle import rectangles
from wsi_core.slide import Slide


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    noise = np.random.default_rng(1).integers(0, 256, (150, 200, 3))
    path = tmp_path_factory.mktemp("slides") / "odd.tif"
    image = np.kron(noise, np.ones((10, 10, 1))).astype(np.uint8)
    write_pyramid(path, image, sizes_px=((2000, 1500), (667, 501), (200, 150)))
    return path


@pytest.mark.parametrize(("level", "origin"), [(0, (0, 0)), (0, (301, 103)), (1, (0, 0)), (2, (500, 300))])
def test_rectangles_read_by_threads_are_those_of_the_whole_read_at_once(path, level, origin):
    with Slide(path) as slide:
        reader, size = LevelReader(slide, level, origin), slide.level_dimensions[level]
        assert reader.is_direct
        whole = slide.read(origin, level, size)
        parts = list(rectangles(size, 130))
        for part, got in zip(parts, in_threads(lambda p: reader.read(p.corner_px, p.size_px), parts), strict=True):
            np.testing.assert_array_equal(got, whole[part.slices])
        reader.close()


def test_what_lies_between_pixels_is_left_to_openslide(path):
    with Slide(path) as slide:
        reader = LevelReader(slide, 1, (100, 100))
        assert not reader.is_direct
        np.testing.assert_array_equal(reader.read((0, 0), (90, 80)), slide.read((100, 100), 1, (90, 80)))
        reader.close()


def test_a_damaged_tile_is_an_error_that_names_the_place(path, tmp_path):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(path.read_bytes())
    damage_tile(broken)
    with Slide(broken) as slide:
        reader = LevelReader(slide, 0)
        assert reader.read((256, 256), (100, 100)).any()
        with pytest.raises(ItemError, match="x=0 y=0"):
            reader.read((0, 0), (100, 100))
        reader.close()
