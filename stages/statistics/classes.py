"""Statistics of classes: areas under curves, confusion, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from metrics.bootstrap import Estimator, Interval
from metrics.calibration import Temperature, calibration_figures, fit_temperature, scaled
from metrics.figures import class_estimator, undefined_because
from metrics.pictures import confusion_picture, precision_recall_picture, reliability_picture, roc_picture
from metrics.predictions import Predictions
from metrics.report import Picture, Table
from stages.statistics.kind import Findings, FoldCases, OutcomeStatistics, RunStatistics, StatisticsConfig, column, ids
from stages.statistics.together import together

VOTING_RULES = {"max": "highest", "maj": "most frequent"}


class ClassStatistics(OutcomeStatistics[Predictions]):
    """How good predicted classes are.

    Args:
        class_names: in the order of the columns ``p_0, p_1, ...``.
    """

    main_figures = ("auc_macro", "average_precision_macro", "balanced_accuracy", "f1_macro")
    curve = ("val_auc", "AUC")
    drawn_within = "classes"
    of_patients = "A patient's probability is the mean of the slides'."
    known_of_slides = "classes"

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)

    def cases(self, table: pd.DataFrame, fold: int) -> Predictions:
        """Return the rows of a table with ``Y, p_0, p_1, ...``."""
        shares = [column(table, f"p_{number}") for number in range(len(self.class_names))]
        return Predictions(
            **ids(table),
            labels=column(table, "Y").astype(int),
            probabilities=np.stack(shares, axis=1),
            class_names=self.class_names,
        )

    def rule(self, config: StatisticsConfig) -> str:
        """Return which class counts."""
        return f"the {VOTING_RULES[config.voting]}"

    def estimator(self, cases: Predictions, config: StatisticsConfig) -> Estimator:
        """Return `metrics.figures.classification_figures`."""
        return class_estimator(cases, config.specificities)

    def undefined_because(self, cases: Predictions) -> list[str]:
        """Return what is missing: slides, classes, numbers."""
        return undefined_because(cases)

    def describe(self, cases: Predictions) -> str:
        """Return the classes."""
        return f"{cases.n_classes} classes: {', '.join(cases.class_names)}."

    def pictures(
        self, cases: Predictions, intervals: Mapping[str, Interval], level: str, name: str
    ) -> dict[str, Picture]:
        """Return ROC curve, precision and recall, confusion."""
        ending = f"{level}s, {name}"
        return {
            "roc": Picture.of(
                roc_picture(cases, intervals, title=f"ROC ({ending})"), "Dotted: guessing. In brackets: 95 % interval"
            ),
            "precision_recall": Picture.of(
                precision_recall_picture(cases, intervals, title=f"Precision and recall ({ending})"),
                "AP: average precision; dotted: guessing",
            ),
            "confusion": Picture.of(
                confusion_picture(cases, title=f"Confusion ({ending})"), "Shades are parts of a row"
            ),
        }

    def more(self, folds: Sequence[FoldCases[Predictions]], run: RunStatistics[Predictions]) -> Findings:
        """Return the calibration before and after temperature scaling."""
        temperatures = {fold.name: fit_temperature(fold.validation) for fold in folds if fold.validation is not None}
        slides = run.sets["slide"][run.main]
        after = _scaled(folds, temperatures)
        picture = reliability_picture(slides, after, title=f"Calibration (slides, {run.main})")
        return Findings(
            tables=[_calibration_table(slides, after, temperatures)],
            pictures={"calibration_slide": Picture.of(picture, "Each point stands for about a tenth of the slides")},
            warnings=_without_temperature(temperatures),
            facts={
                "temperatures": {
                    name: None if np.isnan(t.value) else round(t.value, 6) for name, t in temperatures.items()
                }
            },
        )


def _without_temperature(temperatures: Mapping[str, Temperature]) -> list[str]:
    """Say why folds have none, those with the same reason together."""
    names_of: dict[str, list[str]] = {}
    for name, temperature in temperatures.items():
        names_of.setdefault(temperature.reason, []).append(name)
    return [f"{', '.join(names)}: no temperature scaling: {reason}" for reason, names in names_of.items() if reason]


def _scaled(folds: Sequence[FoldCases[Predictions]], temperatures: Mapping[str, Temperature]) -> Predictions | None:
    """Return the run's slides, each fold's by its own temperature; None where no fold has one."""
    if all(temperature.reason for temperature in temperatures.values()):
        return None
    of_fold = {fold.name: fold.test.probabilities for fold in folds}
    of_fold |= {name: scaled(of_fold[name], t.value) for name, t in temperatures.items() if not t.reason}
    return together([replace(fold, test=fold.test.with_probabilities(of_fold[fold.name])) for fold in folds])[1]


def _calibration_table(
    slides: Predictions, after: Predictions | None, temperatures: Mapping[str, Temperature]
) -> Table:
    rows = [{"probabilities": "as predicted"} | calibration_figures(slides)]
    if after is not None:
        rows.append({"probabilities": "temperature-scaled"} | calibration_figures(after))
    fitted = [f"{name} {t.value:.2f}" for name, t in temperatures.items() if not t.reason]
    note = f"Temperatures, fitted on validation slides: {', '.join(fitted)}." if fitted else ""
    table = pd.DataFrame(rows).rename(columns={"ece": "ECE", "brier": "Brier", "log_loss": "log loss"})
    return Table("Calibration, by slide", table, note)
