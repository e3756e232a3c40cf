"""The stem of CTransPath: convolutions in place of a Swin transformer's patch embedding (Wang et al., 2022).

https://doi.org/10.1016/j.media.2022.102559
"""

from typing import Any

import torch
from timm.layers import to_2tuple
from torch import nn


class ConvStem(nn.Module):
    """From a picture to a map of tokens at a quarter of its size, by two convolutions of stride 2 and one of 1 x 1.

    Takes the arguments that timm gives to a patch embedding. The third convolution stands at place 6, as in the
    published weights.
    """

    def __init__(
        self,
        img_size: int | tuple[int, int],
        embed_dim: int,
        patch_size: int = 4,
        norm_layer: Any = None,
        **_unused: object,
    ) -> None:
        super().__init__()
        height, width = to_2tuple(img_size)
        self.grid_size = (height // patch_size, width // patch_size)
        self.proj = nn.Sequential(
            *_halving(3, embed_dim // 8),
            *_halving(embed_dim // 8, embed_dim // 4),
            nn.Conv2d(embed_dim // 4, embed_dim, 1),
        )
        self.norm = norm_layer(embed_dim) if norm_layer else nn.Identity()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (B, H / 4, W / 4, D) of a batch (B, 3, H, W)."""
        return self.norm(self.proj(batch).permute(0, 2, 3, 1))


def _halving(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
