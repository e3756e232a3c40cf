"""What the model of a heatmap predicts: as the configuration beside its checkpoint says, else as the user does.

Where both say something they must agree.
"""

from pathlib import Path

import numpy as np
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


def outcome_of_model(config: HeatmapConfig, n_outputs: int) -> Outcome:
    """Return what the model predicts; classes have the names that the user gives them.

    Args:
        config: the configuration of the experiment.
        n_outputs: of the model.

    Raises:
        UsageError: neither side says it, or they contradict each other or the model; names both.
    """
    checkpoint = Path(config.model_arguments.ckpt_path)
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


def prediction_cells(outcome: Outcome, prediction: BagPrediction) -> dict[str, str]:
    """Return the cells of a slide in the table of results.

    Classes: ``Pred_0, p_0, Pred_1, ...`` from the most probable one down; else the columns that ``eval.py`` has.
    """
    if isinstance(outcome, Classification):
        return _ranked_classes(outcome.class_names, prediction.probabilities)
    done = PassFigures(outcome.n_outputs)
    output = BagOutput.of(torch.from_numpy(prediction.logits[None]), torch.from_numpy(prediction.attention))
    done.add(torch.tensor(NAN), torch.empty(0), [output])
    return {name: str(float(values[0])) for name, values in outcome.columns(done, labelled=False).items()}


def _ranked_classes(names: tuple[str, ...], probabilities: np.ndarray) -> dict[str, str]:
    cells = {}
    for rank, label in enumerate(np.argsort(-probabilities, kind="stable")):
        cells[f"Pred_{rank}"] = names[label]
        cells[f"p_{rank}"] = str(float(probabilities[label]))
    return cells


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
