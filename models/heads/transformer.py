"""A plain transformer over the instances, read at a class token; it knows no positions.

Vaswani et al. 2017, "Attention is all you need"; as an aggregator of patches: Wagner et al. 2023,
"Transformer-based biomarker prediction from colorectal cancer histology", Cancer Cell. Its time grows with the square
of the bag, its memory with the bag: torch's scaled dot product attention keeps no N x N matrix.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.bag_output import BagOutput, log_share
from models.heads.base import EmbeddingHead, State, shown_by, size_name, width_of
from models.settings import ModelSettings

SIZES = {"small": 512, "big": 768}  # embedding of an instance
N_LAYERS = 2
N_HEADS = 8
CLASS_TOKEN_STD = 0.02  # of the normal distribution it starts from, as in vision transformers


class Transformer(EmbeddingHead):
    """A class token among the instances, encoder layers that normalise first, a linear classifier.

    The layers have no drop-out of their own: on processors it would bring the N x N matrix back.

    Args: as for ``EmbeddingHead``.
    """

    def __init__(self, embed_dim: int, n_classes: int, width: int, drop_out: float) -> None:
        super().__init__(embed_dim, n_classes, width, drop_out)
        self.class_token = nn.Parameter(torch.empty(1, width).normal_(std=CLASS_TOKEN_STD))
        layer = nn.TransformerEncoderLayer(
            width, N_HEADS, dim_feedforward=width, dropout=0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, N_LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, h: torch.Tensor) -> BagOutput:
        """Answer for one bag (N, embed_dim); raw scores (1, N): log attention of the class token, mean over heads."""
        # without a dimension for the batch: with one, torch's fused layer for inference keeps N x N numbers
        tokens = torch.cat([self.class_token, self.embedding(h)])  # (1 + N, width)
        *first, last = self.encoder.layers
        for layer in first:
            tokens = layer(tokens)
        raw = _class_token_attention(last, tokens.detach())
        return BagOutput.of(self.classifier(self.norm(last(tokens)[:1])), raw)


@torch.no_grad()
def _class_token_attention(layer: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Return how much the first token attends to the others in a layer, log of the mean over its heads (1, N)."""
    attention = layer.self_attn
    tokens = layer.norm1(tokens)
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    query = functional.linear(tokens[:1], weights[0], biases[0]).unflatten(
        1, (attention.num_heads, -1)
    )  # (1, heads, d)
    key = functional.linear(tokens, weights[1], biases[1]).unflatten(1, (attention.num_heads, -1))  # (1 + N, heads, d)
    scores = (query * key).sum(dim=2) / key.shape[2] ** 0.5  # (1 + N, heads)
    return log_share(scores.softmax(dim=0)[1:].mean(dim=1)[None])


def build(settings: ModelSettings) -> Transformer:
    """Return an untrained model."""
    return Transformer(settings.embed_dim, settings.n_classes, SIZES[settings.model_size], settings.drop_out)


def recognise(state: State) -> dict[str, Any] | None:
    """Return what the parameters show of the settings; None where they are another head's."""
    if "encoder.layers.0.self_attn.in_proj_weight" not in state:
        return None
    size = size_name(SIZES, width_of(state))
    return {"model_type": "transformer", "model_size": size, **shown_by(state)}
