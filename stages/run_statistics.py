"""Predictions of all folds in, figures with intervals out: by slide and by patient, each fold and all together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tqdm import tqdm

from metrics.bootstrap import CONFIDENCE, METHOD, N_RESAMPLES, SEED, Interval, figures_with_intervals
from metrics.calibration import Temperature, fit_temperature, scaled
from metrics.figures import SPECIFICITIES, undefined_because
from metrics.predictions import Predictions, ensemble, pooled, times_tested

MEAN_OF_FOLDS = "mean of folds"
COLUMNS = ["level", "set", "figure", "value", "low", "high", "std"]
VOTING_RULES = {"max": "the highest", "maj": "the most frequent"}


@dataclass(frozen=True)
class FoldOutcome:
    """What one fold leaves for its report.

    Attributes:
        fold: its number.
        test: labelled predictions of the slides it is judged by.
        validation: those of its validation slides, for temperature scaling; None without.
        history: a row an epoch, with ``train_loss``, ``val_loss``, ``val_auc``; None where nothing was trained.
    """

    fold: int
    test: Predictions
    validation: Predictions | None = None
    history: pd.DataFrame | None = None

    @property
    def name(self) -> str:
        """What the fold is called in tables."""
        return f"fold {self.fold}"


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
class RunStatistics:
    """What is computed of a run.

    Attributes:
        sets: level (``slide``, ``patient``) -> set (a fold, all together) -> predictions.
        intervals: level -> set -> figure -> value with interval.
        temperatures: fold -> temperature, of folds with validation slides.
        main: the set that stands for the run.
        scaled: its slides after temperature scaling; None where no fold has a temperature.
        warnings: what is undefined or doubtful, one line each.
    """

    sets: dict[str, dict[str, Predictions]]
    intervals: dict[str, dict[str, dict[str, Interval]]]
    temperatures: dict[str, Temperature]
    main: str
    scaled: Predictions | None
    warnings: list[str]


def statistics_table(intervals: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> pd.DataFrame:
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
    folds = table[table["set"].str.startswith("fold ")]
    if folds["set"].nunique() < 2:
        return table.assign(std=float("nan"))
    means = folds.groupby(["level", "figure"], sort=False)["value"].agg(value="mean", std="std").reset_index()
    return pd.concat([table, means.assign(set=MEAN_OF_FOLDS)], ignore_index=True)[COLUMNS]


def together(folds: Sequence[FoldOutcome]) -> tuple[str, Predictions]:
    """Return the set that stands for a run, and its name.

    One fold: itself. Several that tested the same slides: ``ensemble``, the mean of their probabilities. Else
    ``pooled``: each slide as the folds that did not train on it predicted it.
    """
    parts = [fold.test for fold in folds]
    if len(parts) == 1:
        return folds[0].name, parts[0]
    if set(times_tested(parts).values()) == {len(parts)}:
        return "ensemble", ensemble(parts)
    return "pooled", pooled(parts)


def run_statistics(folds: Sequence[FoldOutcome], config: StatisticsConfig) -> RunStatistics:
    """Compute the figures of every fold and of all together, by slide and by patient.

    Raises:
        UsageError: predictions have no labels, or folds disagree on classes, labels or patients.
    """
    main, whole = together(folds)
    of_slides = {fold.name: fold.test for fold in folds} | {main: whole}
    sets = {
        "slide": of_slides,
        "patient": {name: predictions.by_patient(config.voting) for name, predictions in of_slides.items()},
    }
    temperatures = {fold.name: fit_temperature(fold.validation) for fold in folds if fold.validation is not None}
    return RunStatistics(
        sets=sets,
        intervals=_intervals(sets, config),
        temperatures=temperatures,
        main=main,
        scaled=_scaled(folds, temperatures),
        warnings=_warnings(folds, main, whole, temperatures, config),
    )


def _intervals(
    sets: dict[str, dict[str, Predictions]], config: StatisticsConfig
) -> dict[str, dict[str, dict[str, Interval]]]:
    found: dict[str, dict[str, dict[str, Interval]]] = {level: {} for level in sets}
    for name, slides in tqdm(sets["slide"].items(), desc="intervals", unit="set", leave=False):
        found["slide"][name] = _figures(slides, config)
        # one slide a patient: the same figures, and no need to draw again
        alike = slides.n_patients == len(slides)
        found["patient"][name] = found["slide"][name] if alike else _figures(sets["patient"][name], config)
    return found


def _figures(predictions: Predictions, config: StatisticsConfig) -> dict[str, Interval]:
    return figures_with_intervals(
        predictions, specificities=config.specificities, n_resamples=config.n_resamples, seed=config.seed
    )


def _scaled(folds: Sequence[FoldOutcome], temperatures: dict[str, Temperature]) -> Predictions | None:
    """Return the run's slides, each fold's by its own temperature; None where no fold has one."""
    if all(temperature.reason for temperature in temperatures.values()):
        return None
    of_fold = {fold.name: fold.test.probabilities for fold in folds}
    of_fold |= {name: scaled(of_fold[name], t.value) for name, t in temperatures.items() if not t.reason}
    tests = [FoldOutcome(fold.fold, fold.test.with_probabilities(of_fold[fold.name])) for fold in folds]
    return together(tests)[1]


def _warnings(
    folds: Sequence[FoldOutcome],
    main: str,
    whole: Predictions,
    temperatures: dict[str, Temperature],
    config: StatisticsConfig,
) -> list[str]:
    sets = {fold.name: fold.test for fold in folds} | {main: whole}
    found = [f"{name}: {reason}" for name, part in sets.items() for reason in undefined_because(part)]
    found += [f"{name}: no temperature scaling: {t.reason}" for name, t in temperatures.items() if t.reason]
    mixed = whole.patients_of_several_classes()
    if mixed:
        rule = VOTING_RULES[config.voting]
        found.append(f"{len(mixed)} patients have slides of several classes, such as {mixed[0]}: {rule} counts")
    often = [name for name, times in times_tested([fold.test for fold in folds]).items() if times > 1]
    if often and main == "pooled":
        found.append(f"pooled: {len(often)} slides were tested by several folds, and their mean is taken")
    return found


def provenance(results: RunStatistics, config: StatisticsConfig) -> dict[str, Any]:
    """Return, as plain JSON, what the figures were made with."""
    return {
        "intervals": {
            "confidence": CONFIDENCE,
            "method": METHOD,
            "resampled": "patients with all their slides, within classes",
            "n_resamples": config.n_resamples,
            "seed": config.seed,
        },
        "patient_probability": "mean of slides",
        "patient_label": config.voting,
        "temperatures": {
            name: None if math.isnan(t.value) else round(t.value, 6) for name, t in results.temperatures.items()
        },
        "warnings": results.warnings,
    }
