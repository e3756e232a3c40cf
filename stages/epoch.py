"""One pass over bags, training or not: the same figures for every model."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from metrics.classification import auc, class_counts, error_rate
from models.bag_output import BagOutput
from models.losses import build_loss
from models.model_clam import CLAM_MB, CLAM_SB

NAN = float("nan")


@dataclass(frozen=True)
class Objective:
    """What is minimised: bag_weight x bag loss + (1 - bag_weight) x instance loss, or the bag loss alone.

    Attributes:
        bag_loss: loss of (1, C) logits against a (1,) label.
        bag_weight: weight of the bag loss, where instances are clustered.
        clustering: whether instances are clustered; CLAM only.
    """

    bag_loss: nn.Module
    bag_weight: float
    clustering: bool

    @classmethod
    def of(cls, model: nn.Module, bag_loss: str, n_classes: int, bag_weight: float, clustering: bool) -> "Objective":
        """Return the objective for a model; only CLAM has instances to cluster."""
        return cls(build_loss(bag_loss, n_classes), bag_weight, clustering and isinstance(model, (CLAM_SB, CLAM_MB)))


@dataclass
class PassFigures:
    """What a pass over N bags of C classes showed.

    Attributes:
        n_classes: C.
        bag_losses, instance_losses: one number a bag; no instance losses without clustering.
        labels, predicted: (N,) classes.
        probabilities: (N, C).
    """

    n_classes: int
    bag_losses: list[float] = field(default_factory=list)
    instance_losses: list[float] = field(default_factory=list)
    _labels: list[int] = field(default_factory=list)
    _probabilities: list[np.ndarray] = field(default_factory=list)
    _predicted: list[int] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """Mean bag loss; NaN without bags."""
        return float(np.mean(self.bag_losses)) if self.bag_losses else NAN

    @property
    def instance_loss(self) -> float:
        """Mean instance loss; NaN without clustering."""
        return float(np.mean(self.instance_losses)) if self.instance_losses else NAN

    @property
    def labels(self) -> np.ndarray:
        """Classes (N,)."""
        return np.array(self._labels, int)

    @property
    def predicted(self) -> np.ndarray:
        """Predicted classes (N,)."""
        return np.array(self._predicted, int)

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities (N, C)."""
        return np.concatenate([np.empty((0, self.n_classes), np.float32), *self._probabilities])

    @property
    def error(self) -> float:
        """Part of bags predicted wrong; NaN without bags."""
        return error_rate(self.labels, self.predicted)

    @property
    def class_counts(self) -> list[tuple[int, int]]:
        """For each class: bags predicted right, bags."""
        return class_counts(self.labels, self.predicted, self.n_classes)

    def add(self, bag_loss: float, label: int, output: BagOutput) -> None:
        """Note what a model said of one bag."""
        self.bag_losses.append(bag_loss)
        self._labels.append(label)
        self._predicted.append(int(output.predicted))
        self._probabilities.append(output.probabilities.detach().cpu().numpy())
        if "instance_loss" in output.extras:
            self.instance_losses.append(output.extras["instance_loss"].item())

    def auc(self, what: str, *, micro: bool = False, warn: bool = True) -> float:
        """Area under the ROC curve; NaN where undefined, with a warning that names ``what``."""
        return auc(self.labels, self.probabilities, micro=micro, what=what, warn=warn)


def run_pass(
    model: nn.Module,
    loader: Iterable[tuple[torch.Tensor, torch.Tensor]],
    n_classes: int,
    device: torch.device,
    objective: Objective,
    optimizer: torch.optim.Optimizer | None = None,
) -> PassFigures:
    """Show every bag of a loader to a model once, and with an optimiser learn from each.

    Args:
        model: on ``device``.
        loader: gives (features (N, D), label (1,)).
        n_classes: number of classes.
        device: where to compute.
        objective: what is measured and minimised.
        optimizer: steps after each bag; None evaluates.
    """
    model.train(optimizer is not None)
    figures = PassFigures(n_classes)
    with torch.set_grad_enabled(optimizer is not None):
        for features, label in loader:
            loss = _one_bag(model, features.to(device), label.to(device), objective, figures)
            if optimizer is not None:
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
    return figures


def _one_bag(
    model: nn.Module, features: torch.Tensor, label: torch.Tensor, objective: Objective, figures: PassFigures
) -> torch.Tensor:
    """Return the total loss of a bag and note its figures."""
    output = model(features, label=label, instance_eval=True) if objective.clustering else model(features)
    loss = objective.bag_loss(output.logits, label)
    figures.add(loss.item(), int(label), output)
    if not objective.clustering:
        return loss
    return objective.bag_weight * loss + (1 - objective.bag_weight) * output.extras["instance_loss"]
