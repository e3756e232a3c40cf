"""The dataset CSV: one row a slide, with its patient and its label. Owner of that format.

Columns ``case_id`` (the patient), ``slide_id`` (with or without the slide's extension) and ``label``; more
columns may follow, to filter by. Every id is text: ``0012``, ``NA`` and ``1e5`` stay what was typed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from utils.errors import UsageError
from utils.names import distinct_slide_ids
from utils.tables import read_text_table, write_table

KIND = "dataset CSV"
LabelDict = Mapping[str, int] | Mapping[int, int]  # label texts; whole numbers are meant as text too


@dataclass(frozen=True)
class SlideTable:
    """The slides of a cohort.

    Attributes:
        path: the file it was read from, for messages.
        slides: ``case_id``, ``slide_id`` (without extension), ``label`` (int) and the file's other columns, in
            the order of the file.
        class_names: the label text of every class; ``a|b`` where several texts share a class.
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
    label_dict: LabelDict,
    *,
    label_col: str = "label",
    filter_dict: Mapping[str, Iterable[str]] | None = None,
    ignore: Iterable[str] = (),
) -> SlideTable:
    """Read a dataset CSV and turn its labels into class numbers.

    Args:
        path: the file.
        label_dict: class (0, 1, …) of every label text.
        label_col: the column that holds the label.
        filter_dict: column → values; only rows that have one of the values in every such column are kept.
        ignore: labels whose rows are left out.

    Raises:
        UsageError: no such file or column, a slide twice, an id that cannot be a file name, an unknown label
            (all are named with their counts), or no row left.
    """
    class_names = _names_of_classes(label_dict)
    filter_dict = filter_dict or {}
    table = read_text_table(path, required=("case_id", "slide_id", label_col, *filter_dict), kind=KIND)
    table["slide_id"] = distinct_slide_ids(table["slide_id"], where=f"{KIND} {path}")
    _check_case_ids(table, path)
    table["label"] = table[label_col]
    kept = _filtered(table, filter_dict, ignore)
    if kept.empty:
        raise UsageError(f"{KIND} {path}: no slide left of {len(table)} rows (after filter_dict and ignore)")
    kept["label"] = _classes_of(kept["label"], label_dict, path)
    left_out = frozenset(table["slide_id"]) - frozenset(kept["slide_id"])
    return SlideTable(Path(path), kept, class_names, left_out)


def write_slide_table(path: str | Path, slides: pd.DataFrame) -> None:
    """Write rows of ``case_id, slide_id, label`` (label text) and any further columns, atomically."""
    first = ["case_id", "slide_id", "label"]
    write_table(slides[[*first, *(c for c in slides.columns if c not in first)]], path)


def _names_of_classes(label_dict: LabelDict) -> tuple[str, ...]:
    classes = sorted(set(label_dict.values()))
    if not classes or classes != list(range(len(classes))):
        raise UsageError(f"label_dict must map labels to 0, 1, … without gaps; it is {dict(label_dict)}")
    return tuple("|".join(str(text) for text, c in label_dict.items() if c == number) for number in classes)


def _check_case_ids(table: pd.DataFrame, path: str | Path) -> None:
    without = list(table.loc[table["case_id"] == "", "slide_id"])
    if without:
        raise UsageError(f"{KIND} {path}: no case_id for slide {', '.join(without)}")


def _filtered(table: pd.DataFrame, filter_dict: Mapping[str, Iterable[str]], ignore: Iterable[str]) -> pd.DataFrame:
    keep = ~table["label"].isin([str(label) for label in ignore])
    for column, values in filter_dict.items():
        keep &= table[column].isin([str(value) for value in values])
    return table[keep].reset_index(drop=True)


def _classes_of(labels: pd.Series, label_dict: LabelDict, path: str | Path) -> np.ndarray:
    class_of = {str(text): number for text, number in label_dict.items()}
    unknown = labels[~labels.isin(list(class_of))].value_counts()
    if len(unknown):
        counts = ", ".join(f"{text!r} ({count} row{'s' * (count > 1)})" for text, count in unknown.items())
        raise UsageError(f"{KIND} {path}: unknown label {counts}; known: {', '.join(class_of)}")
    return np.array([class_of[text] for text in labels], dtype=np.int64)
