"""State dicts of strangers: read as tensors only, freed of what wraps the network, and put in where every name fits."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from utils.errors import UsageError, one_line
from utils.torch_file import DamagedFileError, read_torch_file
from utils.wording import few

logger = logging.getLogger(__name__)

State = dict[str, torch.Tensor]
Renaming = Callable[[State, nn.Module], State]

SHARD_INDEX = ".index.json"
# Prefixes under which training frameworks and larger models keep the network, one within the other.
WRAPPERS = ("_orig_mod.", "module.", "model.", "teacher.", "backbone.", "vision_tower.")
# Keys under which training programs keep the state dict beside other things, one within the other; the first counts.
CONTAINERS = ("state_dict", "model_state_dict", "model", "teacher", "net", "model_ema", "state_dict_ema", "student")
DEEPEST = 8
LFS_POINTER = b"version https://git-lfs"
NOTHING = ("\0",)  # the beginning, or the end, of no name


def shards(path: Path) -> list[Path]:
    """Return the files of weights behind a path, in the order of their names: the file, or those that an index lists.

    Raises:
        UsageError: the index cannot be read, or a file that it lists is not there.
    """
    if not path.name.endswith(SHARD_INDEX):
        return [path]
    files = [path.parent / name for name in shard_names(path)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise UsageError(f"weights {path}: fetch {few(missing)} into the same folder")
    return files


def shard_names(path: Path) -> list[str]:
    """Return the names of the files that an index lists, which lie beside it, in order."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
        return sorted({Path(str(file)).name for file in listed})
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"weights {path} are no index of weights: {one_line(error)}") from error


def read_weights(path: Path, *, unused: tuple[str, ...] = (), bare: Callable[[str], str] | None = None) -> State:
    """Read a state dict from a safetensors or torch file, or from shards, as float32, without what wraps the network.

    Args:
        path: the file, or the index of shards.
        unused: beginnings of names, unwrapped, that are left out.
        bare: from names in the file to those returned; None: ``unwrapped``.

    Raises:
        UsageError: a file is damaged or holds more than tensors.
    """
    state: State = {}
    for file in shards(path):
        try:
            read = _read_safetensors if _is_safetensors(file) else _read_torch
            state |= read(file, unused, bare or unwrapped)
        except (DamagedFileError, SafetensorError, OSError) as error:
            raise UsageError(f"weights {file} are damaged or hold more than tensors: {one_line(error)}") from error
    return state


def _is_safetensors(path: Path) -> bool:
    """Tell a file by its beginning: the length of a header, and a header in JSON. Names are often others."""
    with path.open("rb") as file:
        beginning = file.read(len(LFS_POINTER))
    if beginning == LFS_POINTER:
        raise UsageError(f"weights {path} are a pointer of Git LFS: fetch the file itself, such as by git lfs pull")
    return beginning[8:9] == b"{"


def _read_safetensors(path: Path, unused: tuple[str, ...], bare: Callable[[str], str]) -> State:
    with safe_open(path, framework="pt") as file:
        return {name: _float32(file.get_tensor(saved)) for name, saved in _used(file.keys(), unused, bare).items()}


def _read_torch(path: Path, unused: tuple[str, ...], bare: Callable[[str], str]) -> State:
    saved = _network_of(read_torch_file(path))
    return {name: _float32(saved[wrapped]) for name, wrapped in _used(saved, unused, bare).items()}


def _float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _network_of(loaded: object) -> State:
    """Return the tensors of what a training framework saved, which may lie some dictionaries deeper."""
    for _ in range(DEEPEST):
        inner = [key for key in CONTAINERS if isinstance(loaded, dict) and isinstance(loaded.get(key), dict)]
        if not inner:
            break
        if len(inner) > 1:
            logger.warning("the weights of %r are taken; the file has those of %s too", inner[0], few(inner[1:]))
        loaded = loaded[inner[0]]  # type: ignore[index]
    if not isinstance(loaded, dict):
        raise DamagedFileError("no dictionary of tensors")
    tensors = {name: value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    if loaded and not tensors:
        raise DamagedFileError(f"no tensors, but {few([str(name)[:40] for name in loaded])}")
    strange = [name for name, value in tensors.items() if not isinstance(name, str) or value.layout != torch.strided]
    if strange:
        raise DamagedFileError(f"{strange[0]!r} is no name, or its tensor is sparse")
    return tensors


def _used(saved: Iterable[str], unused: tuple[str, ...], bare: Callable[[str], str]) -> dict[str, str]:
    """Return the names of the encoder's tensors, each with the name that it is saved under."""
    names: dict[str, str] = {}
    for wrapped in saved:
        name = bare(wrapped)
        if name.startswith(unused or NOTHING):
            continue
        if name in names:
            raise DamagedFileError(f"both {names[name]} and {wrapped} could be {name}")
        names[name] = wrapped
    return names


def unwrapped(name: str) -> str:
    """Return a name without the prefixes of what wraps a network."""
    prefix: str | None = ""
    while prefix is not None:
        name = name.removeprefix(prefix)
        prefix = next((one for one in WRAPPERS if name.startswith(one)), None)
    return name


def as_named(state: State, _network: nn.Module) -> State:
    """Return a state dict whose names are the network's already."""
    return state


def load_weights(
    network: nn.Module,
    path: Path,
    *,
    may_lack: tuple[str, ...] = (),
    unused: tuple[str, ...] = (),
    rename: Renaming = as_named,
) -> None:
    """Put the weights of a file into a network; one that is on torch's meta device gets its memory by this.

    Args:
        network: takes them.
        path: the file, or the index of shards.
        may_lack: endings of names that the file need not have.
        unused: beginnings of names in the file that lie beyond the encoder.
        rename: from the published names to the network's.

    Raises:
        UsageError: the file lacks a parameter, has one too many, or one of another shape; names them.
    """
    fill(network, rename(read_weights(path, unused=unused), network), path, may_lack=may_lack)


def fill(network: nn.Module, state: State, path: Path, *, may_lack: tuple[str, ...] = ()) -> None:
    """Put a state dict, read from a path, into a network that has the same names; see ``load_weights``."""
    wanted = network.state_dict()
    require_fit(
        path,
        lack=[name for name in wanted if name not in state and not name.endswith(may_lack or NOTHING)],
        unknown=[name for name in state if name not in wanted],
        other_shape=[name for name in state if name in wanted and state[name].shape != wanted[name].shape],
        other_kind=of_other_kind(state, wanted),
    )
    network.load_state_dict(state, strict=False, assign=is_empty(network))


def of_other_kind(state: State, wanted: State) -> list[str]:
    """Return the names of whole numbers, such as of a quantised network, where a network has others."""
    return [
        name
        for name in state
        if name in wanted and wanted[name].is_floating_point() and not state[name].is_floating_point()
    ]


def is_empty(network: nn.Module) -> bool:
    """Say whether a network is of shapes only, on torch's meta device."""
    return any(parameter.is_meta for parameter in network.parameters())


def require_fit(
    path: Path,
    *,
    lack: Iterable[str],
    unknown: Iterable[str],
    other_shape: Iterable[str],
    other_kind: Iterable[str] = (),
) -> None:
    """Raise a UsageError that gives the first names that do not match, if there are any."""
    problems: Mapping[str, list[str]] = {
        "lack": list(lack),
        "have unknown": list(unknown),
        "have another shape of": list(other_shape),
        "have another kind of numbers in": list(other_kind),
    }
    text = "; ".join(f"{what} {few(names)}" for what, names in problems.items() if names)
    if text:
        raise UsageError(f"weights {path} do not fit the encoder: they {text}")
