"""Predictions of all folds in, a folder of statistics, pictures and one HTML report out, whatever is predicted.

``statistics.csv``   level (slide or patient), set (a fold, all together, their mean), figure, value, low, high, std
``statistics.json``  what the figures were made with, and what is undefined or doubtful
``pictures/*.png``   the pictures
``report.html``      all of it
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from metrics.bootstrap import METHOD, Interval
from metrics.pictures import learning_curves_picture
from metrics.report import Picture, Report, Table, save_picture, write_report
from metrics.survival import p_text
from stages.outcomes.outcome import Outcome
from stages.run_files import REPORT
from stages.run_statistics import MEAN_OF_FOLDS, PROBABILITY, provenance, run_statistics, statistics_table
from stages.statistics.kind import FoldCases, OutcomeStatistics, RunStatistics, StatisticsConfig
from stages.statistics.of_outcome import statistics_of
from stages.statistics.together import POOLED
from utils.atomic import write_text
from utils.errors import UsageError
from utils.tables import write_table

logger = logging.getLogger(__name__)

WORDS = {"auc": "AUC", "f1": "F1", "r2": "R²", "mae": "MAE", "rmse": "RMSE", "log_rank": "log-rank"}


@dataclass(frozen=True)
class FoldTables:
    """What a fold leaves, as its files hold it.

    Attributes:
        test: ``slide_id``, ``case_id`` and the columns of the outcome, see ``Outcome.columns``.
        validation: the same of its validation slides; None without.
        history: a row an epoch, with ``train_loss``, ``val_loss`` and a figure; None where nothing was trained.
    """

    test: pd.DataFrame
    validation: pd.DataFrame | None = None
    history: pd.DataFrame | None = None


def report_run(
    folder: Path,
    outcome: Outcome,
    folds: Mapping[int, FoldTables],
    *,
    title: str,
    settings: Mapping[str, Any],
    config: StatisticsConfig | None = None,
) -> pd.DataFrame:
    """Write statistics, pictures and the report of a run, and return the statistics.

    Args:
        folder: where they go.
        outcome: what was predicted.
        folds: one or more.
        title: of the report.
        settings: what the run was made with, for the report.
        config: how statistics are made; None: as usual.

    Raises:
        UsageError: there is no fold, or folds disagree on labels or patients.
    """
    if not folds:
        raise UsageError(f"{folder}: no fold is done, so there is nothing to report")
    config = config or StatisticsConfig()
    kind = statistics_of(outcome)
    cases = fold_cases(kind, folds)
    run = run_statistics(kind, cases, config)
    more = kind.more(cases, run)
    for warning in (*run.warnings, *more.warnings):
        logger.warning("%s", warning)
    table = statistics_table(run.intervals)
    write_table(table, folder / "statistics.csv")
    write_text(folder / "statistics.json", json.dumps(provenance(run, kind, more, config), indent=2) + "\n")
    pictures = _pictures(kind, run, cases) | dict(more.pictures)
    for name, picture in pictures.items():
        save_picture(picture, folder / "pictures" / f"{name}.png")
    report = Report(
        title=title,
        summary=_summary(kind, run, config),
        warnings=[*run.warnings, *more.warnings],
        tables=[*(_level_table(run, level, table) for level in run.levels), *_fold_tables(kind, run), *more.tables],
        pictures=list(pictures.values()),
        settings=settings,
    )
    write_report(folder / REPORT, report)
    return table


def fold_cases(kind: OutcomeStatistics, folds: Mapping[int, FoldTables]) -> list[FoldCases]:
    """Return what the tables of folds say."""
    return [
        FoldCases(
            fold=number,
            test=kind.cases(tables.test, number),
            validation=None if tables.validation is None else kind.cases(tables.validation, number),
            history=tables.history,
        )
        for number, tables in folds.items()
    ]


def _pictures(kind: OutcomeStatistics, run: RunStatistics, folds: Sequence[FoldCases]) -> dict[str, Picture]:
    pictures = {
        f"{name}_{level}": picture
        for level in run.levels
        for name, picture in kind.pictures(
            run.sets[level][run.main], run.intervals[level][run.main], level, run.main
        ).items()
    }
    histories = {fold.name: fold.history for fold in folds if fold.history is not None and len(fold.history)}
    if histories:
        pictures["learning_curves"] = Picture.of(learning_curves_picture(histories, *kind.curve))
    return pictures


def _summary(kind: OutcomeStatistics, run: RunStatistics, config: StatisticsConfig) -> list[str]:
    slides = run.sets["slide"][run.main]
    within = f", within {kind.drawn_within}" if kind.drawn_within else ""
    lines = [
        f"{len(set(slides.slide_ids))} slides of {slides.n_patients} patients; {kind.describe(slides)}",
        f"Intervals are 95 % ({METHOD}) from {config.n_resamples} draws of patients with all their slides{within}, "
        f"seed {config.seed}. {kind.of_patients}",
    ]
    return [*lines, kind.of_pooled] if kind.of_pooled and run.main == POOLED else lines


def _level_table(run: RunStatistics, level: str, table: pd.DataFrame) -> Table:
    intervals = run.intervals[level][run.main]
    rows = pd.DataFrame({"figure": map(readable, intervals), run.main: [shown(*item) for item in intervals.items()]})
    means = table[(table["level"] == level) & (table["set"] == MEAN_OF_FOLDS)].set_index("figure")
    if len(means):
        rows["mean ± std of folds"] = [_mean_and_std(means, figure) for figure in intervals]
    return Table(f"Figures of {len(set(run.sets[level][run.main].slide_ids))} {level}s", rows)


def _mean_and_std(means: pd.DataFrame, figure: str) -> str:
    if figure not in means.index:
        return ""
    mean, std = means.loc[figure, ["value", "std"]]
    if pd.isna(mean):
        return "undefined"
    return f"{mean:.3f} (of one fold)" if pd.isna(std) else f"{mean:.3f} ± {std:.3f}"


def _fold_tables(kind: OutcomeStatistics, run: RunStatistics) -> list[Table]:
    """Return one table of the folds' main figures, or none for a single fold."""
    level = run.levels[-1]
    folds = {name: figures for name, figures in run.intervals[level].items() if name.startswith("fold ")}
    if len(folds) < 2:
        return []
    rows = pd.DataFrame(
        [
            {"fold": name.removeprefix("fold "), f"{level}s": len(run.sets[level][name])}
            | {readable(figure): shown(figure, figures[figure]) for figure in kind.main_figures}
            for name, figures in folds.items()
        ]
    )
    return [Table(f"Folds, by {level}", rows)]


def shown(figure: str, interval: Interval) -> str:
    """Return a figure with its interval as a reader sees it."""
    return p_text(interval.value) if figure.endswith(PROBABILITY) else str(interval)


def readable(figure: str) -> str:
    """Return the name of a figure as a reader says it, its class as it is."""
    words, _, of_class = figure.removesuffix("]").partition("[")
    for name, said in WORDS.items():
        words = words.replace(name, said)
    words = words.replace("_", " ")
    return words[0].upper() + words[1:] + (f", {of_class}" if of_class else "")
