"""Networks whose code comes with the weights, from the hub: run only where the user trusts it, at one revision."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.hub_folder import hub_is, refuse_code_from_elsewhere
from models.encoders.packages import import_for
from models.encoders.spec import HUB, EncoderSpec
from models.encoders.state_dict import State, fill, read_weights, unwrapped
from models.encoders.transformers_networks import fill_by_transformers
from utils.errors import UsageError, one_line

# What code of the hub raises where it meets another version of a library, or files that are not all there.
_FAILURES = (ImportError, OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError)


def require_trust(spec: EncoderSpec, trust_remote_code: bool) -> None:
    """Raise a UsageError for an encoder that runs code of the hub, unless the user trusts it."""
    if spec.trust_remote_code and not trust_remote_code:
        at = f" at revision {spec.revision}" if spec.revision else ""
        raise UsageError(
            f"{spec.name} runs code that comes from {HUB}/{spec.hub_id}{at}: read it there, or in your folder, and "
            "pass --trust_remote_code if you trust it (in a configuration of heatmaps trust_remote_code: true)"
        )


def _create(spec: EncoderSpec) -> nn.Module:
    raise UsageError(f"{spec.name}: its network is known only to the code of {HUB}/{spec.hub_id}")


def _load(spec: EncoderSpec, weights: Path) -> nn.Module:
    """Make the network by the code of the folder that the weights lie in, and by nothing else, with these weights.

    ``AutoModel.from_pretrained`` would choose a file of weights by itself and draw at random what that lacks; it also
    makes networks without memory first, by which buffers that no file holds lose what the code has put into them.
    """
    transformers = import_for(spec, "transformers")
    folder = weights.parent
    refuse_code_from_elsewhere(spec, folder)
    try:
        with hub_is(folder, spec) as asked_for:
            config = transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=True, local_files_only=True)
            whole = transformers.AutoModel.from_config(config, trust_remote_code=True, dtype=torch.float32)
            network = getattr(whole, spec.architecture)()[0] if spec.architecture else whole
            # code that has read the file itself may have done so without a look at its names
            holder = network if weights.name in asked_for else whole
            state = _state_for(holder, read_weights(weights, unused=spec.unused, bare=str))
    except _FAILURES as error:
        needs = f" (it needs: pip install {spec.needs})" if isinstance(error, ImportError) else ""
        raise UsageError(f"{spec.name}: the code in {folder} fails: {one_line(error)}{needs}") from error
    fill(holder, state, weights)
    return network


def _state_for(network: Any, saved: State) -> State:
    """Return what a file holds under the network's names: as it is, but for wrappers, or as transformers renames it."""
    wanted = network.state_dict()
    as_they_are = [_with_tied(state, wanted) for state in (saved, _as_wrapped(saved, wanted))]
    for state in as_they_are:
        if state.keys() == wanted.keys():
            return state
    return _with_tied(_renamed(network, saved), wanted) if hasattr(network, "from_pretrained") else as_they_are[-1]


def _as_wrapped(saved: State, wanted: State) -> State:
    """Return a state dict under the network's names, which may begin as what is taken off of names."""
    wrapped = {unwrapped(name): name for name in wanted}
    state = {wrapped.get(unwrapped(name), name): tensor for name, tensor in saved.items()}
    return state if len(state) == len(saved) else saved  # two names would become one


def _with_tied(state: State, wanted: State) -> State:
    """Add the other names of tensors that a network has under several: files hold one of them."""
    places = {name: (tensor.data_ptr(), tensor.shape) for name, tensor in wanted.items() if tensor.numel()}
    held = {places[name]: tensor for name, tensor in state.items() if name in places}
    return {name: held[place] for name, place in places.items() if place in held} | state


def _renamed(network: Any, saved: State) -> State:
    """Return a state dict as transformers reads it, which renames parts of its own that code of the hub is made of.

    Names that the code allows a file to lack are left out: transformers would draw them at random.
    """
    try:
        read, found = fill_by_transformers(type(network), network.config, saved)
    except _FAILURES:  # code that cannot do without memory; the names say the rest
        return saved
    may_be_lacking = re.compile("|".join(getattr(network, "_keys_to_ignore_on_load_missing", None) or ["(?!)"]))
    state = {
        name: tensor
        for name, tensor in read.state_dict().items()
        if name not in found["missing_keys"] and (name in saved or not may_be_lacking.search(name))
    }
    state |= {name: torch.empty(0) for name in found["unexpected_keys"]}
    return state | {name: torch.empty(shape, device="meta") for name, shape, *_ in found["mismatched_keys"]}


def _run(network: Any, batch: torch.Tensor, _spec: EncoderSpec) -> torch.Tensor:
    output = network(batch)
    return getattr(output, "last_hidden_state", output)


REMOTE = Family(_create, _run, load=_load, packages=("transformers",))
