"""``--test_ids``: a file that names who tests in every split. Owner of that format, which is only read.

A CSV with a column ``case_id`` or ``slide_id``, or one id a line without a header. A slide stands for its patient.
"""

from pathlib import Path

import pandas as pd

from datasets.slide_table import SlideTable
from datasets.units import Units
from utils.errors import UsageError
from utils.names import slide_id_of
from utils.tables import read_text_table

KIND = "--test_ids"


def read_test_units(path: str | Path, table: SlideTable, patients: Units) -> list[int]:
    """Return the positions of the patients that a file names, ascending.

    Raises:
        UsageError: no such file, it has several columns of other names, or ids that the cohort lacks.
    """
    ids, by_case, by_slide = _ids_in(read_text_table(path, kind=KIND), path)
    position = {case_id: number for number, case_id in enumerate(patients.ids)}
    case_of = dict(zip(table.slides["slide_id"], table.slides["case_id"], strict=True)) if by_slide else {}
    if by_case:
        case_of |= {case_id: case_id for case_id in position}
    cases = {one: case_of.get(one, case_of.get(slide_id_of(one))) for one in ids}
    unknown = [one for one, case_id in cases.items() if case_id is None]
    if unknown or not ids:
        raise UsageError(
            f"{KIND} {path}: {len(unknown)} of {len(cases)} ids are not in {table.path}: {', '.join(unknown) or 'none'}"
            "; it takes a column case_id or slide_id, or one id a line"
        )
    return sorted({position[case_id] for case_id in cases.values()})


def _ids_in(cells: pd.DataFrame, path: str | Path) -> tuple[list[str], bool, bool]:
    """Return the ids, and whether they may be patients and slides."""
    for column, by_case in (("case_id", True), ("slide_id", False)):
        if column in cells:
            return [one for one in cells[column] if one], by_case, not by_case
    if len(cells.columns) != 1:
        raise UsageError(f"{KIND} {path}: no column case_id or slide_id; it has: {', '.join(cells.columns)}")
    first = str(cells.columns[0])
    return [first, *(one for one in cells[first] if one)], True, True
