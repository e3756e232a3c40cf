"""Statistics of numbers: errors, explained variance, correlations."""

from collections.abc import Mapping

import pandas as pd

from metrics.bootstrap import Estimator, Interval
from metrics.pictures import regression_picture
from metrics.regression import Numbers, number_estimator, undefined_because
from metrics.report import Picture
from stages.statistics.kind import OutcomeStatistics, StatisticsConfig, column, ids


class NumberStatistics(OutcomeStatistics[Numbers]):
    """How good predicted numbers are."""

    main_figures = ("mae", "rmse", "r2", "pearson", "spearman")
    curve = ("val_r2", "R²")
    of_patients = "A patient's number is the mean of the slides', the true one and the predicted one."
    known_of_slides = "numbers"

    def cases(self, table: pd.DataFrame, fold: int) -> Numbers:
        """Return the rows of a table with ``Y`` and ``Y_hat``."""
        return Numbers(**ids(table), targets=column(table, "Y"), predicted=column(table, "Y_hat"))

    def rule(self, config: StatisticsConfig) -> str:
        """Return which number counts."""
        return "the mean"

    def estimator(self, cases: Numbers, config: StatisticsConfig) -> Estimator:
        """Return `metrics.regression.regression_figures`."""
        return number_estimator(cases.targets, cases.predicted)

    def undefined_because(self, cases: Numbers) -> list[str]:
        """Return what is missing: slides, numbers, differences."""
        return undefined_because(cases)

    def describe(self, cases: Numbers) -> str:
        """Return the range of the true numbers."""
        return f"numbers from {cases.targets.min():.4g} to {cases.targets.max():.4g}." if len(cases) else "no number."

    def pictures(self, cases: Numbers, intervals: Mapping[str, Interval], level: str, name: str) -> dict[str, Picture]:
        """Return predicted over true numbers."""
        title = f"Predicted and true values ({level}s, {name})"
        caption = f"A point is a {level}; dotted: equality. Pearson's r {intervals['pearson']}"
        return {"scatter": Picture.of(regression_picture(cases.targets, cases.predicted, title=title), caption)}
