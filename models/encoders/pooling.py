"""How the output of a network becomes one feature of a patch."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

Pool = Callable[[torch.Tensor, int], torch.Tensor]


def _class_token(tokens: torch.Tensor, _num_prefix_tokens: int) -> torch.Tensor:
    return tokens[:, 0]


def _mean_of_patches(tokens: torch.Tensor, num_prefix_tokens: int) -> torch.Tensor:
    return tokens[:, num_prefix_tokens:].mean(dim=1)


def _class_and_mean(tokens: torch.Tensor, num_prefix_tokens: int) -> torch.Tensor:
    return torch.cat((tokens[:, 0], tokens[:, num_prefix_tokens:].mean(dim=1)), dim=-1)


def _mean_of_map(maps: torch.Tensor, _num_prefix_tokens: int) -> torch.Tensor:
    return maps.mean(dim=(2, 3))


def _as_it_is(features: torch.Tensor, _num_prefix_tokens: int) -> torch.Tensor:
    return features


def _of_length_1(features: torch.Tensor, _num_prefix_tokens: int) -> torch.Tensor:
    return F.normalize(features, dim=-1)


def _as_the_network_pools(output: torch.Tensor, num_prefix_tokens: int) -> torch.Tensor:
    """A network that leaves its tokens or its map as they are is pooled as most of its kind are."""
    by_dimensions: dict[int, Pool] = {2: _as_it_is, 3: _class_token, 4: _mean_of_map}
    return by_dimensions[output.ndim](output, num_prefix_tokens)


# Tokens are (B, N, D), the class token first, then registers, then patches; maps are (B, D, h, w); features (B, D).
POOLINGS: dict[str, Pool] = {
    "cls": _class_token,
    "mean": _mean_of_patches,
    "cls+mean": _class_and_mean,
    "gap": _mean_of_map,
    "pooled": _as_the_network_pools,
    "pooler": _as_it_is,
    "embedding": _as_it_is,
    "embedding-l2": _of_length_1,
}
