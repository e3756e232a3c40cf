"""The max-pooling baseline: each instance is classified, the most convincing one speaks for the bag."""

from typing import Any, ClassVar

import torch
from torch import nn

from models.bag_output import BagOutput
from models.drop_out import DropOut
from models.heads.base import State
from models.settings import ModelSettings

WIDTH = 512


class MIL_fc(nn.Module):
    """Two classes: the instance with the largest probability of class 1 decides.

    Args:
        size_arg: ``small``; the baseline has one size.
        dropout: rate after the embedding.
        n_classes: 2.
        embed_dim: length of a feature.
    """

    has_attention: ClassVar[bool] = True

    def __init__(
        self, size_arg: str = "small", dropout: float = 0.0, n_classes: int = 2, embed_dim: int = 1024
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.n_classes = n_classes
        self.classifier = nn.Sequential(
            nn.Linear(embed_dim, WIDTH), nn.ReLU(), DropOut(dropout), nn.Linear(WIDTH, n_classes)
        )

    def forward(self, h: torch.Tensor, return_features: bool = False) -> BagOutput:
        """Classify one bag (N, embed_dim); the instances' scores are their probabilities of class 1, (1, N)."""
        logits = self.classifier(h)  # (N, 2)
        scores = logits.softmax(dim=1)[:, 1]
        top = scores.topk(1)[1]
        chosen = logits[top]
        extras = {"features": self.classifier[:3](h)[top]} if return_features else {}
        return BagOutput.of(chosen, scores[None], extras)


class MIL_fc_mc(nn.Module):
    """More classes: the instance and class of the largest probability of all decide.

    Args: as for ``MIL_fc``, with any number of classes.
    """

    has_attention: ClassVar[bool] = True

    def __init__(
        self, size_arg: str = "small", dropout: float = 0.0, n_classes: int = 3, embed_dim: int = 1024
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.n_classes = n_classes
        self.fc = nn.Sequential(nn.Linear(embed_dim, WIDTH), nn.ReLU(), DropOut(dropout))
        self.classifiers = nn.Linear(WIDTH, n_classes)

    def forward(self, h: torch.Tensor, return_features: bool = False) -> BagOutput:
        """Classify one bag (N, embed_dim); the instances' scores are their probabilities of each class, (C, N)."""
        embedded = self.fc(h)
        logits = self.classifiers(embedded)  # (N, C)
        probabilities = logits.softmax(dim=1)
        place = probabilities.argmax().reshape(1)  # stays on the device, which nobody waits for
        top, predicted = place // self.n_classes, place % self.n_classes
        extras = {"features": embedded[top]} if return_features else {}
        return BagOutput(logits[top], probabilities[top], predicted[None], probabilities.T, extras)


def build(settings: ModelSettings) -> MIL_fc | MIL_fc_mc:
    """Return an untrained model."""
    mil = MIL_fc if settings.n_classes == 2 else MIL_fc_mc
    return mil(dropout=settings.drop_out, n_classes=settings.n_classes, embed_dim=settings.embed_dim)


def recognise(state: State) -> dict[str, Any] | None:
    """Return what the parameters show of the settings; None where they are another head's."""
    for embedding, classifier in (("classifier.0", "classifier.3"), ("fc.0", "classifiers")):
        if f"{embedding}.weight" in state and f"{classifier}.weight" in state:
            embed_dim, n_classes = state[f"{embedding}.weight"].shape[1], state[f"{classifier}.weight"].shape[0]
            return {"model_type": "mil", "embed_dim": embed_dim, "n_classes": n_classes}
    return None
