"""What the statistics of a run need to know of a kind of outcome: one small interface, one module a kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import pandas as pd

from metrics.bootstrap import N_RESAMPLES, SEED, Estimator, Interval, figures_with_intervals
from metrics.cases import C
from metrics.figures import SPECIFICITIES
from metrics.report import Picture, Table


@dataclass(frozen=True)
class StatisticsConfig:
    """How statistics are made.

    Attributes:
        voting: label of a patient whose slides differ: ``max`` or ``maj``.
        n_resamples, seed: of the intervals.
        specificities: where sensitivities are given.
    """

    voting: str = "max"
    n_resamples: int = N_RESAMPLES
    seed: int = SEED
    specificities: tuple[float, ...] = SPECIFICITIES


@dataclass(frozen=True)
class FoldCases(Generic[C]):
    """What one fold leaves for its report.

    Attributes:
        fold: its number.
        test: what was predicted of the slides it is judged by, and what is known of them.
        validation: the same of its validation slides; None without.
        history: a row an epoch; None where nothing was trained.
    """

    fold: int
    test: C
    validation: C | None = None
    history: pd.DataFrame | None = None

    @property
    def name(self) -> str:
        """What the fold is called in tables."""
        return f"fold {self.fold}"


@dataclass(frozen=True)
class RunStatistics(Generic[C]):
    """What is computed of a run.

    Attributes:
        sets: level (``slide``, ``patient``) -> set (a fold, all together) -> cases.
        intervals: level -> set -> figure -> value with interval.
        main: the set that stands for the run.
        warnings: what is undefined or doubtful, one line each.
    """

    sets: dict[str, dict[str, C]]
    intervals: dict[str, dict[str, dict[str, Interval]]]
    main: str
    warnings: list[str]

    @property
    def levels(self) -> list[str]:
        """The levels that differ."""
        slides = self.sets["slide"][self.main]
        return ["slide"] if slides.n_patients == len(set(slides.slide_ids)) else ["slide", "patient"]


@dataclass(frozen=True)
class Findings:
    """What a kind adds to its report: tables, pictures by the name of their file, warnings, facts for the JSON."""

    tables: list[Table] = field(default_factory=list)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)


class OutcomeStatistics(ABC, Generic[C]):
    """How good predictions of a kind are.

    Attributes:
        main_figures: those of the table of folds.
        curve: column of the histories, and its name, that is drawn beside the losses.
        drawn_within: what patients are drawn within for intervals, for readers.
        of_pooled: how folds are put together, for readers.
        of_repeated: what becomes of slides that several folds tested, for readers.
        of_patients: what is predicted of a patient, for readers.
        known_of_slides: in what slides of a patient may differ, for readers.
    """

    main_figures: tuple[str, ...]
    curve: tuple[str, str]
    drawn_within: str = ""
    of_pooled: str = ""
    of_repeated: str = "their mean is taken"
    of_patients: str
    known_of_slides: str

    @abstractmethod
    def cases(self, table: pd.DataFrame, fold: int) -> C:
        """Return the rows of a table with ``slide_id``, ``case_id`` and what was known and predicted."""

    @abstractmethod
    def rule(self, config: StatisticsConfig) -> str:
        """Return, for readers, what is known of a patient whose slides differ."""

    @abstractmethod
    def estimator(self, cases: C, config: StatisticsConfig) -> Estimator:
        """Return the figures of cases."""

    @abstractmethod
    def undefined_because(self, cases: C) -> list[str]:
        """Return why figures are undefined, one line a reason."""

    @abstractmethod
    def describe(self, cases: C) -> str:
        """Return, for the report's summary, what the cases are; ends with a full stop."""

    @abstractmethod
    def pictures(self, cases: C, intervals: Mapping[str, Interval], level: str, name: str) -> dict[str, Picture]:
        """Return the pictures of a level (``slide``, ``patient``) of the set of this name, by kind."""

    def figures(self, cases: C, config: StatisticsConfig) -> dict[str, Interval]:
        """Return the figures of cases, with intervals."""
        estimator = self.estimator(cases, config)
        return figures_with_intervals(estimator, cases.patient_ids, n_resamples=config.n_resamples, seed=config.seed)

    def more(self, folds: Sequence[FoldCases[C]], run: RunStatistics[C]) -> Findings:
        """Return what else there is to say."""
        return Findings()


def column(table: pd.DataFrame, name: str) -> Any:
    """Return a column as numbers (N,); NaN where a cell holds none."""
    return pd.to_numeric(table[name], errors="coerce").to_numpy(float)


def ids(table: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return ``slide_ids`` and ``patient_ids`` of a table."""
    return {"slide_ids": tuple(table["slide_id"].astype(str)), "patient_ids": tuple(table["case_id"].astype(str))}
