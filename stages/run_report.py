"""Predictions of all folds in, a folder of statistics, pictures and one HTML report out.

``statistics.csv``   level (slide or patient), set (a fold, all together, their mean), figure, value, low, high, std
``statistics.json``  what the intervals and temperatures were made with, and what is undefined or doubtful
``pictures/*.png``   the pictures
``report.html``      all of it
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from metrics.bootstrap import METHOD
from metrics.calibration import calibration_figures
from metrics.pictures import (
    confusion_picture,
    learning_curves_picture,
    precision_recall_picture,
    reliability_picture,
    roc_picture,
    save_figure,
)
from metrics.report import Picture, Report, Table, write_report
from stages.run_statistics import (
    MEAN_OF_FOLDS,
    FoldOutcome,
    RunStatistics,
    StatisticsConfig,
    provenance,
    run_statistics,
    statistics_table,
)
from utils.atomic import write_text
from utils.tables import write_table

logger = logging.getLogger(__name__)

CAPTIONS = {
    "roc": "Dotted: guessing. In brackets: 95 % interval",
    "precision_recall": "AP: average precision; dotted: guessing",
    "calibration": "Each point stands for about a tenth of the slides",
    "confusion": "Shades are parts of a row",
}
MAIN_FIGURES = ("auc_macro", "average_precision_macro", "balanced_accuracy", "f1_macro")


def write_run_report(
    folder: Path,
    title: str,
    folds: Sequence[FoldOutcome],
    *,
    settings: Mapping[str, Any],
    config: StatisticsConfig | None = None,
) -> pd.DataFrame:
    """Write statistics, pictures and the report of a run, and return the statistics.

    Args:
        folder: where they go.
        title: of the report.
        folds: one or more.
        settings: what the run was made with, for the report.
        config: how statistics are made; None: as usual.

    Raises:
        UsageError: predictions have no labels, or folds disagree on classes, labels or patients.
    """
    config = config or StatisticsConfig()
    results = run_statistics(folds, config)
    for warning in results.warnings:
        logger.warning("%s", warning)
    table = statistics_table(results.intervals)
    write_table(table, folder / "statistics.csv")
    write_text(folder / "statistics.json", json.dumps(provenance(results, config), indent=2) + "\n")
    pictures = _pictures(results, folds)
    for name, figure in pictures.items():
        save_figure(figure, folder / "pictures" / f"{name}.png")
    write_report(folder / "report.html", _report(title, results, table, pictures, settings, config))
    return table


def _pictures(results: RunStatistics, folds: Sequence[FoldOutcome]) -> dict[str, Figure]:
    pictures = {}
    for level in _levels(results):
        predictions, intervals = results.sets[level][results.main], results.intervals[level][results.main]
        ending = f"{level}s, {results.main}"
        pictures[f"roc_{level}"] = roc_picture(predictions, intervals, title=f"ROC ({ending})")
        pictures[f"precision_recall_{level}"] = precision_recall_picture(
            predictions, intervals, title=f"Precision and recall ({ending})"
        )
        pictures[f"confusion_{level}"] = confusion_picture(predictions, title=f"Confusion ({ending})")
    slides = results.sets["slide"][results.main]
    pictures["calibration_slide"] = reliability_picture(
        slides, results.scaled, title=f"Calibration (slides, {results.main})"
    )
    histories = {fold.name: fold.history for fold in folds if fold.history is not None}
    if histories:
        pictures["learning_curves"] = learning_curves_picture(histories)
    return pictures


def _levels(results: RunStatistics) -> list[str]:
    """Return the levels that differ."""
    slides = results.sets["slide"][results.main]
    return ["slide"] if slides.n_patients == len(slides) else ["slide", "patient"]


def _report(
    title: str,
    results: RunStatistics,
    table: pd.DataFrame,
    pictures: Mapping[str, Figure],
    settings: Mapping[str, Any],
    config: StatisticsConfig,
) -> Report:
    of_levels = [_level_table(results, level, table) for level in _levels(results)]
    return Report(
        title=title,
        summary=_summary(results, config),
        warnings=results.warnings,
        tables=[*of_levels, *_fold_tables(results), _calibration_table(results)],
        pictures=[
            Picture(figure.get_suptitle(), figure, CAPTIONS.get(name.rpartition("_")[0], ""))
            for name, figure in pictures.items()
        ],
        settings=settings,
    )


def _summary(results: RunStatistics, config: StatisticsConfig) -> list[str]:
    slides = results.sets["slide"][results.main]
    return [
        f"{len(slides)} slides of {slides.n_patients} patients, {slides.n_classes} classes: "
        f"{', '.join(slides.class_names)}.",
        f"Intervals are 95 % ({METHOD}) from {config.n_resamples} draws of patients with all their slides, within "
        f"classes, seed {config.seed}. A patient's probability is the mean of the slides'.",
    ]


def _level_table(results: RunStatistics, level: str, table: pd.DataFrame) -> Table:
    intervals = results.intervals[level][results.main]
    rows = pd.DataFrame({"figure": map(_readable, intervals), results.main: map(str, intervals.values())})
    means = table[(table["level"] == level) & (table["set"] == MEAN_OF_FOLDS)]
    if len(means):
        rows["mean ± standard deviation of folds"] = [
            "undefined" if pd.isna(mean) else f"{mean:.3f} ± {std:.3f}"
            for mean, std in zip(means["value"], means["std"], strict=True)
        ]
    n_rows = len(results.sets[level][results.main])
    return Table(f"Figures of {n_rows} {level}s", rows)


def _fold_tables(results: RunStatistics) -> list[Table]:
    """Return one table of the folds' main figures, or none for a single fold."""
    folds = {name: figures for name, figures in results.intervals["slide"].items() if name.startswith("fold ")}
    if len(folds) < 2:
        return []
    rows = pd.DataFrame(
        [
            {"fold": name, "slides": len(results.sets["slide"][name])}
            | {_readable(figure): str(figures[figure]) for figure in MAIN_FIGURES}
            for name, figures in folds.items()
        ]
    )
    return [Table("Folds, by slide", rows)]


def _calibration_table(results: RunStatistics) -> Table:
    slides = results.sets["slide"][results.main]
    rows = [{"probabilities": "as predicted"} | calibration_figures(slides)]
    if results.scaled is not None:
        rows.append({"probabilities": "temperature-scaled"} | calibration_figures(results.scaled))
    fitted = [f"{name} {t.value:.2f}" for name, t in results.temperatures.items() if not t.reason]
    note = f"Temperatures, fitted on validation slides: {', '.join(fitted)}." if fitted else ""
    table = pd.DataFrame(rows).rename(columns={"ece": "ECE", "brier": "Brier", "log_loss": "log loss"})
    return Table("Calibration, by slide", table, note)


def _readable(figure: str) -> str:
    """Return the name of a figure as a reader says it, its class as it is."""
    words, _, of_class = figure.removesuffix("]").partition("[")
    words = words.replace("_", " ").replace("auc", "AUC").replace("f1", "F1")
    return words[0].upper() + words[1:] + (f", {of_class}" if of_class else "")
