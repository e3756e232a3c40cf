"""CSV tables in which every cell is text: ids like ``0012``, ``NA`` and ``1e5`` stay what was typed."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from utils.atomic import atomic_path
from utils.errors import UsageError, one_line
from utils.wording import few, shortened

MAX_COLUMNS = 2000  # of clinical tables with whatever was ever measured; not of gene expressions
MAX_CELLS = 20_000_000  # with those that rows leave out: a million slides with twenty columns
FEW_CELLS, CELLS_A_BYTE = 10_000, 4  # rows may leave out cells at their end, but not thousands each
SHOWN_COLUMNS = 20
UNNAMED = "Unnamed:"  # a column without a name, such as the numbers of rows that pandas writes


def read_text_table(path: str | Path, *, required: tuple[str, ...] = (), kind: str = "table") -> pd.DataFrame:
    """Read a CSV without guessing types; empty cells are empty strings.

    What spreadsheets and hands do to a CSV is undone: a byte order mark, semicolons for commas, spaces around names and
    cells, empty rows and columns, commas too many at the end of a row.

    Raises:
        UsageError: the file is missing or no CSV, a row has more cells than there are columns, a column is there twice,
            or one of the ``required`` columns is not there.
    """
    if Path(path).is_dir():
        raise UsageError(f"{kind} {path} is a folder")
    try:
        header, *rows = _rows(path)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"not readable as CSV ({one_line(error)})"
        raise UsageError(f"{kind} {path}: {reason}") from error
    if len(header) > MAX_COLUMNS:
        raise UsageError(f"{kind} {path}: {len(header)} columns; leave out what is not needed, {MAX_COLUMNS} may stay")
    n_cells = len(header) * len(rows)
    if n_cells > min(MAX_CELLS, max(FEW_CELLS, CELLS_A_BYTE * Path(path).stat().st_size)):
        raise UsageError(f"{kind} {path}: {len(rows)} rows of {len(header)} columns, most of which are empty")
    for number, row in enumerate(rows, start=2):
        if any(row[len(header) :]):
            raise UsageError(
                f"{kind} {path}, row {number}: more cells than the {len(header)} columns; put a cell with commas "
                f'into quotes, such as "0,3" ({shortened(", ".join(row))})'
            )
    names = [name or f"{UNNAMED} {i}" for i, name in enumerate(header)]
    _refuse_twice(names, where=f"{kind} {path}")
    cells = [row[: len(header)] + [""] * (len(header) - len(row)) for row in rows if any(row)]
    table = pd.DataFrame(cells, columns=names, dtype=str)
    table = table[[name for name in table.columns if not name.startswith(UNNAMED) or (table[name] != "").any()]]
    _require_columns(table, required, where=f"{kind} {path}")
    return table


def _rows(path: str | Path) -> list[list[str]]:
    """Return the cells of all rows."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        separator = ";" if ";" in header and "," not in header else ","
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
        rows = [[cell.strip() for cell in row] for row in reader]
    if not any(any(row) for row in rows):
        raise ValueError("it is empty")
    return rows


def _refuse_twice(columns: Sequence[str], *, where: str) -> None:
    twice = sorted(name for name, count in Counter(columns).items() if count > 1)
    if twice:
        raise UsageError(f"{where}: column {few(twice)} is there more than once")


def _require_columns(table: pd.DataFrame, required: tuple[str, ...], *, where: str) -> None:
    columns = list(table.columns)
    missing = [name for name in required if name not in columns]
    if missing:
        raise UsageError(f"{where}: no column {', '.join(missing)}; it has: {few(columns, SHOWN_COLUMNS) or 'none'}")


def write_table(table: pd.DataFrame, path: str | Path, *, index: bool = False) -> None:
    """Write ``table`` as CSV, atomically."""
    with atomic_path(path) as part:
        table.to_csv(part, index=index)
