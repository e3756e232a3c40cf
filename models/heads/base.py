"""What the heads that embed each instance first have in common, and what their checkpoints show."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from models.drop_out import DropOut

State = Mapping[str, torch.Tensor]


class EmbeddingHead(nn.Module):
    """Embeds every instance: linear, ReLU, drop-out.

    Args:
        embed_dim: length of a feature.
        n_classes: number of outputs.
        width: length of an embedding.
        drop_out: rate after the embedding.
    """

    has_attention: ClassVar[bool] = True

    def __init__(self, embed_dim: int, n_classes: int, width: int, drop_out: float) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.n_classes = n_classes
        self.width = width
        self.embedding = nn.Sequential(nn.Linear(embed_dim, width), nn.ReLU(), DropOut(drop_out))


def shown_by(state: State, classifier: str = "classifier") -> dict[str, Any]:
    """Return the length of a feature and the number of outputs that parameters show."""
    return {
        "embed_dim": state["embedding.0.weight"].shape[1],
        "n_classes": state[f"{classifier}.weight"].shape[0],
    }


def width_of(state: State) -> int:
    """Return the length of an embedding that parameters show."""
    return state["embedding.0.weight"].shape[0]


def size_name(sizes: Mapping[str, Any], found: Any) -> str:
    """Return the name of the size that has these widths; where none has, say what they are."""
    return next((name for name, widths in sizes.items() if widths == found), f"{found} wide")
