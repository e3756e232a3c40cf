"""TransMIL: a transformer with Nystrom attention, and convolutions that tell it where in the bag an instance stands.

Shao et al. 2021, "TransMIL: transformer based correlated multiple instance learning for whole slide image
classification", NeurIPS. The bag is laid out as a square, row by row, and filled up with its first instances; so the
order of the instances matters, and it should be that of the patches on the slide.
"""

import math
from typing import Any

import torch
from torch import nn

from models.bag_output import BagOutput, log_share
from models.heads.base import EmbeddingHead, State, shown_by, size_name, width_of
from models.heads.nystrom import NystromAttention
from models.settings import ModelSettings

SIZES = {"small": 512, "big": 768}  # embedding of an instance; the paper's is 512
N_HEADS = 8
ATTENTION_DROP_OUT = 0.1
CLASS_TOKEN_STD = 1e-6
KERNELS = (7, 5, 3)


class _Layer(nn.Module):
    """Normalise, attend, add."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = NystromAttention(width, N_HEADS, n_landmarks=width // 2, drop_out=ATTENTION_DROP_OUT)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens + self.attention(self.norm(tokens))

    @torch.no_grad()
    def class_token_attention(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return how much the class token attends to each of the others, (L - 1,); not below 0."""
        return self.attention.first_row(self.norm(tokens))[1:].clamp(min=0)


class PPEG(nn.Module):
    """Pyramid position encoding generator: depthwise convolutions of three sizes over the square, added up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width) for kernel in KERNELS]
        )

    def forward(self, tokens: torch.Tensor, side: int) -> torch.Tensor:
        """Return tokens (1 + side^2, width) with their places worked in; the class token stays as it is."""
        square = tokens[1:].T.unflatten(1, (side, side))[None]  # (1, width, side, side)
        for_place = torch.stack([convolve(square) for convolve in self.convolutions]).sum(dim=0)
        return torch.cat([tokens[:1], (square + for_place)[0].flatten(1).T])


class TransMIL(EmbeddingHead):
    """Layer, position encoding, layer, and a linear classifier on the class token.

    Args: as for ``EmbeddingHead``.
    """

    def __init__(self, embed_dim: int, n_classes: int, width: int, drop_out: float) -> None:
        super().__init__(embed_dim, n_classes, width, drop_out)
        self.class_token = nn.Parameter(torch.empty(1, width).normal_(std=CLASS_TOKEN_STD))
        self.first = _Layer(width)
        self.position = PPEG(width)
        self.second = _Layer(width)
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, h: torch.Tensor) -> BagOutput:
        """Answer for one bag (N, embed_dim); raw scores (1, N): log attention of the class token, mean over heads."""
        side = math.isqrt(len(h) - 1) + 1  # of the smallest square that holds N
        repeated = side**2 - len(h)
        embedded = self.embedding(h)
        tokens = torch.cat([self.class_token, embedded, embedded[:repeated]])  # (1 + side^2, width)
        tokens = self.position(self.first(tokens), side)
        raw = log_share(_folded(self.second.class_token_attention(tokens), len(h))[None])
        return BagOutput.of(self.classifier(self.norm(self.second(tokens)[:1])), raw)


def _folded(attention: torch.Tensor, n_instances: int) -> torch.Tensor:
    """Add the attention to the instances that fill up the square to that of the same ones at their own places."""
    own, again = attention[:n_instances], attention[n_instances:]
    return torch.cat([own[: len(again)] + again, own[len(again) :]])


def build(settings: ModelSettings) -> TransMIL:
    """Return an untrained model."""
    return TransMIL(settings.embed_dim, settings.n_classes, SIZES[settings.model_size], settings.drop_out)


def recognise(state: State) -> dict[str, Any] | None:
    """Return what the parameters show of the settings; None where they are another head's."""
    if "position.convolutions.0.weight" not in state:
        return None
    size = size_name(SIZES, width_of(state))
    return {"model_type": "transmil", "model_size": size, **shown_by(state)}
