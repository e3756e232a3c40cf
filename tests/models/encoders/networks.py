"""Networks of the registry for tests: of shapes only, or small enough to be filled, saved and read again."""

from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from models.encoders.network import FAMILIES, build_empty
from models.encoders.registry import ENCODERS
from models.encoders.spec import EncoderSpec
from models.encoders.state_dict import is_empty

# Families whose code comes with a package or from the hub, and is not to be had here.
ELSEWHERE = ("handcrafted", "conch", "musk", "remote", "ticon")
BUILT_HERE = [spec for spec in ENCODERS.values() if spec.family not in ELSEWHERE]

NARROW_VIT = {"depth": 2, "embed_dim": 48, "num_heads": 3}
NARROW_SWIN = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)}
NARROW_HF = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}
NARROW: dict[str, dict[str, Any]] = {
    "keep": NARROW_VIT,
    "transformers": NARROW_HF,
    "gemma4": {**NARROW_HF, "num_key_value_heads": 3, "head_dim": 16, "position_embedding_size": 64},
    "open_clip": {"layers": 2, "width": 64},
}


def network_of(spec: EncoderSpec) -> tuple[object, ...]:
    """Return what entries with one network share."""
    return spec.family, spec.architecture, tuple(sorted(spec.options, key=str))


NETWORKS = list({network_of(spec): spec for spec in reversed(BUILT_HERE)}.values())[::-1]


def listing_name(spec: EncoderSpec) -> str:
    """Return the first of the encoders that have this network."""
    return next(other.name for other in NETWORKS if network_of(other) == network_of(spec))


@cache
def shapes_only(spec: EncoderSpec) -> nn.Module:
    """Return the network on torch's meta device."""
    return build_empty(spec)


def published(body: nn.Module) -> dict[str, torch.Tensor]:
    """Return a state dict under the names of published files: those of transformers before its version 5."""
    state = body.state_dict()
    return dict(revert_weight_conversion(body, state)) if isinstance(body, PreTrainedModel) else state


def small(spec: EncoderSpec) -> EncoderSpec:
    """Return the entry of a network of the same kind with few, narrow layers."""
    if dict(spec.options).get("timm"):
        return replace(spec, architecture="vit_tiny_patch16_224")
    narrow = NARROW.get(spec.family, NARROW_VIT)
    if spec.architecture.startswith("swin"):
        narrow = NARROW_SWIN
    if spec.architecture.startswith("resnet"):
        narrow = {"channels": (8, 16, 32, 64), "stem_width": 8}
    return replace(spec, options=tuple({**dict(spec.options), **narrow}.items()))


def filled(spec: EncoderSpec) -> nn.Module:
    """Return the body of a network full of numbers that no other has."""
    torch.manual_seed(0)
    body = FAMILIES[spec.family].unfilled(spec).eval()
    if is_empty(body):
        body = body.to_empty(device="cpu")
    for name, tensor in body.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(std=0.05)
            tensor += 1.0 if "var" in name or "input_max" in name or "output_max" in name else 0.0
    return body
