"""A trained run as evaluation and prediction take it: the models of its folds, and whether features fit them."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from datasets.bags import BagSurvey, bag_h5_path, survey_bags
from datasets.cohort_provenance import cohort_provenance
from datasets.encoder_facts import encoder_difference
from models.checkpoint import load_model
from models.checkpoint_facts import features_trained_on, read_checkpoint_config
from stages.outcomes.classification import Classification
from stages.outcomes.of_task import outcome_of_checkpoint
from stages.outcomes.outcome import Outcome
from stages.run_files import checkpoint_path
from utils.errors import UsageError
from utils.lookup import require_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expected:
    """What the user says the checkpoints are; None takes what they are.

    Attributes:
        model_type, model_size, embed_dim: see ``ModelSettings``.
        drop_out: the rate of training where a checkpoint does not say it; without effect on a trained model.
    """

    model_type: str | None = None
    model_size: str | None = None
    embed_dim: int | None = None
    drop_out: float = 0.25


@dataclass(frozen=True)
class TrainedRun:
    """The folds of a run.

    Attributes:
        folder: of the run.
        models: by fold, in evaluation mode.
        outcome: what they predict.
        device: where the models are.
    """

    folder: Path
    models: dict[int, nn.Module]
    outcome: Outcome
    device: torch.device

    def survey(self, folders: Mapping[str, Path]) -> BagSurvey:
        """Return which slides have features, by the feature folder of each.

        Raises:
            UsageError: they are of another encoder or length than the models were trained on; names both.
        """
        where = ", ".join(sorted({str(folder) for folder in folders.values()}))
        made_from = cohort_provenance(bag_h5_path(folder, slide_id) for slide_id, folder in folders.items())
        for fold in self.models:
            _refuse_other_encoder(checkpoint_path(self.folder, fold), where, made_from)
        survey = survey_bags(folders)
        self._refuse_other_length(survey.width, where)
        return survey

    def _refuse_other_length(self, width: int, where: str) -> None:
        for fold, model in self.models.items():
            if width and model.embed_dim != width:
                raise UsageError(
                    f"fold {fold} was trained on features of length {model.embed_dim}, {where} has {width}"
                )


def open_run(folder: Path, folds: Iterable[int], expected: Expected, device: torch.device) -> TrainedRun:
    """Load the models of a run.

    Raises:
        UsageError: a checkpoint is missing, damaged or other than expected, or the folds predict different things.
    """
    models = {
        fold: load_model(
            checkpoint_path(folder, fold),
            model_type=expected.model_type,
            model_size=expected.model_size,
            embed_dim=expected.embed_dim,
            drop_out=expected.drop_out,
            device=device,
        )
        for fold in folds
    }
    # checkpoints of the original predict classes without names
    unnamed = Classification.unnamed(cast(int, next(iter(models.values())).n_classes))
    return TrainedRun(folder, models, outcome_said(folder, models) or unnamed, device)


def run_folder_of(results_dir: str, models_exp_code: str) -> Path:
    """Return the folder of a run, or raise a UsageError."""
    return require_folder(Path(results_dir) / models_exp_code, flag="--models_exp_code")


def outcome_said(folder: Path, folds: Iterable[int]) -> Outcome | None:
    """Return what the configurations beside the checkpoints of a run say that they predict; None where none says it.

    Raises:
        UsageError: folds predict different things.
    """
    said = {fold: read_checkpoint_config(checkpoint_path(folder, fold)) for fold in folds}
    outcomes = {
        fold: outcome_of_checkpoint(config.task) for fold, config in said.items() if config is not None and config.task
    }
    if not outcomes:
        return None
    (first_fold, first), *others = outcomes.items()
    for fold, outcome in others:
        if outcome.describe() != first.describe():
            raise UsageError(
                f"{folder}: fold {first_fold} predicts {first.describe()}, fold {fold} {outcome.describe()}; "
                "evaluate them one at a time with --fold"
            )
    return first


def _refuse_other_encoder(checkpoint: Path, where: str, made_from: dict[str, str]) -> None:
    difference = encoder_difference(features_trained_on(checkpoint), made_from)
    if difference:
        raise UsageError(
            f"{checkpoint} was trained on other features than those in {where}: {difference}; "
            "point --data_root_dir to features of the first"
        )
