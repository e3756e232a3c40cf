"""The dataset CSV: one row a slide, with its patient and what is to be predicted of it. Owner of that format.

Columns ``case_id`` (the patient), ``slide_id`` (with or without the slide's extension) and ``label``, or as a task
names them; more columns may follow, to filter by. Every id is text: ``0012``, ``NA`` and ``1e5`` stay what was typed.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from datasets.targets import LabelDict, TargetColumns, describe_values, names_of_classes
from utils.errors import UsageError
from utils.names import distinct_slide_ids
from utils.tables import read_text_table, write_table

logger = logging.getLogger(__name__)

KIND = "dataset CSV"


@dataclass(frozen=True)
class SlideTable:
    """The slides of a cohort.

    Attributes:
        path: the file it was read from, for messages.
        slides: ``case_id``, ``slide_id`` (without extension), ``label`` (int) and the file's other columns, in
            the order of the file; ``target``, or ``time`` and ``event``, where no classes are predicted.
        class_names: the label text of every class, ``a|b`` where several texts share a class; or the names of strata.
        left_out_ids: slides that ``filter_dict`` or ``ignore`` took out.
    """

    path: Path
    slides: pd.DataFrame
    class_names: tuple[str, ...]
    left_out_ids: frozenset[str] = frozenset()

    @property
    def n_classes(self) -> int:
        """Number of classes that the labels are mapped to, present in the cohort or not."""
        return len(self.class_names)

    def __len__(self) -> int:
        return len(self.slides)


def read_slide_table(
    path: str | Path,
    targets: LabelDict | TargetColumns,
    *,
    label_col: str = "label",
    slide_col: str = "slide_id",
    patient_col: str = "case_id",
    filter_dict: Mapping[str, Iterable[str]] | None = None,
    ignore: Iterable[str] = (),
    ignore_unknown: bool = False,
    needed: Iterable[str] = (),
) -> SlideTable:
    """Read a dataset CSV and turn its labels into class numbers.

    Args:
        path: the file.
        targets: class (0, 1, …) of every label text, or the columns of anything else that is to be predicted.
        label_col: the column that holds the label, where ``targets`` are classes of texts.
        slide_col, patient_col: the columns of the slide and of its patient; the same one where each stands alone.
        filter_dict: column → values; only rows that have one of the values in every such column are kept.
        ignore: labels whose rows are left out.
        ignore_unknown: leave out rows whose label is unknown or empty.
        needed: further columns that must be there.

    Raises:
        UsageError: no such file or column, a slide twice, an id that cannot be a file name, an unknown label
            (all are named with their counts), or no row left.
    """
    columns = targets if isinstance(targets, TargetColumns) else TargetColumns(label_col=label_col, label_map=targets)
    if columns.label_map is not None:
        names_of_classes(columns.label_map)
    filter_dict = filter_dict or {}
    required = (patient_col, slide_col, *columns.columns, *filter_dict, *needed)
    table = _with_ids(read_text_table(path, required=required, kind=KIND), slide_col, patient_col, path)
    ignored = table[columns.columns[0]].isin([str(label) for label in ignore])
    kept = _filtered(table[~ignored], filter_dict)
    kept = _understood(kept, columns, path, drop=ignore_unknown)
    if kept.empty:
        raise UsageError(f"{KIND} {path}: no slide left of {len(table)} rows (after filter_dict and ignore)")
    what, class_names = columns.read(kept)
    left_out = frozenset(table["slide_id"]) - frozenset(kept["slide_id"])
    return SlideTable(Path(path), kept.assign(**what), class_names, left_out)


def read_slide_list(
    path: str | Path,
    slide_col: str = "slide_id",
    patient_col: str = "case_id",
    filter_dict: Mapping[str, Iterable[str]] | None = None,
    needed: Iterable[str] = (),
) -> pd.DataFrame:
    """Read a CSV of slides without labels.

    Args: as for ``read_slide_table``.

    Returns:
        ``slide_id`` and ``case_id``, and the file's other columns; without a column of patients each slide is one.

    Raises:
        UsageError: no such file or column, a slide twice, or an id that cannot be a file name.
    """
    table = read_text_table(path, required=(slide_col, *(filter_dict or {}), *needed), kind=KIND)
    if patient_col not in table:
        logger.info("%s has no column %s: each slide counts as a patient", path, patient_col)
        patient_col = slide_col
    return _filtered(_with_ids(table, slide_col, patient_col, path), filter_dict or {})


def write_slide_table(path: str | Path, slides: pd.DataFrame) -> None:
    """Write rows of ``case_id, slide_id, label`` (label text) and any further columns, atomically."""
    first = ["case_id", "slide_id", "label"]
    write_table(slides[[*first, *(c for c in slides.columns if c not in first)]], path)


def _with_ids(table: pd.DataFrame, slide_col: str, patient_col: str, path: str | Path) -> pd.DataFrame:
    slide_ids = distinct_slide_ids(table[slide_col], where=f"{KIND} {path}")
    case_ids = slide_ids if patient_col == slide_col else list(table[patient_col])
    without = [slide_id for slide_id, case_id in zip(slide_ids, case_ids, strict=True) if not case_id]
    if without:
        raise UsageError(f"{KIND} {path}: no {patient_col} for slide {', '.join(without)}")
    return table.assign(slide_id=slide_ids, case_id=case_ids)


def _filtered(table: pd.DataFrame, filter_dict: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    for column, values in filter_dict.items():
        table = table[table[column].isin([str(value) for value in values])]
    return table.reset_index(drop=True)


def _understood(rows: pd.DataFrame, columns: TargetColumns, path: str | Path, *, drop: bool) -> pd.DataFrame:
    """Return the rows whose label is understood; without ``drop`` that must be all."""
    unknown = columns.unknown(rows)
    if unknown.empty:
        return rows
    labels = f"{KIND} {path}: unknown label {describe_values(unknown)}"
    if not drop:
        raise UsageError(f"{labels}; known: {columns.known_text(rows)}; --ignore leaves such rows out")
    logger.warning("%s: %d of %d rows are left out", labels, len(unknown), len(rows))
    return rows.drop(unknown.index).reset_index(drop=True)
