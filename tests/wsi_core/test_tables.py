"""Process lists, presets and parameters: what people edit by hand."""

import pytest

from utils.errors import UsageError
from utils.switches import is_on
from wsi_core.params import PARAM_NAMES, SlideParams, parse_params
from wsi_core.preset_file import find_preset, read_preset, write_preset
from wsi_core.process_list import COLUMNS, ProcessList


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "ids"), [("none", ()), ("3", (3,)), ("3.0", (3,)), ('"3"', (3,)), ("0,3", (0, 3)), ("[2, 5]", (2, 5))]
)
def test_ids_are_read_as_people_write_them(text, ids):
    assert parse_params({"keep_ids": text}, SlideParams(), where="x").keep_ids == ids


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"mthresh": "6"}, "mthresh = '6': must be odd"),
        ({"sthresh": "dark"}, "sthresh = 'dark'"),
        ({"contour_fn": "five_pt"}, "four_pt"),
        ({"keep_ids": "a,b"}, "keep_ids = 'a,b': must be numbers of contours such as 0,3"),
        ({"close": "1e9"}, "close"),
        ({"line_thickness": "1000000"}, "line_thickness"),
        ({"a_t": "inf"}, "a_t"),
        ({"use_otsu": "perhaps"}, "use_otsu"),
        ({"a_t": "-1"}, "a_t"),
    ],
)
def test_a_wrong_cell_is_named_with_its_place(cells, message):
    with pytest.raises(UsageError, match="list L, slide s") as error:
        parse_params(cells, SlideParams(), where="list L, slide s")
    assert message in str(error.value)


@pytest.mark.parametrize("area", [16, 0.1234567891, 1234567.25])
def test_areas_keep_all_their_digits(area):
    text = SlideParams(a_t=area).as_text()["a_t"]
    assert parse_params({"a_t": text}, SlideParams(), where="x").a_t == area and not text.endswith(".0")


@pytest.mark.parametrize(("text", "on"), [("1", True), ("", True), ("TRUE", True), ("0.0", False), ("no", False)])
def test_a_switch_is_read_as_spreadsheets_write_it(text, on):
    assert is_on(text, where="x") is on


def test_empty_cells_take_the_defaults():
    defaults = SlideParams(sthresh=20)
    assert parse_params({"sthresh": "", "a_t": " "}, defaults, where="x") == defaults


def test_the_list_begins_with_the_columns_of_the_original(tmp_path):
    ProcessList.of_slides(["a.svs"], SlideParams()).write(tmp_path / "list.csv")
    header = (tmp_path / "list.csv").read_text().splitlines()[0].split(",")
    assert tuple(header[: len(COLUMNS)]) == COLUMNS
    assert COLUMNS[:3] == ("slide_id", "process", "status") and COLUMNS[3:] == PARAM_NAMES


@pytest.mark.parametrize("slide_id", ["0012", "NA", "1e5", "TCGA-A.b-c.d1", "007.svs"])
def test_ids_stay_text_through_a_round_trip(tmp_path, slide_id):
    ProcessList.of_slides([slide_id], SlideParams()).write(tmp_path / "list.csv")
    assert ProcessList.read(tmp_path / "list.csv", SlideParams()).names == [slide_id]


def test_a_hand_edited_list_with_gaps_is_completed(tmp_path):
    path = write(tmp_path / "list.csv", "slide_id,process,sthresh,keep_ids,my_note\na,1,,0,x\nb,0,30.0,,y\nc,,12,,z\n")
    slides = ProcessList.read(path, SlideParams(sthresh=9))
    assert slides.names_to_process == ["a", "c"]
    assert (slides.params("a").sthresh, slides.params("b").sthresh, slides.params("c").sthresh) == (9, 30, 12)
    assert slides.params("a").keep_ids == (0,)
    slides.write(path)
    assert "my_note" in path.read_text().splitlines()[0]


def test_a_column_that_is_nearly_a_parameter_is_told(tmp_path, caplog):
    ProcessList.read(write(tmp_path / "list.csv", "slide_id,a_tt,stain,mag\na,1,HE,40\n"), SlideParams())
    assert "column a_tt has no effect; is a_t meant?" in caplog.text and "stain" not in caplog.text


@pytest.mark.parametrize(("cell", "value"), [("1.0", True), ("0.0", False), ("True", True), ("0", False)])
def test_switches_of_a_column_with_gaps_are_read(cell, value):
    assert parse_params({"use_otsu": cell}, SlideParams(), where="x").use_otsu is value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\na\n", "no column slide_id; it has: name"),
        ("slide_id\na\na.svs\n", "slide a is there more than once"),
        ("slide_id\n../a\n", "no name"),
        ("slide_id,process\na,maybe\n", "slide a: process = 'maybe': must be 1 or 0"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        ProcessList.read(write(tmp_path / "list.csv", text), SlideParams())


def test_shipped_presets_are_found_by_name_with_or_without_ending():
    assert read_preset(find_preset("bwh_biopsy")) == read_preset(find_preset("bwh_biopsy.csv"))
    assert read_preset(find_preset("tcga")).a_t == 16


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"bwh_biopsy.csv, bwh_resection.csv, faint.csv, ihc.csv, tcga.csv"):
        find_preset("bwh_biospy")


def test_a_preset_survives_a_round_trip(tmp_path):
    params = SlideParams(sthresh=31, keep_ids=(1, 2), a_t=0.25, use_otsu=True)
    write_preset(tmp_path / "mine.csv", params, white_thresh=5, black_thresh=50)
    assert read_preset(tmp_path / "mine.csv") == params


def test_an_unknown_preset_column_is_named(tmp_path):
    with pytest.raises(UsageError, match="unknown column sthres;"):
        read_preset(write(tmp_path / "p.csv", "sthres\n8\n"))
