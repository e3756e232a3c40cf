"""Attention over the patches of a slide.

Ilse, Tomczak, Welling 2018, "Attention-based deep multiple instance learning".
"""

import torch
from torch import nn

from models.drop_out import DropOut

ATTENTION_DROP_OUT = 0.25  # the rate whenever there is drop-out at all; published models were trained so


class Attn_Net(nn.Module):
    """Attention without a gate: linear, tanh, linear.

    Args:
        L: length of an instance's embedding.
        D: length of the hidden layer.
        dropout: whether to drop hidden units while training.
        n_classes: number of attention branches.
    """

    def __init__(self, L: int = 1024, D: int = 256, dropout: bool = False, n_classes: int = 1) -> None:  # noqa: N803
        super().__init__()
        self.module = nn.Sequential(nn.Linear(L, D), nn.Tanh(), *_drop_out(dropout), nn.Linear(D, n_classes))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return raw attention (N, n_classes) and the instances (N, L) as they came."""
        return self.module(x), x


class Attn_Net_Gated(nn.Module):
    """Attention with a sigmoid gate on its tanh branch.

    Args: as for ``Attn_Net``.
    """

    def __init__(self, L: int = 1024, D: int = 256, dropout: bool = False, n_classes: int = 1) -> None:  # noqa: N803
        super().__init__()
        self.attention_a = nn.Sequential(nn.Linear(L, D), nn.Tanh(), *_drop_out(dropout))
        self.attention_b = nn.Sequential(nn.Linear(L, D), nn.Sigmoid(), *_drop_out(dropout))
        self.attention_c = nn.Linear(D, n_classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return raw attention (N, n_classes) and the instances (N, L) as they came."""
        return self.attention_c(self.attention_a(x) * self.attention_b(x)), x


def _drop_out(wanted: bool) -> list[nn.Module]:
    return [DropOut(ATTENTION_DROP_OUT)] if wanted else []
