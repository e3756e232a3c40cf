"""What a task predicts, as training and evaluation see it: targets, losses, figures. One module a kind."""

from collections.abc import Callable
from typing import Any, Protocol

import torch

from datasets.dataset_generic import Generic_Split
from stages.pass_figures import PassFigures

# A loss of outputs (W, C) against targets (W, ...) of W bags.
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

BAGS_OF_A_SET = 10**9  # as many as there are


class Outcome(Protocol):
    """What a task predicts.

    Attributes:
        name: ``classification``, ``regression`` or ``survival``.
        n_outputs: outputs C of a model.
        output_kind: what they are, see ``models.heads.registry``.
        losses: names of the losses it can be trained with, the usual one first.
        headline: the figures of a summary, such as ``auc`` and ``acc``; the first is the one of curves.
    """

    @property
    def name(self) -> str: ...

    n_outputs: int
    output_kind: str

    @property
    def losses(self) -> tuple[str, ...]: ...

    @property
    def headline(self) -> tuple[str, ...]: ...

    def targets(self, split: Generic_Split) -> torch.Tensor:
        """Return what is to be predicted of each bag, (N,) or (N, T)."""

    def loss(self, name: str) -> Loss:
        """Return a loss by its name."""

    def bags_a_step(self, loss: str) -> int:
        """Return how many bags a loss compares with one another."""

    def figures(self, done: PassFigures, what: str, *, micro: bool = False, warn: bool = True) -> dict[str, float]:
        """Return the headline figures of a pass; NaN where undefined, with a warning that names ``what``."""

    def columns(self, done: PassFigures, *, labelled: bool = True) -> dict[str, Any]:
        """Return the columns of a table of predictions, each (N,)."""

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint has to say of it, in values that JSON has."""
