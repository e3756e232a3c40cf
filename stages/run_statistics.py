"""Predictions of all folds in, figures with intervals out: by slide and by patient, each fold and all together."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from tqdm import tqdm

from metrics.bootstrap import CONFIDENCE, METHOD, Interval
from metrics.cases import C, times_tested
from stages.statistics.kind import Findings, FoldCases, OutcomeStatistics, RunStatistics, StatisticsConfig
from stages.statistics.together import POOLED, together

MEAN_OF_FOLDS = "mean of folds"
COLUMNS = ["level", "set", "figure", "value", "low", "high", "std"]
PROBABILITY = "_p"  # ends the names of p-values, whose mean says nothing

Intervals = Mapping[str, Mapping[str, Mapping[str, Interval]]]  # level -> set -> figure -> value with interval


def statistics_table(intervals: Intervals) -> pd.DataFrame:
    """Return ``level, set, figure, value, low, high, std`` of intervals by level, set and figure.

    With several folds, rows of the set ``mean of folds`` have their mean and standard deviation (n - 1); undefined
    folds are left out of them.
    """
    rows = [
        (level, name, figure, interval.value, interval.low, interval.high)
        for level, sets in intervals.items()
        for name, figures in sets.items()
        for figure, interval in figures.items()
    ]
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    folds = table[table["set"].str.startswith("fold ") & ~table["figure"].str.endswith(PROBABILITY)]
    if folds["set"].nunique() < 2:
        return table.assign(std=float("nan"))
    means = folds.groupby(["level", "figure"], sort=False)["value"].agg(value="mean", std="std").reset_index()
    return pd.concat([table, means.assign(set=MEAN_OF_FOLDS)], ignore_index=True)[COLUMNS]


def run_statistics(
    kind: OutcomeStatistics[C], folds: Sequence[FoldCases[C]], config: StatisticsConfig
) -> RunStatistics[C]:
    """Compute the figures of every fold and of all together, by slide and by patient.

    Raises:
        UsageError: folds disagree on classes, labels or patients.
    """
    main, whole = together(folds)
    of_slides = {fold.name: fold.test for fold in folds} | {main: whole}
    sets = {
        "slide": of_slides,
        "patient": {name: cases.by_patient(config.voting) for name, cases in of_slides.items()},
    }
    return RunStatistics(
        sets=sets,
        intervals=_intervals(kind, sets, config),
        main=main,
        warnings=_warnings(kind, folds, main, whole, config),
    )


def _intervals(
    kind: OutcomeStatistics[C], sets: dict[str, dict[str, C]], config: StatisticsConfig
) -> dict[str, dict[str, dict[str, Interval]]]:
    found: dict[str, dict[str, dict[str, Interval]]] = {level: {} for level in sets}
    for name, slides in tqdm(sets["slide"].items(), desc="intervals", unit="set", leave=False):
        patients = sets["patient"][name]
        found["slide"][name] = kind.figures(slides, config)
        # one slide a patient: the same figures, and no need to draw again
        alike = len(patients) == len(slides)
        found["patient"][name] = found["slide"][name] if alike else kind.figures(patients, config)
    return found


def _warnings(
    kind: OutcomeStatistics[C], folds: Sequence[FoldCases[C]], main: str, whole: C, config: StatisticsConfig
) -> list[str]:
    sets = {fold.name: fold.test for fold in folds} | {main: whole}
    found = [f"{name}: {reason}" for name, part in sets.items() for reason in kind.undefined_because(part)]
    mixed = whole.patients_that_differ()
    if mixed:
        several = f"{len(mixed)} patients have slides of several {kind.known_of_slides}, such as {mixed[0]}"
        found.append(f"{several}: {kind.rule(config)} counts")
    often = [name for name, times in times_tested([fold.test for fold in folds]).items() if times > 1]
    if often and main == POOLED:
        found.append(f"pooled: {len(often)} slides were tested by several folds; {kind.of_repeated}")
    return found


def provenance(run: RunStatistics, kind: OutcomeStatistics, more: Findings, config: StatisticsConfig) -> dict[str, Any]:
    """Return, as plain JSON, what the figures were made with."""
    within = f", within {kind.drawn_within}" if kind.drawn_within else ""
    return {
        "intervals": {
            "confidence": CONFIDENCE,
            "method": METHOD,
            "resampled": f"patients with all their slides{within}",
            "n_resamples": config.n_resamples,
            "seed": config.seed,
        },
        "main_set": run.main,
        "patients": kind.of_patients,
        "patients_whose_slides_differ": kind.rule(config),
        **({"pooled": kind.of_pooled} if run.main == POOLED and kind.of_pooled else {}),
        **more.facts,
        "warnings": [*run.warnings, *more.warnings],
    }
