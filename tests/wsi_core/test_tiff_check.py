"""TIFFs that are refused before a library opens them, and those that are not."""

import struct
import time

import numpy as np
import pytest
import tifffile

from tests.reliability.fault_cohort import looped, pyramid, tiff, with_tags, without_data
from tests.slides import truncate
from utils.errors import ItemError
from wsi_core.readers.reader import ReadError
from wsi_core.readers.tiff_check import require_sound_tiff
from wsi_core.slide import Slide

TILES = {"tile": (256, 256), "compression": "jpeg"}
MAX_S = 10.0  # where libraries take minutes


def with_many_images(path, n_images):
    """Let copies of the last directory follow one another."""
    with tifffile.TiffFile(pyramid(path)) as file:
        last = file.pages[-1].offset
    data = bytearray(path.read_bytes())
    (n_tags,) = struct.unpack_from("<H", data, last)
    directory, following = bytes(data[last : last + 2 + 12 * n_tags]), last + 2 + 12 * n_tags
    for _ in range(n_images):
        data += bytes(len(data) % 2)
        struct.pack_into("<I", data, following, len(data))
        following = len(data) + len(directory)
        data += directory + bytes(4)
    path.write_bytes(data)


def claiming(width, height, level=0):
    return lambda path: with_tags(path, level, ImageWidth=width, ImageLength=height)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (looped, "runs in a circle"),
        (
            claiming(2**31, 2**31),
            "claims an image of 2147483648x2147483648 px and lists 12 of its 70368744177664 tiles",
        ),
        (claiming(10**6, 10**6), "claims an image of 1000000x1000000 px and lists 12 of its 15264649 tiles"),
        (claiming(10**5, 10**5), "lists 12 of its 152881 tiles"),  # OpenSlide reads black for minutes
        (claiming(10**5, 10**5, level=1), "lists 1 of its 152881 tiles"),
        (claiming(0, 768), "first image has no pixels (0x768)"),
        (lambda path: with_tags(path, 0, TileWidth=0), "tiles have no pixels (0x256)"),
        (lambda path: with_tags(path, 0, TileWidth=2**20, TileLength=2**20), "takes 4.1e+03 GiB of memory"),
        (lambda path: without_data(path, 0), "1024x768 px in it has no data"),
        (lambda path: without_data(path, 1), "256x192 px in it has no data"),  # would be taken for a slide of no tissue
        (lambda path: truncate(pyramid(path), 0.001), "not copied whole"),
        (lambda path: with_many_images(path, 9000), "more than 2000 images"),  # tiffslide takes minutes
        (lambda path: tiff(path, **TILES, description="|a=1" * (5 << 20)), "description has 20 MiB"),
    ],
)
@pytest.mark.parametrize("reader", ["openslide", "tiffslide"])
def test_what_costs_hours_or_lies_is_refused_at_once(tmp_path, make, said, reader):
    make(tmp_path / "a.tif")
    start_s = time.monotonic()
    with pytest.raises(ItemError, match="cannot be opened") as refusal:
        Slide(tmp_path / "a.tif", reader=reader)
    assert said in str(refusal.value) and refusal.value.status == "failed_open"
    assert time.monotonic() - start_s < MAX_S


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"byteorder": ">", "bigtiff": True}])
@pytest.mark.parametrize("layout", [TILES, {"rowsperstrip": 8}, {"tile": (256, 256), "planarconfig": "separate"}])
def test_sound_files_of_every_kind_pass_and_their_faults_are_seen(tmp_path, options, layout):
    planes = np.zeros((3, 768, 1024) if "planarconfig" in layout else (768, 1024, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", metadata=None, **layout, **options)
    require_sound_tiff(tmp_path / "a.tif", max_memory_gb=1)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(0)
    with pytest.raises(ReadError, match="first image has no pixels"):
        require_sound_tiff(tmp_path / "a.tif", max_memory_gb=1)


def test_a_level_of_no_size_is_left_out_and_a_tile_without_data_is_none_to_refuse(tmp_path):
    with_tags(tmp_path / "a.tif", 1, ImageWidth=0)
    with Slide(tmp_path / "a.tif") as slide:
        assert slide.level_dimensions == ((1024, 768),)
    with tifffile.TiffFile(pyramid(tmp_path / "b.tif")) as file:
        lengths = list(file.pages[0].databytecounts)
    with_tags(tmp_path / "b.tif", 0, TileByteCounts=[0, *lengths[1:]])
    Slide(tmp_path / "b.tif").close()


def test_more_pixels_than_any_slide_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("wsi_core.slide.TOO_MANY_PIXELS", 1024 * 768)
    pyramid(tmp_path / "a.tif")
    with pytest.raises(ItemError, match="claims 1024x768 px, which no slide has"):
        Slide(tmp_path / "a.tif")
