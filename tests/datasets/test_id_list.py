"""Files that name who tests."""

import pytest

from datasets.id_list import read_test_units
from datasets.slide_table import read_slide_table
from datasets.units import patients_of
from tests.datasets.cohorts import LABELS, write_cohort
from utils.errors import UsageError


@pytest.fixture
def read(tmp_path):
    table = read_slide_table(write_cohort(tmp_path / "cohort.csv"), LABELS)  # p0 has s00 and s01, p1 s02 and s03, ...

    def read_text(text: str) -> list[int]:
        (tmp_path / "ids.csv").write_text(text)
        return read_test_units(tmp_path / "ids.csv", table, patients_of(table.slides, 2))

    return read_text


@pytest.mark.parametrize(
    "text",
    ["case_id,age\np3,7\np0,9\n", "slide_id\ns01.svs\ns00\ns06\n", "p3\np0\n", "s06\ns01\n", "p0\n\ns07.svs\n"],
)
def test_patients_are_found_by_their_id_or_a_slide(read, text):
    assert read(text) == [0, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p0\nP3\nx\n", r"ids.csv: 2 of 3 ids are not in .*cohort.csv: P3, x"),
        ("slide_id\np0\n", "1 of 1 ids are not in"),
        ("case_id\ns00\n", "1 of 1 ids are not in"),
        ("case_id\n", "0 of 0 ids"),
        ("age,sex\n1,f\n", "no column case_id or slide_id; it has: age, sex"),
        ("", "it is empty"),
    ],
)
def test_what_is_not_in_the_cohort_is_named(read, text, message):
    with pytest.raises(UsageError, match=message):
        read(text)
