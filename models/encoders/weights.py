"""Pretrained weights of an encoder: where they come from, and how they get into the network."""

import logging
import os
from pathlib import Path

import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from models.encoders.registry import EncoderSpec
from utils.errors import UsageError, one_line
from utils.fingerprint import file_sha256
from utils.torch_file import DamagedFileError, read_torch_file

logger = logging.getLogger(__name__)

HUB_TIMEOUT_S = 10
# The hub's own errors, and those of the HTTP library below it, which differs between its releases.
_HUB_ERRORS: tuple[type[Exception], ...] = (OSError, HfHubHTTPError.__bases__[0])  # type: ignore[assignment]
# Prefixes under which training frameworks keep the network.
WRAPPERS = ("module.", "model.", "backbone.")


def find_weights(spec: EncoderSpec, checkpoint: str | None) -> Path:
    """Return the file of weights: the given one, that of the environment variable, or that of the hub.

    Raises:
        UsageError: there is none; says which file to fetch and how to pass it.
    """
    given = checkpoint or (os.environ.get(spec.env_var) if spec.env_var else None)
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise UsageError(f"{spec.name}: no file of weights {given}; {_advice(spec)}")
        return path
    if not spec.open_weights:
        raise UsageError(f"{spec.name} needs weights; {_advice(spec)}")
    return _from_hub(spec)


def weights_sha256(path: Path) -> str:
    """Return what changes with the weights."""
    return file_sha256(path)


def _from_hub(spec: EncoderSpec) -> Path:
    """Return the hub's file: as cached, which asks no network, else fetched."""
    try:
        return Path(hf_hub_download(spec.hub_id, spec.hub_file, local_files_only=True))
    except LocalEntryNotFoundError:
        logger.info("fetching %s of %s", spec.hub_file, spec.hub_id)
    try:
        # asks once, where the download itself would try for half a minute before it gives up
        get_hf_file_metadata(hf_hub_url(spec.hub_id, spec.hub_file), timeout=HUB_TIMEOUT_S)
        return Path(hf_hub_download(spec.hub_id, spec.hub_file))
    except _HUB_ERRORS as error:
        raise UsageError(
            f"{spec.name}: its weights cannot be fetched here ({type(error).__name__}); {_advice(spec)}"
        ) from error


def _advice(spec: EncoderSpec) -> str:
    variable = f" or set {spec.env_var}" if spec.env_var else ""
    return (
        f"fetch {spec.hub_file} of https://huggingface.co/{spec.hub_id} on a machine with network "
        f"and pass it with --encoder_ckpt FILE{variable}"
    )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a safetensors or torch file, as float32, without what wraps the network.

    Raises:
        UsageError: the file is damaged or holds more than tensors.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _network_of(read_torch_file(path))
    except (DamagedFileError, SafetensorError, OSError) as error:
        raise UsageError(f"weights {path} are damaged or hold more than tensors: {one_line(error)}") from error
    return {
        _unwrapped(name): tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }


def _network_of(loaded: object) -> dict[str, torch.Tensor]:
    """Return the tensors of what a training framework saved, which may lie one dictionary deeper."""
    for key in ("state_dict", "model", "teacher"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict):
        raise DamagedFileError("no dictionary of tensors")
    return {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}


def _unwrapped(name: str) -> str:
    for prefix in WRAPPERS:
        name = name.removeprefix(prefix)
    return name


def load_weights(
    network: nn.Module, path: Path, *, may_lack: tuple[str, ...] = (), unused: tuple[str, ...] = ()
) -> None:
    """Put the weights of a file into a network.

    Args:
        network: takes them.
        path: the file.
        may_lack: endings of names that the file need not have.
        unused: beginnings of names in the file that the network does not have.

    Raises:
        UsageError: the file lacks a parameter, has one too many, or one of another shape; names them.
    """
    state = {name: tensor for name, tensor in read_weights(path).items() if not name.startswith(unused or ("\0",))}
    wanted = network.state_dict()
    problems = {
        "lack": [name for name in wanted if name not in state and not name.endswith(may_lack or ("\0",))],
        "have unknown": [name for name in state if name not in wanted],
        "have another shape of": [n for n in state if n in wanted and state[n].shape != wanted[n].shape],
    }
    text = "; ".join(f"{what} {_few(names)}" for what, names in problems.items() if names)
    if text:
        raise UsageError(f"weights {path} do not fit the encoder: they {text}")
    network.load_state_dict(state, strict=False)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
