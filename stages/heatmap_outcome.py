"""What the model of a heatmap predicts: as the configuration beside its checkpoint says, else as the user does.

Where both say something they must agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from models.bag_output import BagOutput
from models.checkpoint_facts import checkpoint_facts_path, read_checkpoint_config
from models.inference import BagPrediction
from stages.heatmap_config import HeatmapConfig
from stages.outcomes.classification import Classification
from stages.outcomes.of_task import outcome_of_checkpoint
from stages.outcomes.outcome import Outcome
from stages.pass_figures import NAN, PassFigures
from utils.errors import UsageError
from utils.names import check_id

N_CLASSES, LABEL_DICT = "exp_arguments.n_classes", "data_arguments.label_dict"


def outcome_of_model(config: HeatmapConfig, checkpoint: Path, n_outputs: int) -> Outcome:
    """Return what a model predicts; classes have the names that the user gives them.

    Args:
        config: the configuration of the experiment.
        checkpoint: of the model.
        n_outputs: of the model.

    Raises:
        UsageError: neither side says it, or they contradict each other or the model; names both.
    """
    said = read_checkpoint_config(checkpoint)
    outcome: Outcome
    if said is None or said.task is None:
        outcome, by = _as_user_says(config, checkpoint), N_CLASSES
    else:
        by = str(checkpoint_facts_path(checkpoint))
        outcome = _agreed(config, outcome_of_checkpoint(said.task), by)
    if outcome.n_outputs != n_outputs:
        raise UsageError(f"{checkpoint} has {n_outputs} outputs, {by} says {outcome.n_outputs}")
    return outcome


@dataclass(frozen=True)
class PredictedValues:
    """What a model predicts of a slide, by name: the probability of each class, or the columns that ``eval.py`` has.

    Attributes:
        mean: of the folds of an ensemble, or what the only checkpoint says.
        spread: the standard deviation over the folds; None for a single checkpoint.
    """

    mean: dict[str, float]
    spread: dict[str, float] | None


def predicted_values(outcome: Outcome, folds: Sequence[BagPrediction]) -> PredictedValues:
    """Return what the folds of a model predict together."""
    said = pd.DataFrame([_values(outcome, fold) for fold in folds])
    if len(folds) == 1:
        return PredictedValues(said.iloc[0].to_dict(), None)
    return PredictedValues(said.mean().to_dict(), said.std(ddof=0).to_dict())


def prediction_cells(outcome: Outcome, values: PredictedValues, model: str = "") -> dict[str, str]:
    """Return the cells of a slide in the table of results.

    Classes: ``Pred_0, p_0, Pred_1, ...`` from the most probable one down; else the columns that ``eval.py`` has. The
    spread over folds has ``_std`` behind the name, and each of several models its own before it.
    """
    cells: dict[str, str] = {}
    ranked = sorted(values.mean, key=lambda name: -values.mean[name])  # of equal ones the first stays first
    for rank, name in enumerate(ranked if isinstance(outcome, Classification) else values.mean):
        column = name
        if isinstance(outcome, Classification):
            cells[f"Pred_{rank}"], column = name, f"p_{rank}"
        cells[column] = str(values.mean[name])
        if values.spread is not None:
            cells[f"{column}_std"] = str(values.spread[name])
    return {f"{model}_{name}" if model else name: cell for name, cell in cells.items()}


def _values(outcome: Outcome, prediction: BagPrediction) -> dict[str, float]:
    if isinstance(outcome, Classification):
        return {name: float(p) for name, p in zip(outcome.class_names, prediction.probabilities, strict=True)}
    done = PassFigures(outcome.n_outputs)
    output = BagOutput.of(torch.from_numpy(prediction.logits[None]), torch.from_numpy(prediction.attention))
    done.add(torch.tensor(NAN), torch.empty(0), [output])
    return {name: float(values[0]) for name, values in outcome.columns(done, labelled=False).items()}


def _as_user_says(config: HeatmapConfig, checkpoint: Path) -> Classification:
    given = {N_CLASSES: config.exp_arguments.n_classes, LABEL_DICT: config.data_arguments.label_dict}
    missing = [key for key, value in given.items() if value is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} must be given: beside {checkpoint} there is no "
            f"{checkpoint_facts_path(checkpoint).name} that says its classes"
        )
    return Classification(tuple(config.class_names.values()))


def _agreed(config: HeatmapConfig, said: Outcome, by: str) -> Outcome:
    """Return what a checkpoint predicts, if the user says nothing else."""
    n_classes, named = config.exp_arguments.n_classes, tuple(config.class_names.values())
    if not isinstance(said, Classification):
        if n_classes is not None or named:
            raise UsageError(f"{by} says that the model predicts {said.name}: leave {N_CLASSES} and {LABEL_DICT} out")
        return said
    trained = said.class_names
    if n_classes not in (None, len(trained)):
        raise UsageError(f"{N_CLASSES} is {n_classes}, {by} says {len(trained)} classes ({', '.join(trained)})")
    if named and (len(named) != len(trained) or (named != trained and set(named) == set(trained))):
        raise UsageError(f"{LABEL_DICT} says the classes {', '.join(named)}, {by} says {', '.join(trained)}")
    return Classification(named or tuple(_as_folders(trained, by)))


def _as_folders(names: tuple[str, ...], by: str) -> list[str]:
    """Return names that folders of results can have."""
    return [check_id(name, where=f"{by}, class_names (give {LABEL_DICT} to call them otherwise)") for name in names]
