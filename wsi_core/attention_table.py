"""``<slide>_attention.csv``: the attention of every patch, for other programs. Owner of that format, version 1.

A row a patch and layer: ``slide_id``, ``x``, ``y`` of the corner and ``size_level0`` of the side in level-0 pixels,
``model``, ``class`` (empty where attention belongs to none), ``raw`` score, its ``softmax`` over the slide, its
``percentile`` above 0 and up to 100, and ``spread`` of the percentile over the folds of an ensemble (empty without).
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from utils.atomic import atomic_path
from utils.errors import ItemError, one_line

TEXTS, NUMBERS = ("slide_id", "model", "class"), ("raw", "softmax", "percentile", "spread")
DTYPES = {
    **dict.fromkeys(TEXTS, str),
    **dict.fromkeys(("x", "y", "size_level0"), np.int64),
    **dict.fromkeys(NUMBERS, np.float64),
    "raw": np.float32,
}
COLUMNS = ("slide_id", "x", "y", "size_level0", "model", "class", *NUMBERS)
NUMBER = "%.9g"  # all digits that a float32 has


@dataclass(frozen=True)
class AttentionLayer:
    """What one model says of N patches.

    Attributes:
        model: its name.
        class_name: the class that the scores speak for; empty: none in particular.
        raw: float32 (N,), scores as the model gives them.
        percentile: (N,), above 0 and up to 100.
        spread: (N,), of the percentile over the folds of an ensemble; None without one.
    """

    model: str
    class_name: str
    raw: np.ndarray
    percentile: np.ndarray
    spread: np.ndarray | None = None


def write_attention_table(
    path: Path, slide_id: str, coords: np.ndarray, size_level0: int, layers: Sequence[AttentionLayer]
) -> None:
    """Write the patches of a slide, layer by layer, atomically.

    Args:
        path: the file.
        slide_id: the slide.
        coords: int64 (N, 2), level-0 (x, y) of the corners.
        size_level0: side of a patch in level-0 pixels.
        layers: what is known of these patches.

    Raises:
        ValueError: a layer has another number of patches.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write(_csv_line(COLUMNS))
        for layer in layers:
            file.writelines(_lines(slide_id, coords, size_level0, layer))


def read_attention_table(path: Path) -> pd.DataFrame:
    """Read the table: names as text, ``raw`` float32, other scores float64, NaN where there is no ``spread``.

    Raises:
        ItemError: it is missing, no CSV, or lacks a column.
    """
    try:
        return pd.read_csv(path, dtype=DTYPES, usecols=COLUMNS, keep_default_na=False, na_values={"spread": [""]})
    except (OSError, ValueError) as error:
        raise ItemError(f"{path} is no table of attention: {one_line(error)}") from error


def _lines(slide_id: str, coords: np.ndarray, size_level0: int, layer: AttentionLayer) -> Iterator[str]:
    """Yield the rows of a layer; one format for all is five times as fast as pandas, and a slide has 1e5 patches."""
    names = [name.replace("%", "%%") for name in (slide_id, layer.model, layer.class_name)]
    scores = [layer.raw, softmax(layer.raw.astype(np.float64)), layer.percentile]
    scores += [] if layer.spread is None else [layer.spread]
    formats = [NUMBER] * len(scores) + [""] * (len(NUMBERS) - len(scores))
    cells = [names[0], "%d", "%d", str(size_level0), *names[1:], *formats]
    columns = [column.tolist() for column in (*coords.T, *scores)]
    return map(_csv_line(cells).__mod__, zip(*columns, strict=True))


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
