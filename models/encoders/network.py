"""Encoders that are torch networks: timm's, and those of a package of their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from models.encoders.registry import EncoderSpec
from models.encoders.weights import load_weights
from utils.errors import UsageError

# The pretrained classifier's last stages, which a truncated network does not have.
BEHIND_LAYER3 = ("layer4.", "fc.")
BATCH_COUNTER = ("num_batches_tracked",)  # of no use once trained, and missing in pruned files


@dataclass(frozen=True)
class BuiltNetwork:
    """A network with its weights.

    Attributes:
        network: float32, in evaluation mode, on the CPU; normalised float32 (B, 3, h, w) -> (B, D).
        spec: its facts, completed with what is known only when it is built.
    """

    network: nn.Module
    spec: EncoderSpec


def build_network(spec: EncoderSpec, weights: Path, *, trust_remote_code: bool = False) -> BuiltNetwork:
    """Build a network and load its weights."""
    return BuiltNetwork({"timm": build_timm, "conch": build_conch}[spec.family](spec, weights), spec)


def build_timm(spec: EncoderSpec, weights: Path) -> nn.Module:
    """Build a network of timm; feature maps are averaged over their pixels."""
    options: dict[str, Any] = dict(spec.options)
    network = timm.create_model(spec.architecture, pretrained=False, **options)
    load_weights(network, weights, may_lack=BATCH_COUNTER, unused=BEHIND_LAYER3)
    network.eval()
    return PooledFeatures(network) if options.get("features_only") else network


class PooledFeatures(nn.Module):
    """The last feature map of a network, averaged over its pixels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (B, D) of a batch (B, 3, H, W)."""
        return self._network(batch)[-1].mean(dim=(2, 3))


def build_conch(spec: EncoderSpec, weights: Path) -> nn.Module:
    """Build CONCH from its own package, as an image encoder before the contrastive projection.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        from conch.open_clip_custom import create_model_from_pretrained
    except ImportError as error:
        raise UsageError(
            f"{spec.name} needs the package conch: pip install git+https://github.com/mahmoodlab/CONCH"
        ) from error
    model, _ = create_model_from_pretrained(spec.architecture, str(weights))
    model.eval()
    return _Conch(model)


class _Conch(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self._model.encode_image(batch, proj_contrast=False, normalize=False)
