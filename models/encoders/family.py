"""What a family of encoders knows: how to make a network, run it, and read its published weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models.encoders.spec import EncoderSpec
from models.encoders.state_dict import Renaming, as_named, load_weights

Run = Callable[[nn.Module, torch.Tensor, EncoderSpec], torch.Tensor]
Complete = Callable[[EncoderSpec, Path | None], EncoderSpec]


def nothing_to_add(spec: EncoderSpec, _weights: Path | None) -> EncoderSpec:
    """Return an entry that is complete before the network is built."""
    return spec


def whole_network(network: nn.Module, batch: torch.Tensor, _spec: EncoderSpec) -> torch.Tensor:
    """Return what a network gives when it is called."""
    return network(batch)


@dataclass(frozen=True)
class Family:
    """A family of encoders.

    Attributes:
        create: makes the network, without weights, on torch's default device; its names are those of its state dict.
        run: the network's output for a batch (B, 3, H, W), which is then pooled.
        rename: from the published names to the network's.
        may_lack: endings of names that a file of weights need not have.
        complete: adds to the entry what is known once the weights are at hand, before the network is made.
        all_in_weights: whether a network without buffers has no numbers but those of its weights.
        load: makes the network with its weights; None: by ``load_weights``.
        packages: modules that not every installation has.
    """

    create: Callable[[EncoderSpec], nn.Module]
    run: Run = whole_network
    rename: Renaming = as_named
    may_lack: tuple[str, ...] = ()
    complete: Complete = nothing_to_add
    all_in_weights: bool = False
    load: Callable[[EncoderSpec, Path], nn.Module] | None = None
    packages: tuple[str, ...] = ()

    def trained(self, spec: EncoderSpec, weights: Path) -> nn.Module:
        """Return the network with the weights of a file.

        Raises:
            UsageError: they do not fit, or a package is not installed.
        """
        if self.load:
            return self.load(spec, weights)
        network = self.unfilled(spec)
        load_weights(network, weights, may_lack=self.may_lack, unused=spec.unused, rename=self.rename)
        return network

    def unfilled(self, spec: EncoderSpec) -> nn.Module:
        """Return a network that is to be filled: of shapes only, where weights hold all its numbers, as of giants."""
        if not self.all_in_weights:
            return self.create(spec)
        with torch.device("meta"):
            network = self.create(spec)
        return network if next(network.buffers(), None) is None else self.create(spec)
