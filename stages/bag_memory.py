"""Whether a bag fits into memory, asked before the system ends the program or the GPU gives up."""

import torch
from torch import nn

from models.heads.base import EmbeddingHead
from models.heads.registry import HeadSpec
from utils.device import free_bytes
from utils.errors import ItemError

BYTES_OF_A_FLOAT = 4
COPIES_OF_FEATURES = 2  # that of a fine map's bag, and the one on the device
GIB = 2**30


def bag_bytes(model: EmbeddingHead, head: HeadSpec, n_patches: int) -> int:
    """Estimate what a model takes to answer for a bag, in bytes."""
    floats = COPIES_OF_FEATURES * model.embed_dim + head.n_embeddings * model.width
    return BYTES_OF_A_FLOAT * n_patches * floats


def require_memory(model: nn.Module, head: HeadSpec, n_patches: int, device: torch.device) -> None:
    """Refuse a bag that takes more memory than is free; models that score instances one by one take little.

    Raises:
        ItemError: says how much of each, and what to do.
    """
    if not isinstance(model, EmbeddingHead):
        return
    needed, free = bag_bytes(model, head, n_patches), free_bytes(device)
    if free is not None and needed > free:
        raise ItemError(
            f"{head.name} takes about {needed / GIB:.2g} GiB of memory for a bag of {n_patches} patches, "
            f"{free / GIB:.2g} GiB are free; use larger patches or a machine with more memory",
            "too_large",
        )
