"""``build_preset.py``: from flags to a file that ``--preset`` finds."""

import pytest

import build_preset
from utils.lookup import PROJECT_ROOT
from wsi_core.params import SlideParams
from wsi_core.preset_file import find_preset, read_preset


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("flags", "params"),
    [
        ("", SlideParams()),
        ("--seg_level 2 --vis_level 3 --line_thickness 40", SlideParams(seg_level=2, vis_level=3, line_thickness=40)),
        ("--sthresh 5 --mthresh 11 --close 0 --use_otsu", SlideParams(sthresh=5, mthresh=11, close=0, use_otsu=True)),
        ("--a_t 0.25 --a_h 4 --max_n_holes 2", SlideParams(a_t=0.25, a_h=4, max_n_holes=2)),
        ("--no_padding --contour_fn center", SlideParams(use_padding=False, contour_fn="center")),
    ],
)
@pytest.mark.parametrize("name", ["mine", "mine.csv"])
def test_the_file_holds_what_the_flags_say(here, capsys, flags, params, name):
    assert build_preset.main(["--preset_name", name, *flags.split()]) == 0
    assert capsys.readouterr().out == "presets/mine.csv\n"
    assert read_preset(find_preset("mine")) == params


def test_a_name_with_dots_is_found_as_it_was_typed(here):
    build_preset.main(["--preset_name", "ihc.v2"])
    assert find_preset("ihc.v2").name == "ihc.v2.csv"


def test_the_file_looks_like_the_shipped_ones(here):
    flags = "--sthresh 8 --mthresh 7 --close 4 --a_t 16 --a_h 4 --max_n_holes 8 --line_thickness 100"
    assert build_preset.main(["--preset_name", "tcga", *flags.split()]) == 0
    assert (here / "presets" / "tcga.csv").read_text() == (PROJECT_ROOT / "presets" / "tcga.csv").read_text()


def test_a_preset_is_replaced_only_when_that_is_said(here, caplog):
    build_preset.main(["--preset_name", "mine"])
    assert build_preset.main(["--preset_name", "mine", "--sthresh", "20"]) == 2
    assert "presets/mine.csv is there already" in caplog.text
    assert read_preset(find_preset("mine")) == SlideParams()
    assert build_preset.main(["--preset_name", "mine", "--sthresh", "20", "--overwrite"]) == 0
    assert read_preset(find_preset("mine")).sthresh == 20


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sthresh", "300"], "preset mine: sthresh = '300'"),
        (["--mthresh", "6"], "preset mine: mthresh = '6': must be odd"),
        (["--a_t", "much"], "preset mine: a_t = 'much'"),
        (["--preset_name", "a/b"], "--preset_name: 'a/b' is no name"),
        (["--preset_name", ".csv"], "--preset_name: '' is no name"),
    ],
)
def test_what_is_not_allowed_is_one_line_and_writes_nothing(here, caplog, flags, message):
    assert build_preset.main(["--preset_name", "mine", *flags]) == 2
    assert message in caplog.text and "\n" not in caplog.records[-1].getMessage()
    assert not list(here.iterdir())


@pytest.mark.parametrize("value", ["256", "-1", "white"])
def test_thresholds_of_the_original_are_gray_values(here, capsys, value):
    with pytest.raises(SystemExit) as stop:
        build_preset.main(["--preset_name", "mine", "--white_thresh", value])
    assert stop.value.code == 2 and "--white_thresh" in capsys.readouterr().err and not list(here.iterdir())
