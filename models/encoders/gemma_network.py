"""Gemma 4's vision tower, which takes patches of 16 px in a row, each with its place, and joins nine to a token."""

import torch
from torch import nn
from torch.nn import functional as F

from models.encoders.family import Family
from models.encoders.spec import EncoderSpec
from models.encoders.transformers_networks import create_transformers, load_transformers

PATCH_PX = 16


def patches_in_rows(batch: torch.Tensor) -> torch.Tensor:
    """Return (B, N, 16 * 16 * 3) of a batch (B, 3, H, W): row after row, the colours of a pixel side by side."""
    columns = F.unfold(batch, PATCH_PX, stride=PATCH_PX)  # (B, 3 * 16 * 16, N)
    return columns.unflatten(1, (3, -1)).permute(0, 3, 2, 1).flatten(2)


def places(height: int, width: int, device: torch.device) -> torch.Tensor:
    """Return (N, 2), the column and the row of each patch of a picture in pixels."""
    rows = torch.arange(height // PATCH_PX, device=device)
    columns = torch.arange(width // PATCH_PX, device=device)
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((grid[1], grid[0]), dim=-1).flatten(0, 1)


def _run(network: nn.Module, batch: torch.Tensor, _spec: EncoderSpec) -> torch.Tensor:
    size, (height, width) = len(batch), batch.shape[2:]
    where = places(height, width, batch.device).expand(size, -1, -1)
    tokens = network(pixel_values=patches_in_rows(batch), pixel_position_ids=where).last_hidden_state
    return tokens.unflatten(0, (size, -1))  # the tower puts the tokens of all pictures in one row


GEMMA = Family(create_transformers, _run, load=load_transformers, packages=("transformers",))
