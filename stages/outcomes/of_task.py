"""Which outcome a task or a trained model has."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from datasets.slide_table import SlideTable
from datasets.tasks import Task
from stages.outcomes.classification import Classification
from stages.outcomes.outcome import Outcome
from stages.outcomes.regression import Regression
from stages.outcomes.survival import Survival
from utils.errors import UsageError

LOSSES = {kind.name: kind.losses for kind in (Classification, Regression, Survival)}


def outcome_of_task(task: Task, table: SlideTable, loss: str) -> Outcome:
    """Return what a task predicts.

    Args:
        task: the task.
        table: its cohort, which decides scales and intervals.
        loss: of the bags; decides how survival is modelled.
    """
    if task.type == "regression":
        return Regression.of_numbers(table.slides["target"].to_numpy(float))
    if task.type == "survival":
        times, events = (table.slides[column].to_numpy(float) for column in ("time", "event"))
        return Survival.of_times(loss, times, events, task.time_bins)
    return Classification(table.class_names)


def outcome_of_checkpoint(said: Mapping[str, Any]) -> Outcome:
    """Return the outcome that ``Outcome.describe`` described.

    Raises:
        UsageError: it is none.
    """
    try:
        if said["type"] == "regression":
            return Regression(float(said["centre"]), float(said["scale"]))
        if said["type"] == "survival":
            return Survival(str(said["model"]), np.array(said["time_edges"], float))
        return Classification(tuple(str(name) for name in said["class_names"]))
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(f"the configuration of the checkpoint does not say what it predicts ({error})") from error


def loss_of_task(task_type: str, loss: str | None) -> str:
    """Return the loss asked for, or the usual one.

    Raises:
        UsageError: the task is trained with others.
    """
    known = LOSSES[task_type]
    if loss is not None and loss not in known:
        raise UsageError(f"--bag_loss {loss}: a task of {task_type} is trained with {' or '.join(known)}")
    return loss or known[0]
