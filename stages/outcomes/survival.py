"""Time to an event: hazards of intervals, or Cox's relative risk; the concordance of risks and times."""

from typing import Any

import numpy as np
import torch

from datasets.dataset_generic import Generic_Split
from datasets.targets import bin_of, time_edges
from metrics.survival import concordance, require_lifelines
from models.heads.registry import HAZARDS, NUMBER
from models.survival_losses import cox_partial_likelihood, hazard_nll, risk_of, survival_curve
from stages.outcomes.outcome import Loss
from stages.pass_figures import PassFigures

# Cox's loss compares patients with one another, so that a step needs several; a common batch size of such models.
BAGS_A_STEP_OF_COX = 32


class Survival:
    """When an event comes, where for some it has not come yet.

    Args:
        model: ``hazard`` or ``cox``.
        edges: inner edges of the intervals of time, ascending (hazards).
    """

    name = "survival"
    losses = ("hazard", "cox")
    headline = ("cindex",)

    def __init__(self, model: str, edges: np.ndarray) -> None:
        require_lifelines()  # before anything is trained
        self.model = model
        self.edges = edges
        self.n_outputs = 1 if model == "cox" else len(edges) + 1
        self.output_kind = NUMBER if model == "cox" else HAZARDS

    @classmethod
    def of_times(cls, model: str, times: np.ndarray, events: np.ndarray, n_bins: int) -> "Survival":
        """Return the outcome whose intervals hold equally many events of a cohort.

        They are the whole cohort's, as is usual, and so the same for all folds, whose curves can be averaged.
        """
        return cls(model, time_edges(times, events, n_bins))

    def targets(self, split: Generic_Split) -> torch.Tensor:
        """Return interval, time and event of each bag, (N, 3)."""
        times = split.slide_data["time"].to_numpy(float)
        columns = [bin_of(times, self.edges), times, split.slide_data["event"].to_numpy(float)]
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))

    def loss(self, name: str) -> Loss:
        """Return the loss of outputs (W, C) against targets (W, 3): there is one for each model."""
        if self.model == "cox":
            return lambda outputs, targets: cox_partial_likelihood(outputs[:, 0], targets[:, 1], targets[:, 2])
        return lambda outputs, targets: hazard_nll(outputs, targets[:, 0], targets[:, 2])

    def bags_a_step(self, loss: str) -> int:
        """One bag at a time, or as many as Cox's loss compares."""
        return BAGS_A_STEP_OF_COX if self.model == "cox" else 1

    def figures(self, done: PassFigures, what: str, *, micro: bool = False, warn: bool = True) -> dict[str, float]:
        """Return ``cindex``, the part of pairs of patients whose risks and times are in the same order."""
        times, events = self.times_and_events(done)
        return {"cindex": concordance(times, events, self.risks(done))}

    def times_and_events(self, done: PassFigures) -> tuple[np.ndarray, np.ndarray]:
        """Return times (N,) and events (N,)."""
        targets = done.targets.reshape(-1, 3)
        return targets[:, 1], targets[:, 2]

    def risks(self, done: PassFigures) -> np.ndarray:
        """Return one number (N,) a bag that is larger the sooner the event is to be expected."""
        outputs = torch.from_numpy(done.logits)
        return (outputs[:, 0] if self.model == "cox" else risk_of(outputs)).numpy()

    def columns(self, done: PassFigures, *, labelled: bool = True) -> dict[str, Any]:
        """Return ``time`` and ``event`` where they are known, ``risk``, and survival beyond each interval."""
        times, events = self.times_and_events(done) if labelled else (None, None)
        known = {"time": times, "event": events.astype(int)} if events is not None else {}
        return {**known, "risk": self.risks(done), **self._survival(done)}

    def describe(self) -> dict[str, Any]:
        """Return its type, model and intervals."""
        return {"type": self.name, "model": self.model, "time_edges": [float(edge) for edge in self.edges]}

    def _survival(self, done: PassFigures) -> dict[str, np.ndarray]:
        if self.model == "cox":
            return {}
        curves = survival_curve(torch.from_numpy(done.logits)).numpy()
        return {f"S_{number}": curves[:, number] for number in range(len(self.edges))}
