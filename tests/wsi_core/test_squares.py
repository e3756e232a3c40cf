"""Squares read together are those that ``Slide.read`` gives one by one."""

import tracemalloc
from contextlib import closing

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.slides import write_pyramid
from tests.slides import damage_tile, small_slide
from utils.errors import ItemError
from wsi_core.readers import jpeg_tiles
from wsi_core.readers.jpeg_tiles import JpegTiles
from wsi_core.slide import Slide
from wsi_core.squares import SquareReader

SIZE_PX = (700, 500)  # no multiple of a tile


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 10, axis=0), 10, axis=1)


def write_tiff(path, image, **options):
    """Write an image and a level of half its size; JPEG tiles unless ``options`` say otherwise."""
    options = {"compression": "jpeg", "tile": (128, 128), "photometric": "ycbcr", **options}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(image, **options)
        tiff.write(np.ascontiguousarray(image[::2, ::2]), subfiletype=1, **options)
    return path


def one_by_one(slide, corners, level, side_px):
    return np.stack([slide.read(tuple(corner), level, (side_px, side_px)) for corner in corners.tolist()])


def corners_of(slide, level, side_px, n=40):
    """Return a grid in columns, then places anywhere, also beyond the edges."""
    rng = np.random.default_rng(1)
    step = round(side_px * slide.level_downsamples[level][0])
    grid = np.array([[x, y] for x in range(-step, 800, step) for y in range(-step, 600, step)])
    return np.concatenate([grid, rng.integers(-100, 700, (n, 2))])


@pytest.mark.parametrize("background", ["black", "white"])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"photometric": "rgb"},
        {"subsampling": (1, 1)},
        {"subsampling": (2, 1)},
        {"tile": (256, 64)},
        {"compression": "deflate", "photometric": "rgb"},
        {"compression": None, "photometric": "rgb"},
        {"compression": "lzw", "photometric": "rgb"},
    ],
    ids=str,
)
def test_squares_are_those_read_one_by_one(tmp_path, noise, options, level, background):
    path = write_tiff(tmp_path / "s.tif", noise, **options)
    with Slide(path, background=background) as slide:
        corners = corners_of(slide, level, 64)
        expected = one_by_one(slide, corners, level, 64)
    squares = SquareReader(Slide(path, background=background))
    np.testing.assert_array_equal(squares.read(corners, level, 64), expected)
    squares.close()


@pytest.mark.parametrize("kept_bytes", [0, jpeg_tiles.KEPT_BYTES])
@pytest.mark.parametrize("compression", ["jpeg", "deflate"])
def test_squares_read_in_parts_are_those_read_one_by_one(tmp_path, noise, monkeypatch, compression, kept_bytes):
    monkeypatch.setattr(jpeg_tiles, "KEPT_BYTES", kept_bytes)
    path = write_tiff(tmp_path / "s.tif", noise, compression=compression, photometric="rgb")
    with Slide(path) as slide:
        corners = corners_of(slide, 0, 100)
        expected = one_by_one(slide, corners, 0, 100)
    with closing(SquareReader(Slide(path))) as reader:
        parts = reader.read_in_parts(corners, 0, np.empty((7, 100, 100, 3), np.uint8))
        np.testing.assert_array_equal(np.concatenate([part.copy() for part in parts]), expected)


def test_a_damaged_tile_in_a_later_part_is_an_error_there(tmp_path, noise):
    path = write_tiff(tmp_path / "s.tif", noise)
    damage_tile(path, number=7)  # x=128 y=128
    corners = np.array([[x, 0] for x in (0, 256, 384)] + [[256, 128], [128, 128]])
    with closing(SquareReader(Slide(path))) as reader:
        parts = reader.read_in_parts(corners, 0, np.empty((2, 64, 64, 3), np.uint8))
        assert [len(next(parts)), len(next(parts))] == [2, 2]
        with pytest.raises(ItemError, match="x=128 y=128"):
            next(parts)


def test_jpeg_tiles_are_decoded_directly_and_others_are_not(tmp_path, noise):
    direct, other = (
        write_tiff(tmp_path / "j.tif", noise),
        write_tiff(tmp_path / "d.tif", noise, compression="deflate", photometric="rgb"),
    )
    for path, expected in ((direct, True), (other, False)):
        with Slide(path) as slide:
            tiles = JpegTiles(path, slide.level_dimensions, slide.format)
            assert (tiles.has(0), tiles.has(1)) == (expected, expected)
            tiles.close()


@settings(deadline=None, max_examples=30)
@given(corners=st.lists(st.tuples(st.integers(-300, 2300), st.integers(-300, 1800)), min_size=1, max_size=12))
def test_any_places_of_a_pyramid_with_an_odd_downsample_are_right(tmp_path_factory, corners):
    path = tmp_path_factory.getbasetemp() / "odd.tif"
    if not path.exists():
        small_slide(path, sizes_px=((2048, 1536), (683, 512)))
    places = np.array(corners)
    for level in (0, 1):
        squares = SquareReader(Slide(path))
        with Slide(path) as slide:
            np.testing.assert_array_equal(squares.read(places, level, 100), one_by_one(slide, places, level, 100))
        squares.close()


def test_a_reader_that_rounds_places_rounds_each_square_for_itself(tmp_path, noise):
    pytest.importorskip("tiffslide")
    path = write_tiff(tmp_path / "s.tif", noise)
    corners = np.array([[x, y] for x in (0, 1) for y in range(1, 450, 50)])  # half-way between pixels of level 1
    squares = SquareReader(Slide(path, reader="tiffslide"))
    with Slide(path, reader="tiffslide") as slide:
        np.testing.assert_array_equal(squares.read(corners, 1, 25), one_by_one(slide, corners, 1, 25))
    squares.close()


@pytest.mark.parametrize("damage", [bytes, lambda n: b"\xff\xd8" + bytes(n - 2), lambda n: b"\x55" * n])
def test_a_damaged_tile_is_an_error_and_its_neighbours_are_read(tmp_path, noise, damage):
    path = write_tiff(tmp_path / "s.tif", noise)
    damage_tile(path, damage=damage)
    squares = SquareReader(Slide(path))
    assert squares.read(np.array([[256, 256]]), 0, 128).any()
    with pytest.raises(ItemError, match="x=0 y=0"):
        squares.read(np.array([[0, 0]]), 0, 128)
    squares.close()


def test_a_tile_that_claims_to_be_huge_takes_no_memory(tmp_path, noise):
    path = tmp_path / "a.tif"
    write_pyramid(path, noise)
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes())
    frame = data.index(b"\xff\xc0", start)
    data[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"  # 65500 x 65500 px
    path.write_bytes(data)
    with closing(SquareReader(Slide(path))) as reader:
        reader.read(np.array([[512, 512]]), 0, 256)  # so that tiles are decoded directly
        tracemalloc.start()
        with pytest.raises(ItemError, match="x=0 y=0"):
            reader.read(np.array([[0, 0]]), 0, 256)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs", "C3L-03262-22_level1.jpg"])
def test_squares_of_real_slides_are_those_read_one_by_one(shared, name):
    path = shared / "slides" / name
    with Slide(path) as slide:
        width, height = slide.size_level0
        corners = np.array([[x, y] for x in range(0, width, 500)[-3:] for y in range(0, height, 256)[-4:]])
        expected = one_by_one(slide, corners, 0, 256)
    squares = SquareReader(Slide(path))
    np.testing.assert_array_equal(squares.read(corners, 0, 256), expected)
    squares.close()


@pytest.mark.parametrize("level", [0, 1])
def test_a_tile_without_bytes_shows_what_openslide_shows(tmp_path, level):
    """Of an Aperio slide also the coarser levels lack what lies over it."""
    image = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    path, options = tmp_path / "s.svs", {"compression": "jpeg", "tile": (128, 128), "metadata": None}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(image, description="Aperio Image Library v11 \n|AppMag = 20|MPP = 0.5", **options)
        tiff.write(np.ascontiguousarray(image[::4, ::4]), subfiletype=1, **options)
    with tifffile.TiffFile(path) as tiff:
        lengths = tiff.pages[0].tags["TileByteCounts"]
    n_bytes = lengths.valuebytecount // lengths.count
    data = bytearray(path.read_bytes())
    at = lengths.valueoffset + 50 * n_bytes
    data[at : at + n_bytes] = bytes(n_bytes)
    path.write_bytes(data)
    corners = np.array([[x, y] for y in range(0, 1024, 256) for x in range(0, 1024, 256)])
    with Slide(path) as slide:
        assert slide.format == "aperio"
        expected = one_by_one(slide, corners, level, 64)
    squares = SquareReader(Slide(path))
    np.testing.assert_array_equal(squares.read(corners, level, 64), expected)
    squares.close()
