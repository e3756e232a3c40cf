"""Networks whose code comes with the weights, from the hub: run only where the user trusts it, at one revision."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.packages import import_for
from models.encoders.spec import HUB, EncoderSpec
from models.encoders.state_dict import State, load_weights, unwrapped
from utils.errors import UsageError, one_line

# What code of the hub raises where it meets another version of a library, or files that are not all there.
_FAILURES = (ImportError, OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError)
CONFIG = "config.json"
ELSEWHERE = "--"  # in the name of a class: OWNER/NAME--module.Class is code of another repository
CODE_OF_THE_HUB = "transformers_modules."  # where transformers puts it


def require_trust(spec: EncoderSpec, trust_remote_code: bool) -> None:
    """Raise a UsageError for an encoder that runs code of the hub, unless the user trusts it."""
    if spec.trust_remote_code and not trust_remote_code:
        raise UsageError(
            f"{spec.name} runs code that comes from {HUB}/{spec.hub_id} at revision "
            f"{spec.revision or 'of your folder'}: read it there, and pass --trust_remote_code if you trust it "
            "(in a configuration of heatmaps trust_remote_code: true)"
        )


def _create(spec: EncoderSpec) -> nn.Module:
    raise UsageError(f"{spec.name}: its network is known only to the code of {HUB}/{spec.hub_id}")


def _load(spec: EncoderSpec, weights: Path) -> nn.Module:
    """Make the network by the code of the folder that the weights lie in, and by nothing else, with these weights.

    transformers would choose a file of weights by itself, and draw at random what that lacks.
    """
    transformers = import_for(spec, "transformers")
    folder = weights.parent
    _refuse_code_from_elsewhere(spec, folder)
    try:
        with _hub_is(folder, spec) as asked_for:
            config = transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=True, local_files_only=True)
            whole = transformers.AutoModel.from_config(config, trust_remote_code=True, dtype=torch.float32)
            network = getattr(whole, spec.architecture)()[0] if spec.architecture else whole
    except _FAILURES as error:
        needs = f" (it needs: pip install {spec.needs})" if isinstance(error, ImportError) else ""
        raise UsageError(f"{spec.name}: the code in {folder} fails: {one_line(error)}{needs}") from error
    if weights.name not in asked_for:  # else the code has read them
        load_weights(whole, weights, unused=spec.unused, rename=_as_wrapped)
    return network


def _as_wrapped(state: State, network: nn.Module) -> State:
    """Return a state dict under the network's names, which may begin as what is taken off of names."""
    wrapped = {unwrapped(name): name for name in network.state_dict()}
    return {wrapped.get(name, name): tensor for name, tensor in state.items()}


def _refuse_code_from_elsewhere(spec: EncoderSpec, folder: Path) -> None:
    """Raise a UsageError where a folder names code of another repository, which nobody has read at any revision."""
    try:
        classes = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("auto_map", {})
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError(f"{spec.name}: no {CONFIG} to read beside the weights in {folder}: fetch the whole folder of "
                         f"{HUB}/{spec.hub_id} ({one_line(error)})") from error  # fmt: skip
    if ELSEWHERE in json.dumps(classes):
        raise UsageError(
            f"{spec.name}: {folder / CONFIG} names code of another repository ({json.dumps(classes)}): not run"
        )


@contextmanager
def _hub_is(folder: Path, spec: EncoderSpec) -> Iterator[set[str]]:
    """Let the hub be a folder: what code asks of it comes from there, at the revision that the user trusts.

    Yields:
        The names of the files that were asked for.
    """
    asked_for: set[str] = set()

    def from_folder(repo_id: str, filename: str, *_args: object, **_options: object) -> str:
        asked_for.add(filename)
        if repo_id.lower() != spec.hub_id.lower():
            raise UsageError(f"{spec.name}: its code asks for {filename} of {HUB}/{repo_id}, at no stated revision")
        if not (folder / filename).is_file():
            raise UsageError(f"{spec.name}: fetch {filename} of {HUB}/{spec.hub_id} into {folder}")
        return str(folder / filename)

    download = huggingface_hub.hf_hub_download
    with (
        _replaced(huggingface_hub, "hf_hub_download", from_folder),
        _replaced(huggingface_hub.constants, "HF_HUB_OFFLINE", True),
    ):
        _replace_in_code_of_the_hub(from_folder)
        try:
            yield asked_for
        finally:
            _replace_in_code_of_the_hub(download)


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _replace_in_code_of_the_hub(download: Any) -> None:
    """Give modules that have imported the download by its name another one."""
    for name, module in list(sys.modules.items()):
        if name.startswith(CODE_OF_THE_HUB) and hasattr(module, "hf_hub_download"):
            vars(module)["hf_hub_download"] = download


def _run(network: Any, batch: torch.Tensor, _spec: EncoderSpec) -> torch.Tensor:
    output = network(batch)
    return getattr(output, "last_hidden_state", output)


REMOTE = Family(_create, _run, load=_load, packages=("transformers",))
