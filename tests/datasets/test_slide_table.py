"""The dataset CSV: ids stay text, labels become classes, what is wrong is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.slide_table import read_slide_table, write_slide_table
from demo.make_example_tables import tumor_subtyping_table
from tests.datasets.cohorts import LABELS, write_cohort
from utils.errors import UsageError


def test_ids_that_look_like_numbers_or_gaps_stay_text(tmp_path):
    path = write_cohort(tmp_path / "c.csv", "0012 0012 normal\nNA NA tumor\n1e5 1e5 tumor\n007 1.50 normal")
    slides = read_slide_table(path, LABELS).slides
    assert list(slides["case_id"]) == ["0012", "NA", "1e5", "007"]
    assert list(slides["slide_id"]) == ["0012", "NA", "1e5", "1.50"]


def test_slides_may_be_named_with_their_extension(tmp_path):
    path = write_cohort(tmp_path / "c.csv", "a a.svs normal\nb b.x.NDPI tumor\nc c tumor")
    assert list(read_slide_table(path, LABELS).slides["slide_id"]) == ["a", "b.x", "c"]


def test_labels_become_classes_in_the_order_of_the_file(tmp_path):
    path = write_cohort(tmp_path / "c.csv", "z z tumor\na a normal\nm m tumor")
    table = read_slide_table(path, LABELS)
    assert list(table.slides["label"]) == [1, 0, 1]
    assert table.class_names == ("normal", "tumor")


def test_labels_may_be_numbers_and_share_a_class(tmp_path):
    path = write_cohort(tmp_path / "c.csv", "a a 7\nb b 8\nc c 9")
    table = read_slide_table(path, {7: 0, 8: 1, 9: 1})
    assert list(table.slides["label"]) == [0, 1, 1]
    assert table.class_names == ("7", "8|9")


def test_rows_are_chosen_by_filter_and_ignored_by_label(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("case_id,slide_id,site,grade\na,a,01,low\nb,b,01,high\nc,c,1,low\nd,d,01,odd\n")
    table = read_slide_table(
        path, {"low": 0, "high": 1}, label_col="grade", filter_dict={"site": ["01"]}, ignore=["odd"]
    )
    assert list(table.slides["slide_id"]) == ["a", "b"]
    assert table.left_out_ids == {"c", "d"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a a tumour\nb b tumour\nc c tumor\nd d Normal", r"unknown label 'tumour' \(2 rows\), 'Normal' \(1 row\)"),
        ("a a ", r"unknown label '' \(1 row\); known: normal, tumor"),
        ("a a tumor\na a.svs tumor", "slide a is there more than once"),
        ("a ../a tumor", "is no name"),
        (" a tumor", "no case_id for slide a"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, message):
    with pytest.raises(UsageError, match=message):
        read_slide_table(write_cohort(tmp_path / "c.csv", rows), LABELS)


def test_a_missing_column_file_or_row_is_named(tmp_path):
    path = tmp_path / "c.csv"
    with pytest.raises(UsageError, match="no such file"):
        read_slide_table(path, LABELS)
    path.write_text("case_id,slide,label\n")
    with pytest.raises(UsageError, match="no column slide_id; it has: case_id, slide, label"):
        read_slide_table(path, LABELS)
    write_cohort(path, "a a normal")
    with pytest.raises(UsageError, match="no slide left of 1 rows"):
        read_slide_table(path, LABELS, ignore=["normal"])
    with pytest.raises(UsageError, match="no column site"):
        read_slide_table(path, LABELS, filter_dict={"site": ["1"]})


@pytest.mark.parametrize("label_dict", [{}, {"a": 1, "b": 2}, {"a": 0, "b": 2}])
def test_classes_must_count_from_zero(tmp_path, label_dict):
    with pytest.raises(UsageError, match="without gaps"):
        read_slide_table(write_cohort(tmp_path / "c.csv"), label_dict)


@settings(deadline=None)
@given(
    st.lists(st.text("0123456789eE.+-NAnaif_, \"'", min_size=1).map(str.strip).filter(bool), unique=True, min_size=1)
)
def test_any_case_id_survives_a_round_trip(tmp_path_factory, case_ids):
    path = tmp_path_factory.mktemp("table") / "c.csv"
    slides = tumor_subtyping_table().head(len(case_ids)).assign(case_id=case_ids[: len(tumor_subtyping_table())])
    write_slide_table(path, slides)
    read = read_slide_table(path, {"subtype_1": 0, "subtype_2": 1, "subtype_3": 2}).slides
    assert list(read["case_id"]) == list(slides["case_id"])
    assert list(read["slide_id"]) == list(slides["slide_id"])
