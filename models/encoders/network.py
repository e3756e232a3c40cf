"""Encoders that are torch networks: timm's, and those of a package of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from models.encoders.registry import EncoderSpec
from models.encoders.transform import Normalise
from models.encoders.weights import load_weights
from utils.errors import UsageError

Forward = Callable[[torch.Tensor], torch.Tensor]
# The pretrained classifier's last stages, which a truncated network does not have.
BEHIND_LAYER3 = ("layer4.", "fc.")
BATCH_COUNTER = ("num_batches_tracked",)  # of no use once trained, and missing in pruned files


@dataclass(frozen=True)
class NetworkEncode:
    """Runs a network on batches of bytes.

    Attributes:
        forward: float32 (B, 3, H, W) → (B, D).
        normalise: bytes (B, H, W, 3) → the network's input.
        device: where it computes.
    """

    forward: Forward
    normalise: Normalise
    device: torch.device

    @torch.inference_mode()
    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return features, float32 (B, D) on the CPU."""
        return self.forward(self.normalise(batch.to(self.device, non_blocking=True))).float().cpu()


def build_timm(spec: EncoderSpec, weights: Path, device: torch.device) -> Forward:
    """Build a network of timm; feature maps are averaged over their pixels."""
    options: dict[str, Any] = dict(spec.options)
    network = timm.create_model(spec.architecture, pretrained=False, **options)
    load_weights(network, weights, may_lack=BATCH_COUNTER, unused=BEHIND_LAYER3)
    # batches come with channels last, as pictures do; convolutions that keep them so are faster on any device
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return PooledFeatures(network) if options.get("features_only") else network


class PooledFeatures(nn.Module):
    """The last feature map of a network, averaged over its pixels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (B, D) of a batch (B, 3, H, W)."""
        return self._network(batch)[-1].mean(dim=(2, 3))


def build_conch(spec: EncoderSpec, weights: Path, device: torch.device) -> Forward:
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
    model, _ = create_model_from_pretrained(spec.architecture, str(weights), device=device)
    model.eval()
    return lambda batch: model.encode_image(batch, proj_contrast=False, normalize=False)
