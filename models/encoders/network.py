"""Encoders that are torch networks: made, filled with their weights, and pooled to one feature a patch."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from models.encoders.any_timm import ANY_HUB, ANY_TIMM, UNBUILDABLE
from models.encoders.conch_network import CONCH
from models.encoders.family import Family
from models.encoders.gemma_network import GEMMA
from models.encoders.keep_network import KEEP
from models.encoders.musk_network import MUSK
from models.encoders.open_clip_networks import OPEN_CLIP
from models.encoders.packages import import_for
from models.encoders.pooling import POOLINGS
from models.encoders.remote_networks import REMOTE, require_trust
from models.encoders.spec import EncoderSpec
from models.encoders.timm_networks import TIMM
from models.encoders.transformers_networks import TRANSFORMERS
from utils.errors import UsageError, one_line

FAMILIES: dict[str, Family] = {
    "timm": TIMM,
    "any_timm": ANY_TIMM,
    "any_hub": ANY_HUB,
    "keep": KEEP,
    "transformers": TRANSFORMERS,
    "gemma4": GEMMA,
    "open_clip": OPEN_CLIP,
    "conch": CONCH,
    "musk": MUSK,
    "remote": REMOTE,
}


class EncoderNetwork(nn.Module):
    """A network and how its output becomes one feature a patch.

    Args:
        body: the network, with the names of its state dict.
        family: runs it.
        spec: the encoder's facts.
    """

    def __init__(self, body: nn.Module, family: Family, spec: EncoderSpec) -> None:
        super().__init__()
        self.body = body
        self._run, self._pool, self._spec = family.run, POOLINGS[spec.pooling], spec

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return features (B, D) of a normalised batch (B, 3, H, W)."""
        return self._pool(self._run(self.body, batch, self._spec), self._spec.num_prefix_tokens)


@dataclass(frozen=True)
class BuiltNetwork:
    """A network that is ready to use.

    Attributes:
        network: in eval mode, float32 on the CPU: normalised float32 (B, 3, H, W) → (B, D).
        spec: the encoder's facts, with those that are known only now.
    """

    network: nn.Module
    spec: EncoderSpec


def build_network(spec: EncoderSpec, weights: Path | None, *, trust_remote_code: bool = False) -> BuiltNetwork:
    """Build a network with its weights.

    Args:
        spec: an entry of the registry, with a family that is a network.
        weights: as ``find_weights`` gives them; None: untrained, for measurements.
        trust_remote_code: whether the user lets code of the hub run.

    Raises:
        UsageError: the weights do not fit or are damaged, a package is missing, or code of the hub is not trusted.
    """
    require_buildable(spec, trust_remote_code=trust_remote_code)
    family = _family(spec)
    spec = family.complete(spec, weights)
    body = family.create(spec) if weights is None else family.trained(spec, weights)
    network = _ready(body, family, spec)
    try:
        return BuiltNetwork(network, spec if spec.dim else replace(spec, dim=_features_of(network, spec)))
    except UNBUILDABLE as error:
        side_px = spec.input_size_px
        raise UsageError(
            f"{spec.name} cannot run on pictures of {side_px} px, its own size: {one_line(error)}"
        ) from error


def require_buildable(spec: EncoderSpec, *, trust_remote_code: bool) -> None:
    """Raise a UsageError where an encoder cannot be built whatever its weights: say why not."""
    require_trust(spec, trust_remote_code)
    packages = _family(spec).packages
    for package in packages:
        import_for(spec, package)


def build_empty(spec: EncoderSpec) -> nn.Module:
    """Build a network of shapes only, on torch's meta device, which takes no memory.

    Raises:
        UsageError: a package is missing, or the network is known only once its weights are at hand.
    """
    family = _family(spec)
    spec = family.complete(spec, None)
    with torch.device("meta"):
        return _ready(family.create(spec), family, spec)


def _family(spec: EncoderSpec) -> Family:
    family = FAMILIES.get(spec.family)
    if family is None:
        raise UsageError(f"{spec.name} is not built here; its code: {spec.source}")
    return family


def _ready(body: nn.Module, family: Family, spec: EncoderSpec) -> EncoderNetwork:
    return EncoderNetwork(body, family, spec).eval().requires_grad_(False)


@torch.inference_mode()
def _features_of(network: nn.Module, spec: EncoderSpec) -> int:
    """Return how many numbers a network gives, by a run: models of timm are many, and say it in several ways."""
    return network(torch.zeros(1, 3, spec.input_size_px, spec.input_size_px)).shape[-1]
