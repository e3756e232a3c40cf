"""Networks of timm."""

from typing import Any

import timm
import torch
from timm.layers import SwiGLUPacked
from timm.models import swin_transformer, vision_transformer
from torch import nn

from models.encoders.conv_stem import ConvStem
from models.encoders.family import Family
from models.encoders.spec import EncoderSpec
from models.encoders.state_dict import State

BATCH_COUNTER = ("num_batches_tracked",)  # of no use once trained, and missing in pruned files
# What the entries, which import nothing, give by name.
LAYERS: dict[object, Any] = {"SwiGLUPacked": SwiGLUPacked, "silu": nn.SiLU, "ConvStem": ConvStem}
LAYER_OPTIONS = ("mlp_layer", "act_layer", "embed_layer")
# Names that only files of the DINOv2 repository have, and of timm before it moved Swin's downsampling.
OF_DINOV2 = {"mask_token", "register_tokens"}
TOKENS, MAP = 3, 4  # dimensions
OF_OLD_SWIN = "layers.0.downsample.reduction.weight"


def create_timm(spec: EncoderSpec) -> nn.Module:
    """Make a network of timm without weights."""
    options: dict[str, Any] = {
        name: LAYERS.get(value, value) if name in LAYER_OPTIONS else value for name, value in dict(spec.options).items()
    }
    return timm.create_model(spec.architecture, pretrained=False, **options)


def run_timm(network: Any, batch: torch.Tensor, spec: EncoderSpec) -> torch.Tensor:
    """Return what is to be pooled: tokens of a transformer, the map of a convolutional network, or its own feature."""
    if dict(spec.options).get("features_only"):
        return network(batch)[-1]
    if spec.pooling != "pooled":
        return network.forward_features(batch)
    output = network(batch)
    if output.ndim == MAP and str(getattr(network, "output_fmt", "NCHW")) == "NHWC":
        return output.permute(0, 3, 1, 2)
    if output.ndim == TOKENS and not getattr(network, "num_prefix_tokens", 1):
        return output.mean(dim=1)  # none of them stands for all
    return output


def timm_names(state: State, network: Any) -> State:
    """Return weights of the DINOv2 repository, and of older versions of timm, under the names of timm."""
    if OF_DINOV2 & state.keys():
        marked = {**state, "mask_token": state.get("mask_token", torch.empty(0))}  # by which timm knows them
        return vision_transformer.checkpoint_filter_fn(marked, network)
    if OF_OLD_SWIN in state:
        return swin_transformer.checkpoint_filter_fn(state, network)
    return state


TIMM = Family(create_timm, run_timm, rename=timm_names, may_lack=BATCH_COUNTER, all_in_weights=True)
