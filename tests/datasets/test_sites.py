"""Where slides come from."""

import pandas as pd
import pytest

from datasets.sites import known_sites, sites_of
from datasets.slide_table import SlideTable
from datasets.units import patients_of
from utils.errors import UsageError


def table(rows: list[tuple[str, str, str]], column: str = "site") -> SlideTable:
    slides = pd.DataFrame(rows, columns=["case_id", "slide_id", column]).assign(label=0)
    return SlideTable("cohort.csv", slides, ("any",))


def sites(cohort: SlideTable, column: str = "site") -> list[str]:
    return list(sites_of(patients_of(cohort.slides, 1), cohort, column))


def test_a_column_says_the_site():
    assert sites(table([("p2", "s1", "B"), ("p1", "s2", "A")])) == ["A", "B"]
    assert sites(table([("p2", "s1", "B"), ("p1", "s2", "A")], "hospital"), "hospital") == ["A", "B"]


def test_tcga_barcodes_say_the_site_in_either_id():
    rows = [("TCGA-A2-A0T2", "x", ""), ("7", "TCGA-BH-A18Q-01Z-00-DX1.uuid", ""), ("8", "TCGAxBH-A18Q", "")]
    slides = table(rows, "other").slides
    assert known_sites(slides) == {"x": "A2", "TCGA-BH-A18Q-01Z-00-DX1.uuid": "BH"}


def test_sites_that_share_a_patient_count_as_one(caplog):
    rows = [("p1", "a", "A"), ("p1", "b", "B"), ("p2", "c", "B"), ("p3", "d", "C"), ("p4", "e", "D"), ("p4", "f", "C")]
    assert sites(table(rows)) == ["A+B", "A+B", "C+D", "C+D"]
    assert "count as one: A+B, C+D" in caplog.text


@pytest.mark.parametrize(
    ("cohort", "column", "message"),
    [
        (table([("p1", "a", "A"), ("p2", "b", "")]), "site", r"no site for 1 of 2 slides \(b\): fill a column 'site'"),
        (table([("p1", "a", "A")], "other"), "site", "use TCGA barcodes"),
        (table([("TCGA-A2-A0T2", "a", "A")]), "hospital", "--site_col hospital: the dataset CSV has no such column"),
    ],
)
def test_what_is_missing_is_said(cohort, column, message):
    with pytest.raises(UsageError, match=message):
        sites(cohort, column)
