"""``splits_<i>.csv``, ``_bool.csv``, ``_descriptor.csv``: which slides train, validate and test. Owner of that format.

``splits_<i>.csv`` has a column of slide ids for each side, padded with empty cells; ``_bool`` has a row per slide
and True in the column of its side; ``_descriptor`` counts the slides of each class. Only the first is read back.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from utils.lookup import find_input
from utils.names import checked_slide_id
from utils.tables import read_text_table, write_table

SPLITS_FOLDER = Path("splits")
SIDES = ("train", "val", "test")


class SplitIds(NamedTuple):
    """The slide ids of each side of a split, in the order drawn or read."""

    train: list[str]
    val: list[str]
    test: list[str]


def split_folder_name(
    task_name: str, label_frac: float, split_mode: str = "montecarlo", label_frac_mode: str = "first"
) -> str:
    """Return the folder, below ``splits/``, of a task's splits: ``task_1_tumor_vs_normal_75``.

    Splits drawn in other ways than the original's never replace those: ``task_1_tumor_vs_normal_kfold_random_75``.
    """
    other_mode = [split_mode] * (split_mode != "montecarlo")
    other_part = [label_frac_mode] * (label_frac_mode != "first" and label_frac < 1)
    return "_".join([task_name, *other_mode, *other_part, str(round(100 * label_frac))])


def find_split_folder(name: str) -> Path:
    """Return a folder of splits: a path, or a name in ``splits/`` here or beside the programs.

    Raises:
        UsageError: there is none.
    """
    return find_input(name, beside=str(SPLITS_FOLDER), kind="split folder")


def split_path(folder: str | Path, fold: int) -> Path:
    """Return the file of one split."""
    return Path(folder) / f"splits_{fold}.csv"


def read_split(path: str | Path) -> SplitIds:
    """Read ``splits_<i>.csv``; extensions of slides are taken off.

    Raises:
        UsageError: no such file, a side has no column, or an id is no name.
    """
    where = f"split file {path}"
    table = read_text_table(path, required=SIDES, kind="split file")
    return SplitIds(*([checked_slide_id(name, where=where) for name in table[side] if name] for side in SIDES))


def write_split(path: str | Path, split: SplitIds) -> None:
    """Write ``splits_<i>.csv``, atomically."""
    columns = [pd.Series(ids, dtype=object) for ids in split]
    write_table(pd.concat(columns, axis=1, keys=list(SIDES)), path, index=True)


def forget_splits(folder: str | Path, n_splits: int) -> None:
    """Remove the splits that are to be written anew: a run that is stopped must not leave them beside its own."""
    for fold in range(n_splits):
        split_path(folder, fold).unlink(missing_ok=True)


def write_split_files(
    folder: str | Path, fold: int, split: SplitIds, label_of: Mapping[str, int], class_names: Sequence[str]
) -> None:
    """Write the three files of a split, ``splits_<i>.csv`` last.

    Args:
        folder: where to.
        fold: number of the split, from 0.
        split: its slides.
        label_of: class of every slide.
        class_names: label text of every class.
    """
    path = split_path(folder, fold)
    write_table(_membership(split), path.with_name(f"{path.stem}_bool.csv"), index=True)
    descriptor = count_classes(split, label_of, class_names)
    write_table(descriptor, path.with_name(f"{path.stem}_descriptor.csv"), index=True)
    write_split(path, split)


def count_classes(split: SplitIds, label_of: Mapping[str, int], class_names: Sequence[str]) -> pd.DataFrame:
    """Return the number of slides, a row a class (by label text) and a column a side."""
    labels = {side: [label_of[slide_id] for slide_id in ids] for side, ids in zip(SIDES, split, strict=True)}
    counts = {side: [found.count(number) for number in range(len(class_names))] for side, found in labels.items()}
    return pd.DataFrame(counts, index=list(class_names))


def _membership(split: SplitIds) -> pd.DataFrame:
    ids = [slide_id for side in split for slide_id in side]
    side_of = [side for side, members in zip(SIDES, split, strict=True) for _ in members]
    return pd.DataFrame({side: [own == side for own in side_of] for side in SIDES}, index=ids)
