"""CSV tables in which every cell is text: ids like ``0012``, ``NA`` and ``1e5`` stay what was typed."""

from pathlib import Path

import pandas as pd

from utils.atomic import atomic_path
from utils.errors import UsageError, one_line


def read_text_table(path: str | Path, *, required: tuple[str, ...] = (), kind: str = "table") -> pd.DataFrame:
    """Read a CSV without guessing types; empty cells are empty strings.

    What spreadsheets do to a CSV is undone: a byte order mark, semicolons for commas, empty rows and columns.

    Raises:
        UsageError: the file is missing or no CSV, or lacks one of the ``required`` columns.
    """
    try:
        table = pd.read_csv(path, sep=_separator(path), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"not readable as CSV ({one_line(error)})"
        raise UsageError(f"{kind} {path}: {reason}") from error
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise UsageError(
            f"{kind} {path}: no column {', '.join(missing)}; it has: {', '.join(map(str, table.columns)) or 'none'}"
        )
    return _without_empty_rows_and_columns(table.apply(lambda column: column.str.strip())) if len(table) else table


def _separator(path: str | Path) -> str:
    with Path(path).open(encoding="utf-8-sig") as file:
        header = file.readline()
    return ";" if ";" in header and "," not in header else ","


def _without_empty_rows_and_columns(table: pd.DataFrame) -> pd.DataFrame:
    filled = table != ""
    keep = [not str(name).startswith("Unnamed: ") or filled[name].any() for name in table.columns]
    return table.loc[filled.any(axis=1), keep].reset_index(drop=True)


def is_on(cell: str, *, where: str) -> bool:
    """Read a switch as people and spreadsheets write it; an empty cell is on.

    Raises:
        UsageError: it is neither; names ``where`` it stands.
    """
    text = cell.strip().lower()
    if text in {"", "1", "1.0", "true", "yes"}:
        return True
    if text in {"0", "0.0", "false", "no"}:
        return False
    raise UsageError(f"{where} = {cell!r}: must be 1 or 0")


def write_table(table: pd.DataFrame, path: str | Path, *, index: bool = False) -> None:
    """Write ``table`` as CSV, atomically."""
    with atomic_path(path) as part:
        table.to_csv(part, index=index)
