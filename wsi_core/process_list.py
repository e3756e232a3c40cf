"""``process_list_autogen.csv``: work list, parameters, status and resume in one. Owner of that format.

One row a slide. Users edit it by hand: ``process`` 1 or 0, any parameter, ``keep_ids`` and ``exclude_ids``.
Columns of their own are kept.
"""

import difflib
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from utils.errors import UsageError
from utils.names import checked_slide_id, is_file_name, slide_id_of
from utils.switches import is_on
from utils.tables import read_text_table, write_table
from utils.wording import few
from wsi_core.params import PARAM_NAMES, RESOLUTION_NAMES, SlideParams, SlideResolution, parse_params, parse_resolution

logger = logging.getLogger(__name__)

FILE_NAME = "process_list_autogen.csv"
TO_BE_PROCESSED = "tbp"
COLUMNS = ("slide_id", "process", "status", *PARAM_NAMES)
# What became of a slide; columns of ours, behind those of the original.
REPORT_COLUMNS = (
    "n_contours",
    "n_patches",
    "reason",
    "base_mpp",
    "read_level",
    "read_size",
    "resize_factor",
    "dropped",
)

# No tissue or no patches is an answer, not a failure: a later stage does not miss these slides.
EMPTY_STATUSES = ("no_tissue", "no_patches")


def names_in(path: Path) -> set[str]:
    """Return the slides that a list names, as they stand there; none where it cannot be read."""
    try:
        return set(read_text_table(path, required=("slide_id",), kind="process list")["slide_id"])
    except UsageError:
        return set()


def _require_names(names: Sequence[str], *, where: str) -> None:
    """Refuse names that no file has, and slides that are there twice: by one name, or with and without extension."""
    for name in names:
        if not is_file_name(name):
            checked_slide_id(name, where=where)  # which says what is wrong with it
    twice = {name for name, count in Counter(names).items() if count > 1}
    twice |= {slide_id_of(name) for name in names if slide_id_of(name) != name} & set(names)
    if twice:
        raise UsageError(f"{where}: slide {few(sorted(map(slide_id_of, twice)))} is there more than once")


def _warn_of_misspelt(table: pd.DataFrame, path: Path) -> None:
    """Name columns that have no effect, as they are almost, but not quite, those of a parameter."""
    known = (*COLUMNS, *REPORT_COLUMNS, *RESOLUTION_NAMES)
    for column in table.columns:
        alike = difflib.get_close_matches(column, known, n=1, cutoff=0.8)
        if alike and column not in known:
            logger.warning("process list %s: column %s has no effect; is %s meant?", path, column, alike[0])


class ProcessList:
    """The slides of a run and what is known of each; every cell is text.

    ``slide_id`` holds file names or ids, as the user has them.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table.reset_index(drop=True)
        self._row_of = {name: row for row, name in enumerate(self._table["slide_id"])}

    @classmethod
    def of_slides(cls, names: list[str], params: SlideParams) -> "ProcessList":
        """Make a list in which every slide waits to be processed with ``params``."""
        return cls._complete(pd.DataFrame({"slide_id": names}, dtype=str), [params] * len(names))

    @classmethod
    def read(cls, path: Path, defaults: SlideParams) -> "ProcessList":
        """Read a list; absent columns and empty cells take ``defaults``, process 1 and status ``tbp``.

        Files that cannot be slides, or have the id of another one, may be in it: their turn tells.

        Raises:
            UsageError: no such file, no ``slide_id``, a name that is none or is there twice, or a wrong cell.
        """
        table = read_text_table(path, required=("slide_id",), kind="process list")
        _require_names(list(table["slide_id"]), where=f"process list {path}")
        _warn_of_misspelt(table, path)
        params = []
        for row in table.to_dict("records"):
            where = f"process list {path}, slide {row['slide_id']}"
            params.append(parse_params(row, defaults, where=where))
            parse_resolution(row, where=where)
            is_on(row.get("process", ""), where=f"{where}: process")
        return cls._complete(table, params)

    @classmethod
    def _complete(cls, table: pd.DataFrame, params: list[SlideParams]) -> "ProcessList":
        known = {"process": "1", "status": TO_BE_PROCESSED, **dict.fromkeys(REPORT_COLUMNS, "")}
        for column, default in known.items():
            given = table[column] if column in table else pd.Series("", table.index, dtype=str)
            table[column] = given.where(given != "", default)
        for name in PARAM_NAMES:
            table[name] = pd.Series([p.as_text()[name] for p in params], table.index, dtype=str)
        extra = [c for c in table.columns if c not in (*COLUMNS, *REPORT_COLUMNS)]
        return cls(table[[*COLUMNS, *REPORT_COLUMNS, *extra]])

    def write(self, path: Path) -> None:
        """Write the list, atomically."""
        write_table(self._table, path)

    @property
    def names(self) -> list[str]:
        """All slides, as they stand in the list."""
        return list(self._table["slide_id"])

    @property
    def names_to_process(self) -> list[str]:
        """The slides whose ``process`` is 1."""
        return [name for name in self.names if is_on(self._cell(name, "process"), where=f"slide {name}: process")]

    def params(self, name: str) -> SlideParams:
        """Return the parameters of a slide."""
        return parse_params(self._table.iloc[self._row_of[name]].to_dict(), SlideParams(), where=f"slide {name}")

    def resolution(self, name: str) -> SlideResolution:
        """Return what a slide's row says about resolution."""
        return parse_resolution(self._table.iloc[self._row_of[name]].to_dict(), where=f"slide {name}")

    def update(self, name: str, cells: Mapping[str, str]) -> None:
        """Set cells of a slide's row."""
        for column, text in cells.items():
            self._table.at[self._row_of[name], column] = text

    def take_rows_of(self, other: "ProcessList", names: Collection[str] | None = None) -> None:
        """Replace the rows of slides, all or those named, that another list has too by those."""
        for name in self.names if names is None else names:
            if name in other._row_of:
                self.update(name, other.row(name))

    def row(self, name: str) -> dict[str, str]:
        """Return all cells of a slide's row."""
        return {str(column): str(cell) for column, cell in self._table.iloc[self._row_of[name]].items()}

    def _cell(self, name: str, column: str) -> str:
        return str(self._table.at[self._row_of[name], column])
