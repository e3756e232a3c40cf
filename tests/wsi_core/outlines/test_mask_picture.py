import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.slides import truncate
from tests.wsi_core.outlines.shapes import SLIDE_PX, plain
from utils.errors import ItemError
from wsi_core.contours import tissue_mask
from wsi_core.outlines.mask_picture import read_mask

DOWNSAMPLE = 10


@pytest.fixture
def mask():
    """A mask with a block that has a hole with an island in it, and a single pixel."""
    drawn = np.zeros((SLIDE_PX[1] // DOWNSAMPLE, SLIDE_PX[0] // DOWNSAMPLE), np.uint8)
    drawn[50:150, 30:130] = 1
    drawn[80:120, 60:100] = 0
    drawn[95:105, 75:85] = 1
    drawn[299, 399] = 1
    return drawn


def read(path, image, size=SLIDE_PX):
    image.save(path / "a.png")
    return read_mask(path / "a.png", size)


def palette(mask):
    image = Image.fromarray(1 - mask, "P")
    image.putpalette(
        [0, 200, 0, 0, 0, 0]
    )  # the first colour is tissue's: programs that make files small change the order
    return image


def shape_in_alpha(mask):
    white = np.full((*mask.shape, 4), 255, np.uint8)
    white[..., 3] = mask * 255
    return Image.fromarray(white)


WAYS = {
    "8-bit": Image.fromarray,
    "8-bit, 255": lambda mask: Image.fromarray(mask * 255),
    "1-bit": lambda mask: Image.fromarray(mask.astype(bool)),
    "palette": palette,
    "shape in alpha": shape_in_alpha,
    "16-bit": lambda mask: Image.fromarray(mask.astype(np.uint16)),
    "16-bit, 65535": lambda mask: Image.fromarray(mask.astype(np.uint16) * 65535),
    "gray RGB": lambda mask: Image.fromarray(mask).convert("RGB"),
    "gray RGBA": lambda mask: Image.fromarray(mask).convert("RGBA"),
    "gray with alpha": lambda mask: Image.fromarray(mask).convert("LA"),
}


def test_a_coarse_mask_keeps_its_last_pixels(tmp_path):
    """An outline runs through the centres of pixels; where these are 200 wide, half of one is much."""
    coarse = np.zeros((15, 20), np.uint8)
    coarse[3:5, 6:8], coarse[10, 10] = 255, 255
    block, single = sorted(read(tmp_path, Image.fromarray(coarse)), key=lambda contour: -np.ptp(contour.outline))
    assert block.outline.min(axis=0).tolist() == [1200, 600] and (block.outline.max(axis=0) > (1530, 930)).all()
    assert single.outline.min(axis=0).tolist() == [2000, 2000] and (single.outline.max(axis=0) > 2130).all()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_zero_is_tissue_however_it_is_stored(tmp_path, mask, way):
    contours = read(tmp_path, WAYS[way](mask))
    small = tissue_mask(contours, mask.shape[::-1], (1 / DOWNSAMPLE, 1 / DOWNSAMPLE), (0, 0))
    outline_of_hole = np.zeros_like(mask, bool)
    outline_of_hole[79:121, 59:101] = True  # drawn as tissue's outermost pixels, and taken out with the hole
    assert (small == mask)[~outline_of_hole].all()
    assert [len(contour.holes) for contour in contours].count(1) == 1 and len(contours) == 3


def test_contours_are_numbered_and_scaled_and_truncated_as_segmentation_does(tmp_path):
    drawn = np.zeros((7, 9), np.uint8)
    drawn[2:4, 1:8] = 255
    (contour,) = read(tmp_path, Image.fromarray(drawn), (95, 74))
    assert contour.number == 0 and contour.outline.dtype == np.int32
    x, y = 95 / 9, 74 / 7
    assert {tuple(point) for point in contour.outline.tolist()} == {
        (int(column * x), int(row * y)) for column in range(1, 8) for row in (2, 3)
    }


def test_everything_drawn_is_taken_however_small(tmp_path):
    drawn = np.zeros((30, 40), np.uint8)
    drawn[::3, ::3] = 1
    contours = read(tmp_path, Image.fromarray(drawn))
    assert len(contours) == 10 * 14 and [contour.number for contour in contours] == list(range(140))


def test_a_full_mask_stays_on_the_slide(tmp_path):
    for size in ((400, 300), (4000, 3000), (8000, 6000), (1, 1)):
        (contour,) = read(tmp_path, Image.new("L", size, 1))
        assert (contour.outline >= 0).all() and (contour.outline < SLIDE_PX).all()


def test_nothing_drawn_is_nothing_found(tmp_path):
    assert plain(read(tmp_path, Image.new("L", (400, 300)))) == []


@pytest.mark.parametrize(
    "size", [(400, 300), (401, 300), (400, 301), (403, 300), (40, 30), (13, 10), (13, 11), (4, 3), (2, 2)]
)
def test_the_shape_may_be_off_by_rounding_or_one_percent(tmp_path, size):
    assert len(read(tmp_path, Image.new("L", size, 1))) == 1


@pytest.mark.parametrize("size", [(300, 400), (400, 400), (410, 300), (400, 310), (20, 10), (10, 10)])
def test_another_shape_is_refused_with_both_sizes(tmp_path, size):
    message = rf"a\.png: a mask of {size[0]}x{size[1]} px has another shape than the slide of 4000x3000 px"
    with pytest.raises(ItemError, match=message):
        read(tmp_path, Image.new("L", size, 1))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_colour_picture_is_no_mask(tmp_path, mask, mode):
    drawn = np.stack([mask, mask, mask], axis=2)
    drawn[60, 60, 1] = 2
    with pytest.raises(ItemError, match=r"a\.png is a colour picture and no mask") as error:
        read(tmp_path, Image.fromarray(drawn).convert(mode))
    assert error.value.status == "failed_seg" and "\n" not in str(error.value)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_a_mask_too_large_is_refused_before_it_is_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 40_000, 30_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"never looked at") + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(bomb)
    with pytest.raises(ItemError, match=r"a\.png: a mask of 40000x30000 px is too large"):
        read_mask(tmp_path / "a.png", SLIDE_PX)


def test_a_damaged_file_is_refused(tmp_path, mask):
    noise = np.random.default_rng(0).integers(0, 2, mask.shape, np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    for keep in (0.9, 0.5, 0.001, 0):
        with pytest.raises(ItemError, match=r"a\.png is no PNG that can be read") as error:
            read_mask(truncate(tmp_path / "a.png", keep), SLIDE_PX)
        assert error.value.status == "failed_seg" and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "GIF"])
def test_another_kind_of_picture_is_refused(tmp_path, mask, kind):
    Image.fromarray(mask).save(tmp_path / "a.png", kind)
    with pytest.raises(ItemError, match="is no PNG"):
        read_mask(tmp_path / "a.png", SLIDE_PX)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ItemError, match=r"a\.png"):
        read_mask(tmp_path / "a.png", SLIDE_PX)
