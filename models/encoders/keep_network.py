"""KEEP's image encoder: a vision transformer and a head of two layers (Zhou et al., 2024).

https://arxiv.org/abs/2412.13126
"""

import re

import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.spec import EncoderSpec
from models.encoders.state_dict import State
from models.encoders.timm_networks import create_timm

LAYER_SCALE = re.compile(r"\.(ls[12])\.weight$")


class Keep(nn.Module):
    """A transformer's class token, projected into the space that pictures and texts share."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.visual = create_timm(spec)
        width = int(self.visual.num_features)  # type: ignore[arg-type]
        self.visual_head = nn.Sequential(nn.Linear(width, spec.dim), nn.GELU(), nn.Linear(spec.dim, spec.dim))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (B, D) of a batch (B, 3, H, W)."""
        return self.visual_head(self.visual(batch))


def _names(state: State, _network: nn.Module) -> State:
    """Return the weights under timm's names: the hub calls a layer's scale its weight."""
    return {LAYER_SCALE.sub(r".\1.gamma", name): tensor for name, tensor in state.items()}


KEEP = Family(Keep, rename=_names, all_in_weights=True)
