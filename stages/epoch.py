"""One pass over bags, training or not: the same figures for every model."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from models.bag_output import BagOutput
from models.heads.registry import HEADS
from models.losses import loss_of_bags
from stages.outcomes.outcome import BAGS_OF_A_SET, Loss
from stages.pass_figures import PassFigures

Bag = tuple[torch.Tensor, torch.Tensor]  # features (N, D), target (1, ...)


@dataclass(frozen=True)
class Objective:
    """What is minimised: bag_weight x bag loss + (1 - bag_weight) x instance loss, or the bag loss alone.

    Attributes:
        bag_loss: loss of (W, C) outputs against (W, ...) targets.
        bag_weight: weight of the bag loss, where instances are clustered.
        clustering: whether instances are clustered.
        bags_a_step: bags W that the loss compares with one another.
    """

    bag_loss: Loss
    bag_weight: float = 1.0
    clustering: bool = False
    bags_a_step: int = 1

    @classmethod
    def of(
        cls, model_type: str, bag_loss: Loss, bag_weight: float, clustering: bool, bags_a_step: int = 1
    ) -> "Objective":
        """Return the objective for a model; not every one has instances to cluster."""
        return cls(bag_loss, bag_weight, clustering and HEADS[model_type].clusters, bags_a_step)


def run_pass(
    model: nn.Module,
    bags: Iterable[Bag],
    n_classes: int,
    device: torch.device,
    objective: Objective,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    amp: bool = False,
) -> PassFigures:
    """Show every bag to a model once, and with an optimiser learn from each.

    Args:
        model: on ``device``.
        bags: (features (N, D), target (1, ...) on the CPU) of each.
        n_classes: number of outputs.
        device: where to compute.
        objective: what is measured and minimised.
        optimizer: steps after each bag, or as often as the objective says; None evaluates.
        amp: compute in bfloat16 where that is safe.
    """
    learns = optimizer is not None
    model.train(learns)
    figures = PassFigures(n_classes)
    n_bags = objective.bags_a_step if learns or objective.bags_a_step == 1 else BAGS_OF_A_SET
    with torch.set_grad_enabled(learns):
        for step in _in_steps(bags, n_bags):
            with torch.autocast(device.type, torch.bfloat16) if amp else nullcontext():
                loss = _one_step(model, step, device, objective, figures)
            if optimizer is not None:
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
    return figures


def _in_steps(bags: Iterable[Bag], n_bags: int) -> Iterator[list[Bag]]:
    step: list[Bag] = []
    for bag in bags:
        step.append(bag)
        if len(step) == n_bags:
            yield step
            step = []
    if step:
        yield step


def _one_step(
    model: nn.Module, step: list[Bag], device: torch.device, objective: Objective, figures: PassFigures
) -> torch.Tensor:
    """Return the total loss of the bags of a step and note their figures."""
    outputs = [_forward(model, features, target, device, objective) for features, target in step]
    targets = torch.cat([target for _, target in step])
    bag_loss = loss_of_bags(objective.bag_loss, outputs, targets.to(device, non_blocking=True))
    figures.add(bag_loss, targets, outputs)
    if not objective.clustering:
        return bag_loss
    instance_loss = torch.stack([output.extras["instance_loss"] for output in outputs]).mean()
    return objective.bag_weight * bag_loss + (1 - objective.bag_weight) * instance_loss


def _forward(
    model: nn.Module, features: torch.Tensor, target: torch.Tensor, device: torch.device, objective: Objective
) -> BagOutput:
    if device.type == "cuda" and not features.is_cuda:
        features = features.pin_memory()  # else the copy would wait for the device
    features = features.to(device, non_blocking=True).float()  # half precision becomes whole on the device
    # the label stays on the CPU: which branches are looked at must not wait for the device
    return model(features, label=target, instance_eval=True) if objective.clustering else model(features)
