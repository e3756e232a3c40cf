"""The trained models of a heatmap experiment: one, the folds of an ensemble, or several by name."""

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch

from datasets.encoder_facts import encoder_difference
from models.checkpoint import load_model, read_checkpoint, settings_of
from models.checkpoint_facts import features_trained_on
from models.heads.registry import HeadSpec, find_head
from models.inference import BagPrediction, bag_prediction
from stages.bag_memory import require_memory
from stages.heatmap_config import HeatmapConfig
from stages.heatmap_outcome import outcome_of_model
from stages.outcomes.outcome import Outcome
from utils.errors import ItemError, UsageError
from utils.fingerprint import file_sha256, fingerprint


@dataclass(frozen=True)
class SlidePrediction:
    """What a model says of a slide, of an ensemble what every fold says.

    Attributes:
        folds: the answer of each fold; one for a single checkpoint.
        predicted: the most probable class, of an ensemble by the mean probability.
    """

    folds: tuple[BagPrediction, ...]
    predicted: int

    @classmethod
    def of(cls, folds: Sequence[BagPrediction]) -> "SlidePrediction":
        """Return the prediction that follows from those of the folds."""
        if len(folds) == 1:
            return cls(tuple(folds), folds[0].predicted)
        return cls(tuple(folds), int(np.mean([fold.probabilities for fold in folds], axis=0).argmax()))

    @cached_property
    def attention(self) -> np.ndarray:
        """Raw scores, float32 (folds, branches, N)."""
        return np.stack([fold.attention for fold in self.folds])


class AttentionModel:
    """A trained model, or an ensemble of folds that have the same head and predict the same.

    Args:
        name: in this run; empty for the only one.
        checkpoints: one, or those of the folds.
        config: the configuration of the experiment.
        device: where to compute.

    Attributes:
        name: as given.
        head: the facts of its head.
        outcome: what it predicts.
        embed_dim: the length of a feature.

    Raises:
        UsageError: a checkpoint is missing, has no attention, or does not fit the configuration or the other folds.
    """

    def __init__(self, name: str, checkpoints: Sequence[Path], config: HeatmapConfig, device: torch.device) -> None:
        self.name = name
        self._checkpoints = tuple(checkpoints)
        self._device = device
        settings = config.model_arguments
        self._folds = [
            load_model(
                path,
                model_type=settings.model_type,
                model_size=settings.model_size,
                embed_dim=settings.embed_dim,
                drop_out=settings.drop_out,
                device=device,
            )
            for path in self._checkpoints
        ]
        self.head = self._one_head()
        self.embed_dim = cast(int, self._one("embed_dim", [fold.embed_dim for fold in self._folds]))
        self.outcome = self._one_outcome(config)

    @property
    def shown_name(self) -> str:
        """Its name for people."""
        return self.name or self.head.name

    @property
    def described(self) -> str:
        """Its name with its head and folds, as far as there is more to say."""
        facts = [self.head.name] if self.name else []
        facts += [f"{self.n_folds} folds"] if self.n_folds > 1 else []
        return self.shown_name + (f" ({', '.join(facts)})" if facts else "")

    @property
    def checkpoint(self) -> Path:
        """The file of it, of an ensemble that of the first fold."""
        return self._checkpoints[0]

    @property
    def n_folds(self) -> int:
        """How many checkpoints it has."""
        return len(self._folds)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the checkpoints."""
        hashes = [file_sha256(path) for path in self._checkpoints]
        return fingerprint(checkpoint=hashes[0] if len(hashes) == 1 else hashes, model_type=self.head.name)

    def why_not_trained_on(self, made_from: Mapping[str, str], where: str) -> str:
        """Return '' where it was trained on such features, as far as both say it.

        Args:
            made_from: of the features.
            where: words for them.

        Returns:
            A text that names both encoders.
        """
        for path in self._checkpoints:
            difference = encoder_difference(features_trained_on(path), made_from)
            if difference:
                return f"{path} was trained on other features than {where}: {difference}"
        return ""

    def predict(self, features: np.ndarray) -> SlidePrediction:
        """Say what the model predicts of a bag (N, D).

        Raises:
            ItemError: its features have another length, or there is not enough memory for it.
        """
        if features.shape[1] != self.embed_dim:
            raise ItemError(f"features have {features.shape[1]} numbers, {self.checkpoint} takes {self.embed_dim}")
        return SlidePrediction.of([self._answer(fold, features) for fold in range(self.n_folds)])

    def _answer(self, fold: int, features: np.ndarray) -> BagPrediction:
        require_memory(self._folds[fold], self.head, len(features), self._device)
        return bag_prediction(self._folds[fold], torch.from_numpy(features))

    def _one_head(self) -> HeadSpec:
        names = [settings_of(read_checkpoint(path)).model_type for path in self._checkpoints]
        head = find_head(cast(str, self._one("model_type", names)))
        if not self._folds[0].has_attention:
            raise UsageError(
                f"{self.checkpoint} is a {head.name}, which has no attention: all patches count the same, so "
                "there is nothing to draw; eval.py gives its predictions"
            )
        return head

    def _one_outcome(self, config: HeatmapConfig) -> Outcome:
        outcomes = [
            outcome_of_model(config, path, n_outputs=cast(int, fold.n_classes))
            for path, fold in zip(self._checkpoints, self._folds, strict=True)
        ]
        self._one("what it predicts", [outcome.describe() for outcome in outcomes])
        return outcomes[0]

    def _one(self, what: str, said: Sequence[object]) -> object:
        """Return what all folds say, or refuse two that differ."""
        for path, value in zip(self._checkpoints, said, strict=True):
            if value != said[0]:
                raise UsageError(
                    f"folds of one ensemble differ in {what}: {self.checkpoint} {said[0]}, {path} {value}; "
                    "give them names in model_arguments.ckpt_path to show them as several models"
                )
        return said[0]


def open_models(config: HeatmapConfig, device: torch.device) -> list[AttentionModel]:
    """Load all models of the configuration.

    Raises:
        UsageError: see ``AttentionModel``, or a pattern fits no file.
    """
    models = [
        AttentionModel(name, [found for text in texts for found in _files(text)], config, device)
        for name, texts in config.model_arguments.checkpoints.items()
    ]
    for model in models:
        if model.embed_dim != models[0].embed_dim:
            raise UsageError(
                f"models of one run take the same features: {models[0].shown_name} has embed_dim "
                f"{models[0].embed_dim}, {model.shown_name} {model.embed_dim}"
            )
    return models


def _files(text: str) -> list[Path]:
    """Return the file, or those that fit a pattern, fold 2 before fold 10."""
    if not re.search(r"[*?]", text) or Path(text).exists():
        return [Path(text)]
    found = sorted(map(Path, glob.glob(text)), key=_natural_order)  # noqa: PTH207  Path.glob takes no absolute pattern
    if not found:
        raise UsageError(f"model_arguments.ckpt_path: no file fits {text}")
    return found


def _natural_order(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", str(path))]
