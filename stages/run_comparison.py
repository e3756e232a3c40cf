"""Two runs' predictions in, a table of how they differ out: ``eval.py --compare``."""

import logging
from pathlib import Path

import pandas as pd

from metrics.comparison import compare_runs
from stages.outcomes.outcome import Outcome
from stages.run_files import predictions_of_folder
from stages.run_report import FoldTables, fold_cases
from stages.statistics.kind import StatisticsConfig
from stages.statistics.of_outcome import statistics_of
from stages.statistics.together import together
from utils.tables import write_table

logger = logging.getLogger(__name__)

COMPARISON_FILE = "comparison.csv"


def compare(
    a_folder: Path, b_folder: Path, outcome: Outcome, out: Path, *, config: StatisticsConfig | None = None
) -> pd.DataFrame:
    """Compare two runs on the slides that both predicted, all folds of each together, and write ``comparison.csv``.

    Args:
        a_folder, b_folder: of runs, whose test predictions are taken, or of evaluations.
        outcome: what both predicted.
        out: folder of the table.
        config: how statistics are made; None: as usual.

    Returns:
        See `metrics.comparison.compare_runs`.

    Raises:
        UsageError: a folder holds no predictions of this outcome, or the runs have no slide, or not the labels, in
            common.
    """
    config = config or StatisticsConfig()
    kind = statistics_of(outcome)
    sides = []
    for folder, tables in zip((a_folder, b_folder), _tables(a_folder, b_folder, outcome), strict=True):
        name, cases = together(fold_cases(kind, tables))
        logger.info("%s: %s, %d slides", folder, name, len(set(cases.slide_ids)))
        sides.append(cases)
    a, b = sides
    table = compare_runs(
        a,
        b,
        lambda cases: kind.estimator(cases, config),
        voting=config.voting,
        n_resamples=config.n_resamples,
        seed=config.seed,
    )
    write_table(table, out / COMPARISON_FILE)
    return table


def _tables(a_folder: Path, b_folder: Path, outcome: Outcome) -> list[dict[int, FoldTables]]:
    """Return the tables of both runs; where one does not say whose a slide is, the other one may."""
    read = [predictions_of_folder(folder, outcome) for folder in (a_folder, b_folder)]
    tables = [table for folds in read for table in folds.values()]
    known = {
        slide: case for t in tables if "case_id" in t for slide, case in zip(t["slide_id"], t["case_id"], strict=True)
    }
    unknown = {slide for table in tables for slide in table["slide_id"]} - known.keys()
    if unknown:
        logger.warning("of %d slides no patient is known, so each counts as one of its own", len(unknown))
    cases = {slide: slide for slide in unknown} | known
    return [
        {fold: FoldTables(table.assign(case_id=table["slide_id"].map(cases))) for fold, table in folds.items()}
        for folds in read
    ]
