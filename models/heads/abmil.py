"""ABMIL: the mean of the instances, weighted by gated attention.

Ilse, Tomczak, Welling 2018, "Attention-based deep multiple instance learning", ICML.
"""

from typing import Any

import torch
from torch import nn

from models.attention import Attn_Net_Gated
from models.bag_output import BagOutput
from models.heads.base import EmbeddingHead, State, shown_by, size_name, width_of
from models.settings import ModelSettings

# size -> (embedding of an instance, hidden layer of the attention), as CLAM's
SIZES = {"small": (512, 256), "big": (512, 384)}


class ABMIL(EmbeddingHead):
    """Gated attention, then a linear classifier.

    Args:
        embed_dim: length of a feature.
        n_classes: number of outputs.
        width: length of an embedding.
        hidden: width of the attention's hidden layer.
        drop_out: rate after the embedding; above 0 the attention drops out too, at its own rate.
    """

    def __init__(self, embed_dim: int, n_classes: int, width: int, hidden: int, drop_out: float) -> None:
        super().__init__(embed_dim, n_classes, width, drop_out)
        self.attention = Attn_Net_Gated(width, hidden, drop_out > 0)
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, h: torch.Tensor) -> BagOutput:
        """Answer for one bag (N, embed_dim); the raw attention (1, N) is what the softmax takes."""
        scores, embedded = self.attention(self.embedding(h))  # (N, 1), (N, width)
        raw = scores.T
        return BagOutput.of(self.classifier(raw.softmax(dim=1) @ embedded), raw)


def build(settings: ModelSettings) -> ABMIL:
    """Return an untrained model."""
    return ABMIL(settings.embed_dim, settings.n_classes, *SIZES[settings.model_size], settings.drop_out)


def recognise(state: State) -> dict[str, Any] | None:
    """Return what the parameters show of the settings; None where they are another head's."""
    if "attention.attention_c.weight" not in state:
        return None
    size = size_name(SIZES, (width_of(state), state["attention.attention_c.weight"].shape[1]))
    return {"model_type": "abmil", "model_size": size, **shown_by(state)}
