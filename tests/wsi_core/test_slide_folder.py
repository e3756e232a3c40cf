import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.dicom import write_dicom_slide
from tests.slides import small_slide
from utils.errors import ItemError, UsageError
from utils.names import check_id
from wsi_core.slide_folder import SlideFolder


@pytest.fixture
def folder(tmp_path):
    """Slides of mixed endings beside files that are none."""
    small_slide(tmp_path / "a.tif", size_px=(512, 512))
    shutil.copy(tmp_path / "a.tif", tmp_path / "no_ending")
    shutil.copy(tmp_path / "a.tif", tmp_path / "other.ending")
    Image.new("RGB", (64, 64)).save(tmp_path / "TCGA-1.2.3.uuid.PNG")
    for name in ("README.txt", "labels.csv", "a.geojson", "Thumbs.db", ".hidden.svs"):
        (tmp_path / name).write_text("text")
    (tmp_path / "torn.svs").write_bytes(b"")
    (tmp_path / "folder.svs").mkdir()
    return tmp_path


def test_slides_are_found_by_ending_or_content(folder, caplog):
    caplog.set_level("INFO")
    slides = ["TCGA-1.2.3.uuid.PNG", "a.tif", "no_ending", "other.ending", "torn.svs"]
    assert SlideFolder(folder, recursive=True).names == slides
    assert SlideFolder(folder).names == sorted([*slides, "folder.svs"])
    assert "4 files (README.txt" in caplog.text


def test_a_link_that_leads_nowhere_is_listed(folder):
    (folder / "gone.ndpi").symlink_to(folder / "nowhere")
    assert "gone.ndpi" in SlideFolder(folder).names


def test_a_folder_named_like_a_slide_is_listed_only_where_no_slide_has_its_id(folder):
    with pytest.raises(ItemError, match=r"folder\.svs is a folder, no slide; --recursive"):
        SlideFolder(folder).find("folder.svs")
    shutil.copy(folder / "a.tif", folder / "folder.tif")
    assert "folder.svs" not in SlideFolder(folder).names
    assert SlideFolder(folder).find("folder.svs") == folder / "folder.tif"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
@pytest.mark.parametrize("name", ["pipe.dcm", "pipe.vms", "pipe.svs", "pipe"])
def test_a_pipe_is_listed_or_passed_over_and_never_waited_for(folder, name):
    os.mkfifo(folder / name)
    assert (name in SlideFolder(folder).names) == (name != "pipe")


def test_below_the_folder_only_when_asked(folder):
    small_slide(folder / "sub" / "deep" / "b.tif", size_px=(512, 512))
    assert "b.tif" not in SlideFolder(folder).names
    assert "b.tif" in SlideFolder(folder, recursive=True).names
    assert SlideFolder(folder).find("b") == folder / "sub" / "deep" / "b.tif"


def test_a_name_that_is_there_twice_is_told(folder):
    for sub in ("x", "y"):
        small_slide(folder / sub / "b.tif", size_px=(512, 512))
    slides = SlideFolder(folder, recursive=True)
    assert slides.names.count("b.tif") == 1
    with pytest.raises(ItemError, match=r"there 2 times: x/b\.tif, y/b\.tif"):
        slides.find("b.tif")


def test_a_slide_below_the_folder_is_found_by_its_whole_name_too(folder):
    small_slide(folder / "sub" / "case.svs.tif", size_px=(512, 512))
    small_slide(folder / "sub" / "case.svs", size_px=(512, 512))
    for extension in ("", ".svs", ".tif"):
        assert SlideFolder(folder, recursive=True).find("case.svs", extension) == folder / "sub" / "case.svs"


def test_a_name_that_means_two_files_is_told(folder):
    shutil.copy(folder / "a.tif", folder / "a.svs")
    assert SlideFolder(folder).find("a", ".svs").name == "a.svs"
    with pytest.raises(ItemError, match=r"a is there 2 times: a\.svs, a\.tif; name it with its extension"):
        SlideFolder(folder).find("a")


@pytest.mark.parametrize("name", [b"bad\xff.tif", b"new\nline.tif", b" lead.tif"])
def test_a_name_that_no_table_can_hold_is_listed_and_fails_alone(folder, name):
    shutil.copy(folder / "a.tif", os.path.join(os.fsencode(folder), name))  # noqa: PTH118  bytes
    (listed,) = set(SlideFolder(folder).names) - {
        "TCGA-1.2.3.uuid.PNG", "a.tif", "folder.svs", "no_ending", "other.ending", "torn.svs"
    }  # fmt: skip
    assert listed.encode() and check_id(listed, where="x") == listed.strip()
    with pytest.raises(ItemError, match="a table cannot hold this file name"):
        SlideFolder(folder).find(listed)


def test_results_that_lie_among_the_slides_are_none(folder):
    for name in ("out/masks/a.png", "contact_sheet.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64)).save(folder / name)
    for name in ("out", "."):
        (folder / name / "process_list_autogen.csv").write_text("slide_id\na.tif\n")
    (folder / "drawn" / "a.png").parent.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "drawn" / "a.png")
    names = SlideFolder(folder, recursive=True, without=[folder / "drawn"]).names
    assert names == ["TCGA-1.2.3.uuid.PNG", "a.tif", "no_ending", "other.ending", "torn.svs"]


def test_a_mask_is_not_taken_for_a_slide_that_is_elsewhere(folder):
    Image.new("RGB", (64, 64)).save(folder / "moved.png")
    for name, extension in (("moved.svs", ""), ("moved.svs", ".svs"), ("moved", ".svs")):
        with pytest.raises(ItemError, match="no slide file"):
            SlideFolder(folder).find(name, extension)
    assert SlideFolder(folder).find("moved").name == SlideFolder(folder).find("moved", ".png").name == "moved.png"


def test_a_whole_slide_comes_before_its_picture(folder):
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    assert SlideFolder(folder).find("a").name == SlideFolder(folder).find("a.svs").name == "a.tif"


def test_a_dicom_slide_of_several_files_is_one_slide(tmp_path):
    for series in ("first", "second"):
        write_dicom_slide(tmp_path / series, np.full((512, 512, 3), 200, np.uint8), downsamples=(1, 2))
    assert SlideFolder(tmp_path / "first").names == ["level_0.dcm"]


def test_what_a_slide_is_made_of_is_no_slide(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "part(0,0).jpg")
    Image.new("RGB", (64, 64)).save(tmp_path / "own.jpg")
    (tmp_path / "a.vms").write_text("[Virtual Microscope Specimen]\nNoJpegColumns=1\nImageFile=part(0,0).jpg\n")
    small_slide(tmp_path / "m" / "Data0001.tif", size_px=(512, 512))
    (tmp_path / "m.mrxs").write_bytes(b"")
    assert SlideFolder(tmp_path, recursive=True).names == ["a.vms", "m.mrxs", "own.jpg"]


def test_an_empty_folder_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(UsageError, match=r"no slides in .*--recursive looks below it"):
        _ = SlideFolder(tmp_path).names


@pytest.mark.parametrize(
    ("name", "extension", "found"),
    [
        ("a.tif", "", "a.tif"),
        ("a", "", "a.tif"),
        ("a", ".png", "a.png"),
        ("TCGA-1.2.3.uuid", "", "TCGA-1.2.3.uuid.PNG"),
    ],
)
def test_a_slide_is_found_with_or_without_its_ending(folder, name, extension, found):
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    assert SlideFolder(folder).find(name, extension).name == found


def test_a_slide_that_is_not_there_is_named(folder):
    with pytest.raises(ItemError, match=r"no slide file for 'x' in .* \(extension \.svs\)"):
        SlideFolder(folder).find("x", ".svs")
