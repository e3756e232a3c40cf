"""``presets/<name>.csv``: one row of parameters that suit a kind of slide. Owner of that format."""

import logging
from pathlib import Path

import pandas as pd

from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT, find_input
from utils.tables import read_text_table, write_table
from wsi_core.params import PARAM_NAMES, SlideParams, parse_params

logger = logging.getLogger(__name__)

# Columns that presets of the original hold and that have no effect on coordinates.
WITHOUT_EFFECT = ("white_thresh", "black_thresh")
COLUMNS = (
    "seg_level", "sthresh", "mthresh", "close", "use_otsu", "a_t", "a_h", "max_n_holes", "vis_level", "line_thickness",
    *WITHOUT_EFFECT, "use_padding", "contour_fn", "keep_ids", "exclude_ids",
)  # fmt: skip


def find_preset(name: str) -> Path:
    """Return the file of a preset given by path or name, with or without ``.csv``."""
    given = Path(name)
    with_suffix = given if given.suffix == ".csv" or given.is_file() else Path(f"{name}.csv")
    return find_input(with_suffix, beside="presets", kind="preset")


def read_preset(path: Path) -> SlideParams:
    """Read a preset; columns it lacks take the defaults.

    Raises:
        UsageError: it has not exactly one row, an unknown column or a value that is not allowed.
    """
    table = read_text_table(path, kind="preset")
    if len(table) != 1:
        raise UsageError(f"preset {path}: {len(table)} rows, expected one")
    unknown = [c for c in table.columns if c not in COLUMNS]
    if unknown:
        raise UsageError(f"preset {path}: unknown column {', '.join(unknown)}; known: {', '.join(PARAM_NAMES)}")
    shown = path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path  # the log lies in results
    logger.info("preset %s", shown)
    return parse_params(table.iloc[0].to_dict(), SlideParams(), where=f"preset {path}")


def write_preset(path: Path, params: SlideParams, *, white_thresh: int, black_thresh: int) -> None:
    """Write a preset, atomically.

    Args:
        path: the file.
        params: its parameters.
        white_thresh: only kept for programs that read presets of the original.
        black_thresh: likewise.
    """
    cells = {**params.as_text(), "white_thresh": str(white_thresh), "black_thresh": str(black_thresh)}
    write_table(pd.DataFrame([cells], columns=list(COLUMNS)), path)
