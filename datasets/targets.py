"""What is to be predicted of a slide, as the columns of a dataset CSV say it: a class, a number, or a time to an event.

Whatever it is, every slide also gets a whole-number ``label``: its class, or the stratum by which splits are balanced
and slides are drawn equally often (quarter of the numbers; event or none).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from utils.errors import UsageError
from utils.switches import switch_of

STRATA = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
EVENT = 1
EVENT_NAMES = ("censored", "event")
SHOWN_VALUES = 10

LabelDict = Mapping[str, int] | Mapping[int, int]  # label texts; whole numbers are meant as text too


@dataclass(frozen=True)
class TargetColumns:
    """Where a table holds what is to be predicted.

    Attributes:
        type: ``classification``, ``regression`` or ``survival``.
        label_col: column of the class or the number.
        label_map: class of each label text; None: the texts found, in alphabetical order.
        time_col, event_col: columns of the time, and of whether the event came then (1) or not yet (0).
        time_bins: intervals of time, with equally many events each.
    """

    type: str = "classification"
    label_col: str = "label"
    label_map: LabelDict | None = None
    time_col: str = "time"
    event_col: str = "event"
    time_bins: int = 4

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table must have."""
        return (self.time_col, self.event_col) if self.type == "survival" else (self.label_col,)

    def unknown(self, rows: pd.DataFrame) -> pd.Series:
        """Return, for each row that cannot be understood, the text of its cells."""
        if self.type == "classification":
            texts = rows[self.label_col]
            known = {str(text) for text in self.label_map} if self.label_map is not None else set(texts) - {""}
            return texts[~texts.isin(list(known))]
        bad = numbers_of(rows[self.columns[0]]).isna()
        if self.type == "survival":
            times = numbers_of(rows[self.time_col])
            bad |= (times < 0) | rows[self.event_col].map(switch_of).isna()
        return rows.loc[bad, list(self.columns)].agg(", ".join, axis=1) if bad.any() else rows.iloc[:0, 0]

    def known_text(self, rows: pd.DataFrame) -> str:
        """Return what would have been understood."""
        if self.type == "classification":
            return ", ".join(str(text) for text in self._map(rows))
        if self.type == "regression":
            return "numbers"
        return f"{self.time_col} is a number of at least 0, {self.event_col} is 0 or 1"

    def read(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Return the columns of what is to be predicted, and the names of the classes or strata.

        Args:
            rows: of a dataset CSV, all understood.

        Returns:
            ``label`` (int) and, for regression, ``target`` (float); for survival ``time`` (float), ``event`` (0 or 1).
        """
        if self.type == "classification":
            class_of = self._map(rows)
            if self.label_map is None and len(class_of) < 2:
                raise UsageError(
                    f"column {self.label_col}: one label alone, {', '.join(class_of)}; name all with a label map"
                )
            labels = rows[self.label_col].map(class_of).astype(np.int64)
            return pd.DataFrame({"label": labels}), names_of_classes(class_of)
        numbers = numbers_of(rows[self.columns[0]]).astype(float)
        if self.type == "regression":
            return pd.DataFrame({"target": numbers, "label": _quarters(numbers)}), STRATA
        events = rows[self.event_col].map(switch_of).astype(np.int64)
        return pd.DataFrame({"time": numbers, "event": events, "label": events}), EVENT_NAMES

    def _map(self, rows: pd.DataFrame) -> dict[str, int]:
        if self.label_map is not None:
            return {str(text): number for text, number in self.label_map.items()}
        return {text: number for number, text in enumerate(sorted(set(rows[self.label_col]) - {""}))}


def names_of_classes(label_map: LabelDict) -> tuple[str, ...]:
    """Return the label text of every class, ``a|b`` where several texts share one.

    Raises:
        UsageError: classes do not count from 0 without gaps.
    """
    classes = sorted(set(label_map.values()))
    if not classes or classes != list(range(len(classes))):
        raise UsageError(f"label_dict must map labels to 0, 1, … without gaps; it is {dict(label_map)}")
    return tuple("|".join(str(text) for text, c in label_map.items() if c == number) for number in classes)


def numbers_of(texts: pd.Series) -> pd.Series:
    """Return the numbers that cells hold; NaN where one holds none, or an infinite one."""
    numbers = pd.to_numeric(texts, errors="coerce")
    return numbers.where(np.isfinite(numbers))


def time_edges(times: np.ndarray, events: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the inner edges (n_bins - 1,) that cut the times of events into intervals with equally many.

    Fewer where times repeat. The last interval has no end, so that every time falls into one.
    """
    of_events = times[events == EVENT]
    return np.unique(np.quantile(of_events, np.arange(1, n_bins) / n_bins)) if len(of_events) else np.empty(0)


def bin_of(times: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the interval (N,) of each time; one on an edge belongs to the later interval."""
    return np.searchsorted(edges, times, side="right")


def describe_values(values: pd.Series) -> str:
    """Return ``'text' (2 rows), ...``, the most frequent first."""
    counts = values.value_counts()
    shown = [f"{text!r} ({n} row{'s' * (n > 1)})" for text, n in counts.head(SHOWN_VALUES).items()]
    more = len(counts) - SHOWN_VALUES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _quarters(numbers: pd.Series) -> np.ndarray:
    return bin_of(numbers.to_numpy(), np.unique(np.quantile(numbers, [0.25, 0.5, 0.75]))).astype(np.int64)
