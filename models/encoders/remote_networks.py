"""Networks whose code comes with the weights, from the hub: run only where the user trusts it, at one revision."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.packages import import_for
from models.encoders.spec import HUB, EncoderSpec
from utils.errors import UsageError, one_line

# What code of the hub raises where it meets another version of a library, or files that are not all there.
_FAILURES = (ImportError, OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError)


def require_trust(spec: EncoderSpec, trust_remote_code: bool) -> None:
    """Raise a UsageError for an encoder that runs code of the hub, unless the user trusts it."""
    if spec.trust_remote_code and not trust_remote_code:
        raise UsageError(
            f"{spec.name} runs code that comes from {HUB}/{spec.hub_id} at revision "
            f"{spec.revision or 'of your folder'}: read it there, and pass --trust_remote_code if you trust it"
        )


def _create(spec: EncoderSpec) -> nn.Module:
    raise UsageError(f"{spec.name}: its network is known only to the code of {HUB}/{spec.hub_id}")


def _load(spec: EncoderSpec, weights: Path) -> nn.Module:
    """Make the network by the code of the folder that the weights lie in; never asks the hub for another version."""
    transformers = import_for(spec, "transformers")
    try:
        network = transformers.AutoModel.from_pretrained(
            str(weights.parent), trust_remote_code=True, local_files_only=True, dtype=torch.float32
        )
        return getattr(network, spec.architecture)()[0] if spec.architecture else network
    except _FAILURES as error:
        needs = f" (it needs: pip install {spec.needs})"
        raise UsageError(f"{spec.name}: the code in {weights.parent} fails: {one_line(error)}{needs}") from error


def _run(network: Any, batch: torch.Tensor, _spec: EncoderSpec) -> torch.Tensor:
    output = network(batch)
    return getattr(output, "last_hidden_state", output)


REMOTE = Family(_create, _run, load=_load)
