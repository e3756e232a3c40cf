"""A number: squared or absolute differences, in units of the cohort's spread."""

from typing import Any

import numpy as np
import torch
from torch import nn

from datasets.dataset_generic import Generic_Split
from metrics.regression import regression_figures
from models.heads.registry import NUMBER
from stages.outcomes.outcome import Loss
from stages.pass_figures import PassFigures


class Regression:
    """How large a number of a slide is.

    A model learns (number - centre) / scale, so that one learning rate serves numbers of any size. Both are the whole
    cohort's, test slides included: a change of units that is the same for all folds, whose predictions can be averaged.

    Args:
        centre, scale: mean and standard deviation of the numbers in the cohort.
    """

    name = "regression"
    output_kind = NUMBER
    losses = ("mse", "l1")
    headline = ("r2", "mae")
    n_outputs = 1

    def __init__(self, centre: float, scale: float) -> None:
        self.centre = centre
        self.scale = scale

    @classmethod
    def of_numbers(cls, numbers: np.ndarray) -> "Regression":
        """Return the outcome whose scale is that of some numbers (N,)."""
        return cls(float(np.mean(numbers)), float(np.std(numbers)) or 1.0)

    def targets(self, split: Generic_Split) -> torch.Tensor:
        """Return the scaled numbers (N,)."""
        scaled = (split.slide_data["target"].to_numpy(float) - self.centre) / self.scale
        return torch.from_numpy(scaled.astype(np.float32))

    def loss(self, name: str) -> Loss:
        """Return a loss of outputs (W, 1) against scaled numbers (W,)."""
        difference = nn.MSELoss() if name == "mse" else nn.L1Loss()
        return lambda outputs, targets: difference(outputs[:, 0], targets)

    def bags_a_step(self, loss: str) -> int:
        """One bag at a time."""
        return 1

    def figures(self, done: PassFigures, what: str, *, micro: bool = False, warn: bool = True) -> dict[str, float]:
        """Return ``r2`` and ``mae``, of the numbers as they are in the table."""
        found = regression_figures(self._as_in_table(done.targets), self.predicted(done))
        return {name: found[name] for name in self.headline}

    def columns(self, done: PassFigures, *, labelled: bool = True) -> dict[str, Any]:
        """Return ``Y`` where it is known, and ``Y_hat``."""
        known = {"Y": self._as_in_table(done.targets)} if labelled else {}
        return {**known, "Y_hat": self.predicted(done)}

    def predicted(self, done: PassFigures) -> np.ndarray:
        """Return the predicted numbers (N,)."""
        return self._as_in_table(done.logits[:, 0])

    def describe(self) -> dict[str, Any]:
        """Return its type and scale."""
        return {"type": self.name, "centre": self.centre, "scale": self.scale}

    def _as_in_table(self, scaled: np.ndarray) -> np.ndarray:
        return scaled.astype(float) * self.scale + self.centre
