"""Which statistics an outcome has."""

from stages.outcomes.outcome import Outcome
from stages.statistics.classes import ClassStatistics
from stages.statistics.kind import OutcomeStatistics
from stages.statistics.numbers import NumberStatistics
from stages.statistics.survival import SurvivalStatistics


def statistics_of(outcome: Outcome) -> OutcomeStatistics:
    """Return the statistics of what a task predicts."""
    if outcome.name == "regression":
        return NumberStatistics()
    if outcome.name == "survival":
        return SurvivalStatistics()
    return ClassStatistics(outcome.describe()["class_names"])
