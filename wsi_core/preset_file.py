"""``presets/<name>.csv``: one row of parameters that suit a kind of slide. Owner of that format."""

import logging
from pathlib import Path

import pandas as pd

from utils.errors import UsageError
from utils.lookup import find_input
from utils.tables import read_text_table, write_table
from wsi_core.params import PARAM_NAMES, SlideParams, parse_params

logger = logging.getLogger(__name__)

# Columns that presets of the original hold and that have no effect on coordinates.
WITHOUT_EFFECT = ("white_thresh", "black_thresh")


def find_preset(name: str) -> Path:
    """Return the file of a preset given by path or name, with or without ``.csv``."""
    given = Path(name)
    with_suffix = given if given.suffix or given.exists() else given.with_suffix(".csv")
    return find_input(with_suffix, beside="presets", kind="preset")


def read_preset(path: Path) -> SlideParams:
    """Read a preset; columns it lacks take the defaults.

    Raises:
        UsageError: it has not exactly one row, an unknown column or a value that is not allowed.
    """
    table = read_text_table(path, kind="preset")
    if len(table) != 1:
        raise UsageError(f"preset {path}: {len(table)} rows, expected one")
    unknown = [c for c in table.columns if c not in (*PARAM_NAMES, *WITHOUT_EFFECT)]
    if unknown:
        raise UsageError(f"preset {path}: unknown column {', '.join(unknown)}; known: {', '.join(PARAM_NAMES)}")
    logger.info("preset %s", path)
    return parse_params(table.iloc[0].to_dict(), SlideParams(), where=f"preset {path}")


def write_preset(path: Path, params: SlideParams) -> None:
    """Write a preset, atomically."""
    write_table(pd.DataFrame([params.as_text()]), path)
