"""Files, names and tables: what every stage relies on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.atomic import PREFIX, atomic_path, finished_files, write_text
from utils.errors import UsageError
from utils.fingerprint import fingerprint
from utils.lookup import PROJECT_ROOT, find_input, require_choice, require_writable
from utils.names import SLIDE_EXTENSIONS, check_id, slide_id_of
from utils.tables import read_text_table


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_the_temporary_name_keeps_the_ending_and_folders_are_made(tmp_path):
    with atomic_path(tmp_path / "new" / "a.png") as part:
        assert part.suffix == ".png" and part.parent == tmp_path / "new"
        part.write_bytes(b"x")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.png"]


def test_what_is_being_written_is_not_among_the_finished_files(tmp_path):
    write_text(tmp_path / "a.h5", "")
    write_text(tmp_path / ".svs.h5", "")  # a slide may be called so
    with atomic_path(tmp_path / "b.h5") as part:
        part.write_text("half")
        assert part.name.startswith(PREFIX)
        assert {path.name for path in finished_files(tmp_path, "*.h5")} == {"a.h5", ".svs.h5"}


@given(st.text("abcTCGA01.-_", min_size=1, max_size=12), st.sampled_from(SLIDE_EXTENSIONS))
def test_an_id_keeps_its_dots_and_loses_its_extension_once(name, extension):
    assert slide_id_of(name + extension) == name


@pytest.mark.parametrize("name", ["0012", "NA", "1e5", "TCGA-A1.2b3c", ".svs"])
def test_a_name_without_extension_is_its_id(name):
    assert slide_id_of(name) == name


@pytest.mark.parametrize("text", ["", "..", "a/b", "..\\a", "a\nb"])
def test_a_path_is_no_id(text):
    with pytest.raises(UsageError, match="list L"):
        check_id(text, where="list L")


def test_table_cells_stay_text(tmp_path):
    (tmp_path / "t.csv").write_text("slide_id,label\n0012, NA\n1e5,\n")
    table = read_text_table(tmp_path / "t.csv")
    assert table.to_dict("list") == {"slide_id": ["0012", "1e5"], "label": ["NA", ""]}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffslide_id,label\r\na,x\r\n",
        "slide_id;label\na;x\n",
        "slide_id,label,\na,x,\n,,\n  , ,\n",
        "slide_id,label\na,x,\n",
        "slide_id , label\na,x,,,\n",
    ],
)
def test_what_a_spreadsheet_does_to_a_table_is_undone(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    assert read_text_table(tmp_path / "t.csv").to_dict("list") == {"slide_id": ["a"], "label": ["x"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", "not readable as CSV"),
        ("a,b\n1,2\n", "no column slide_id; it has: a, b"),
        ("slide_id,keep_ids\nb,0\na,0,1\n", r'row 3: more cells than the 2 columns; .* into quotes, such as "0,3"'),
        ("slide_id,x,x\na,1,2\n", "column x is there more than once"),
        ("slide_id\na\nb,c,d\n", "row 3: more cells than the 1 columns"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_text_table(tmp_path / "t.csv", required=("slide_id",))


def test_a_bare_name_is_found_beside_the_programs_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("tcga.csv", "presets/tcga.csv"):
        assert find_input(name, beside="presets", kind="preset") == PROJECT_ROOT / "presets" / "tcga.csv"
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "tcga.csv").touch()
    assert find_input("tcga.csv", beside="presets", kind="preset") == Path("presets/tcga.csv")
    (tmp_path / "tcga.csv").touch()
    assert find_input("tcga.csv", beside="presets", kind="preset").absolute() == tmp_path / "tcga.csv"


def test_a_folder_that_cannot_be_made_is_named_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--save_dir .*file/out: .*file is no folder"):
        require_writable(tmp_path / "file" / "out", flag="--save_dir")
    assert require_writable(tmp_path / "new" / "deep", flag="--save_dir") == tmp_path / "new" / "deep"
    assert not (tmp_path / "new").exists()


def test_an_unknown_choice_suggests_the_nearest():
    with pytest.raises(UsageError, match=r"unknown encoder 'univ1' \(did you mean uni_v1\?\); known: uni_v1, conch_v1"):
        require_choice("univ1", ["uni_v1", "conch_v1"], kind="encoder")


def test_a_fingerprint_depends_on_values_not_on_order():
    assert fingerprint(a=1, b=[2]) == fingerprint(b=[2], a=1) != fingerprint(a=1, b=[3])
