"""Slides of every kind, on files made here."""

import contextlib
import pickle
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

from tests.dicom import write_dicom_slide
from tests.slides import GLASS, HOLE, TISSUE, picture, small_slide, truncate
from utils.errors import ItemError
from utils.lookup import PROJECT_ROOT
from wsi_core.contours import whole_slide
from wsi_core.grid import Grid, patch_coords
from wsi_core.params import SlideParams
from wsi_core.resolution import stated_resolution
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide

SIZE = (2048, 1536)
PARAMS = SlideParams(a_t=0.5, a_h=0.1, close=0, mthresh=3)


@pytest.fixture(scope="module")
def image():
    return picture(SIZE, [TISSUE], [HOLE])


def write_ome_tiff(path, image):
    """Write an OME-TIFF as bioformats does: the pyramid in sub-files, the resolution in XML."""
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg"}
        metadata = {"axes": "YXS", "PhysicalSizeX": 0.325, "PhysicalSizeXUnit": "µm"}
        metadata |= {"PhysicalSizeY": 0.325, "PhysicalSizeYUnit": "µm"}
        writer.write(image, subifds=1, metadata=metadata, **options)
        writer.write(image[::4, ::4], subfiletype=1, **options)


def test_dicom_is_a_pyramid_with_its_resolution(tmp_path, image):
    write_dicom_slide(tmp_path, image, mpp=0.25)
    with Slide(tmp_path / "level_0.dcm") as slide:
        assert (slide.format, slide.level_dimensions) == ("dicom", (SIZE, (512, 384)))
        assert stated_resolution(slide.properties).mpp == pytest.approx(0.25)
        (tissue,) = segment_slide(slide, PARAMS)
    assert np.abs(tissue.outline.max(axis=0) - TISSUE[2:]).max() <= 8 and len(tissue.holes) == 1


def test_ome_tiff_states_its_resolution_in_xml(tmp_path, image):
    write_ome_tiff(tmp_path / "a.ome.tiff", image)
    with Slide(tmp_path / "a.ome.tiff") as slide:
        assert slide.level_dimensions == (SIZE,)  # OpenSlide does not see the sub-files
        assert stated_resolution(slide.properties).mpp == pytest.approx(0.325)
        (tissue,) = segment_slide(slide, PARAMS)
    assert np.abs(tissue.outline.max(axis=0) - TISSUE[2:]).max() <= 8


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg", "a.tif", "wrong_ending.svs"])
def test_a_plain_image_is_a_slide_of_one_level(tmp_path, image, name):
    kind = "png" if name.endswith("svs") else None
    Image.fromarray(image).save(tmp_path / name, format=kind)
    with Slide(tmp_path / name) as slide:
        assert (slide.level_dimensions, slide.level_downsamples) == ((SIZE,), ((1, 1),))
        region = slide.read((2000, -10), 0, (100, 60))
    assert region.shape == (60, 100, 3)
    assert (region[10:, 48:] == 0).all() and (region[:10] == 0).all()  # outside
    np.testing.assert_allclose(region[10:, :48], image[:50, 2000:], atol=3)


def test_a_plain_image_is_decoded_once(tmp_path, image, monkeypatch):
    Image.fromarray(image).save(tmp_path / "a.png")
    decoded = []
    original = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: (self.tile and decoded.append(1)) or original(self))
    with Slide(tmp_path / "a.png") as slide:
        for x in (0, 100, 200):
            slide.read((x, 0), 0, (64, 64))
    assert len(decoded) == 1


# In a process of its own, where nothing else takes memory; VmHWM is the peak of what was resident.
MEASURE = """
import re, sys
from pathlib import Path
from wsi_core.readers.image_reader import ImageReader, memory_gib

def peak_gib():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024**2

reader = ImageReader(Path(sys.argv[1]), 100)
expected_gib = memory_gib(reader._image)
before_gib = peak_gib()
reader.read_region((0, 0), 0, (64, 64))
print((peak_gib() - before_gib) / expected_gib)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is read")
@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.png", "RGB", {}),
        ("a.png", "RGBA", {}),
        ("a.png", "L", {}),
        ("a.png", "RGB", {"transparency": (1, 2, 3)}),
        ("a.jpg", "RGB", {"progressive": True, "subsampling": 0}),
        ("a.tif", "RGB", {"compression": "tiff_lzw"}),
        ("a.jp2", "RGB", {}),
        ("a.webp", "RGB", {}),
    ],
)
def test_what_a_plain_image_takes_is_what_was_estimated(tmp_path, name, mode, options):
    noise = np.random.default_rng(0).integers(0, 256, (4000, 4000, 3), dtype=np.uint8)
    noise[:, 500:] = GLASS
    Image.fromarray(noise).convert(mode).save(tmp_path / name, **options)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / name)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT_ROOT)
    assert 0.5 < float(done.stdout) < 1.15


def test_a_flat_tiff_states_its_resolution_in_tags(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.tif", resolution_unit=3, x_resolution=20_000.0, y_resolution=20_000.0)
    with Slide(tmp_path / "a.tif") as slide:
        assert slide.format == "tiff"
        assert stated_resolution(slide.properties).mpp == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("mode", "corner"), [("L", (151, 151, 151)), ("1", (255, 255, 255)), ("RGBA", (205, 120, 165)), ("P", None)]
)
def test_gray_palette_and_transparent_images_are_read(tmp_path, image, mode, corner):
    Image.fromarray(image).convert(mode).save(tmp_path / "a.png")
    with Slide(tmp_path / "a.png") as slide:
        pixel = slide.read((400, 400), 0, (1, 1))[0, 0]
    assert corner is None or np.abs(pixel.astype(int) - corner).max() <= 8


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_more_than_8_bits_are_refused_with_a_reason(tmp_path, mode):
    array = np.zeros((64, 64), np.uint16 if mode == "I;16" else np.float32)
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(ItemError, match="convert it to 8-bit RGB"):
        Slide(tmp_path / "a.tif")


def png_header(width, height):
    """Return a PNG that claims to be large and has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_an_image_too_large_for_memory_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "big.png").write_bytes(png_header(60_000, 50_000) + struct.pack(">I", 0) + b"IEND\xaeB`\x82")
    with pytest.raises(
        ItemError, match=r"60000x50000 px takes 11 GiB .* 8; .*vips tiffsave \S+/big.png \S+/big_pyramid.tiff --tile"
    ):
        Slide(tmp_path / "big.png")
    Slide(tmp_path / "big.png", max_memory_gb=12).close()


def test_a_limit_that_is_set_lower_counts(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(ItemError, match=r"--max_memory_gb 0\.01"):
        Slide(tmp_path / "a.png", max_memory_gb=0.01)
    assert Image.MAX_IMAGE_PIXELS is not None  # the limit of other users of Pillow stays


@pytest.mark.parametrize("keep", [0.1, 0.7])
def test_a_slide_that_was_cut_off_is_not_taken_for_a_plain_image(tmp_path, image, keep):
    pages = [Image.fromarray(image), Image.fromarray(image[::4, ::4])]
    pages[0].save(tmp_path / "a.svs", format="tiff", save_all=True, append_images=pages[1:])
    Slide(tmp_path / "a.svs").close()
    truncate(tmp_path / "a.svs", keep)
    with pytest.raises(ItemError, match="damaged or was not copied whole; copy it again"):
        Slide(tmp_path / "a.svs")


def test_an_empty_file_is_told(tmp_path):
    (tmp_path / "a.svs").touch()
    with pytest.raises(ItemError, match=r"a\.svs is empty; copy it again"):
        Slide(tmp_path / "a.svs")


def test_a_progressive_jpeg_of_thousands_of_empty_scans_is_refused(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.jpg", progressive=True)
    Slide(tmp_path / "a.jpg").close()
    data = (tmp_path / "a.jpg").read_bytes()
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + last_scan * 2000 + data[-2:])
    with pytest.raises(ItemError, match=r"progressive JPEG of 20\d\d scans"):
        Slide(tmp_path / "a.jpg")


def test_a_colour_under_transparency_is_not_seen(tmp_path):
    hidden = np.full((64, 64, 4), (205, 120, 165, 0), np.uint8)
    hidden[:32, :, 3] = 255
    Image.fromarray(hidden).save(tmp_path / "a.png")
    for background, value in (("black", 0), ("white", 255)):
        with Slide(tmp_path / "a.png", background=background) as slide:
            pixels = slide.read((0, 0), 0, (64, 64))
        assert (pixels[:32] == (205, 120, 165)).all() and (pixels[32:] == value).all()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif"])
def test_a_truncated_image_is_one_line(tmp_path, image, name, recwarn):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)).save(tmp_path / name)
    truncate(tmp_path / name)
    with (
        pytest.raises(ItemError, match=r"^a\.\w+.*(cannot be opened|cannot read)") as raised,
        Slide(tmp_path / name) as slide,
    ):
        with contextlib.suppress(ItemError):
            slide.read((0, 0), 0, (300, 300))
        slide.read((0, 0), 0, (300, 300))  # it stays damaged
    assert "\n" not in str(raised.value) and not recwarn.list


def test_the_background_is_black_or_white(tmp_path, image):
    transparent = Image.fromarray(image).convert("RGBA")
    transparent.paste((9, 9, 9, 0), (0, 0, 64, 64))
    transparent.save(tmp_path / "a.png")
    small_slide(tmp_path / "b.tif")
    for name in ("a.png", "b.tif"):
        with Slide(tmp_path / name, background="white") as slide:
            assert (slide.read((-8, -8), 0, (16, 4)) == 255).all()
        with Slide(tmp_path / name) as slide:
            assert (slide.read((-8, -8), 0, (16, 4)) == 0).all()
    with Slide(tmp_path / "a.png", background="white") as slide:
        assert (slide.read((0, 0), 0, (64, 64)) == 255).all()


def test_another_process_opens_the_same(tmp_path):
    small_slide(tmp_path / "a.tif")
    with Slide(tmp_path / "a.tif", background="white") as slide, pickle.loads(pickle.dumps(slide)) as other:
        assert (other.read((-8, -8), 0, (4, 4)) == 255).all()


def test_both_readers_give_the_same_levels_pixels_and_coordinates(tmp_path):
    pytest.importorskip("tiffslide")
    path = small_slide(tmp_path / "a.tif", size_px=(4000, 3000), sizes_px=((4000, 3000), (1000, 750)))
    with Slide(path) as one, Slide(path, reader="tiffslide") as other:
        assert one.level_dimensions == other.level_dimensions
        assert [one.best_level(d) for d in (0.5, 1, 3.9, 4, 30, 64)] == [
            other.best_level(d) for d in (0.5, 1, 3.9, 4, 30, 64)
        ]
        assert stated_resolution(one.properties).mpp == pytest.approx(stated_resolution(other.properties).mpp)
        for corner, level in (((700, 650), 0), ((-40, -40), 0), ((3900, 2900), 0), ((800, 640), 1), ((-80, 2900), 1)):
            there, here = (slide.read(corner, level, (128, 96)).astype(int) for slide in (one, other))
            assert np.abs(there - here).max() <= 2, (corner, level)
        laid = Grid.at_level(256, 256, one.level_downsamples[0], one.size_level0)
        params = PARAMS.model_copy(update={"seg_level": 1})
        coords = [patch_coords(segment_slide(slide, params), laid) for slide in (one, other)]
    np.testing.assert_array_equal(*coords)
    assert len(coords[0])


def test_the_other_reader_says_when_it_does_not_know_a_format(tmp_path, image):
    pytest.importorskip("tiffslide")
    write_dicom_slide(tmp_path, image)
    with pytest.raises(ItemError, match="try --reader openslide"):
        Slide(tmp_path / "level_0.dcm", reader="tiffslide")
    Image.fromarray(image).save(tmp_path / "a.png")
    with Slide(tmp_path / "a.png", reader="tiffslide") as slide:
        assert slide.format == "png"


def test_the_other_reader_refuses_colours_that_it_would_take_for_others(tmp_path):
    pytest.importorskip("tiffslide")
    cmyk = np.zeros((256, 256, 4), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", cmyk, photometric="separated", tile=(256, 256), compression="zlib")
    with pytest.raises(ItemError, match=r"CMYK, .*--reader openslide"):
        Slide(tmp_path / "a.tif", reader="tiffslide")


def test_the_outline_of_a_whole_slide_has_its_size():
    laid = Grid((256, 256), (256, 256), (1024, 512), contour_fn="basic")
    assert len(patch_coords([whole_slide((1024, 512))], laid)) == 8
