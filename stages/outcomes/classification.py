"""Classes: cross-entropy or smooth SVM, area under the ROC curve, accuracy."""

from typing import Any

import torch

from datasets.dataset_generic import Generic_Split
from models.heads.registry import CLASSES
from models.losses import LOSSES, build_loss
from stages.outcomes.outcome import Loss
from stages.pass_figures import PassFigures


class Classification:
    """Which class a slide is of.

    Args:
        class_names: the label text of each.
    """

    name = "classification"
    output_kind = CLASSES
    losses = ("ce", *(loss for loss in LOSSES if loss != "ce"))
    headline = ("auc", "acc")

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = class_names
        self.n_outputs = len(class_names)

    @classmethod
    def unnamed(cls, n_classes: int) -> "Classification":
        """Return classes of which only the numbers are known."""
        return cls(tuple(str(number) for number in range(n_classes)))

    @property
    def label_map(self) -> dict[str, int]:
        """The class of each label text; several texts of a class are parted by |."""
        return {text: number for number, name in enumerate(self.class_names) for text in name.split("|")}

    def targets(self, split: Generic_Split) -> torch.Tensor:
        """Return the classes (N,)."""
        return torch.from_numpy(split.slide_data["label"].to_numpy(int).copy())

    def loss(self, name: str) -> Loss:
        """Return a loss of logits (W, C) against classes (W,)."""
        return build_loss(name, self.n_outputs)

    def bags_a_step(self, loss: str) -> int:
        """One bag at a time."""
        return 1

    def figures(self, done: PassFigures, what: str, *, micro: bool = False, warn: bool = True) -> dict[str, float]:
        """Return ``auc`` and ``acc``."""
        return {"auc": done.auc(what, micro=micro, warn=warn), "acc": 1 - done.error}

    def columns(self, done: PassFigures, *, labelled: bool = True) -> dict[str, Any]:
        """Return ``Y`` where it is known, ``Y_hat`` and ``p_0, p_1, ...``."""
        known = {"Y": done.labels} if labelled else {}
        shares = {f"p_{number}": done.probabilities[:, number] for number in range(self.n_outputs)}
        return {**known, "Y_hat": done.predicted, **shares}

    def describe(self) -> dict[str, Any]:
        """Return its type and the names of the classes, in their order."""
        return {"type": self.name, "class_names": list(self.class_names)}
