"""Pretrained weights of an encoder: where they come from."""

import hashlib
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_download, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RevisionNotFoundError,
)

from models.encoders.spec import HUB, EncoderSpec
from models.encoders.state_dict import SHARD_INDEX, shard_names, shards
from utils.errors import UsageError
from utils.fingerprint import file_sha256
from utils.wording import few

logger = logging.getLogger(__name__)

HUB_TIMEOUT_S = 10
# The hub's own errors, and those of the HTTP library below it, which differs between its releases.
_HUB_ERRORS: tuple[type[Exception], ...] = (OSError, HfHubHTTPError.__bases__[0])  # type: ignore[assignment]
# Names under which most weights are published; an entry's own comes first.
USUAL_FILES = (
    "model.safetensors",
    "model.safetensors" + SHARD_INDEX,
    "pytorch_model.bin",
    "pytorch_model.bin" + SHARD_INDEX,
)
ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
SNAPSHOTS = "snapshots"  # of the hub's cache, a folder a commit
COMMIT = re.compile("[0-9a-f]{40}")
PART_OF_COMMIT = re.compile("[0-9a-f]{7,40}")
WITH_THEIR_FOLDER = ("remote", "any_hub")  # families whose network is described beside the weights


def find_weights(spec: EncoderSpec, checkpoint: str | None) -> Path:
    """Return the file of weights: the given one, that of the environment variable, or that of the hub.

    Args:
        spec: an entry of the registry.
        checkpoint: a file, or a downloaded folder of the hub; None: the environment variable's, else the hub's.

    Returns:
        The file, or the index of the files that hold the parts.

    Raises:
        UsageError: there is none; says which file to fetch, where, and how to pass it.
    """
    spec = _with_hub(spec)
    if checkpoint:
        return _given(spec, checkpoint)
    by_variable = os.environ.get(spec.env_var) if spec.env_var else None
    if by_variable:
        return _given(spec, by_variable, f" ({spec.env_var} says so)")
    if not spec.hub_id:
        raise UsageError(f"{spec.name} needs weights; {_advice(spec)}")
    _require_revision(spec)
    cached = _cached(spec)
    if cached:
        return cached
    if spec.gated and not get_token():
        raise UsageError(f"{spec.name} needs weights; {_advice(spec)}")
    return _fetched(spec)


def weights_sha256(path: Path) -> str:
    """Return the SHA-256 of a file of weights; of several, that of their own SHA-256s in the order of their names."""
    files = sorted(_weight_files(path)) if path.is_dir() else shards(path)
    if len(files) == 1:
        return file_sha256(files[0])
    return hashlib.sha256("".join(file_sha256(file) for file in files).encode()).hexdigest()


def revision_of(path: Path) -> str:
    """Return the commit of the hub that a file of weights is of, as the hub's cache keeps it; "" elsewhere."""
    is_cached = path.parent.parent.name == SNAPSHOTS and COMMIT.fullmatch(path.parent.name)
    return path.parent.name if is_cached else ""


def _with_hub(spec: EncoderSpec) -> EncoderSpec:
    if spec.family != "any_timm":
        return spec
    from models.encoders.any_timm import on_the_hub  # timm takes seconds to import

    return on_the_hub(spec)


def _given(spec: EncoderSpec, given: str, by_whom: str = "") -> Path:
    path = Path(given).expanduser()
    if path.is_dir():
        path = _in_folder(spec, _snapshot_in(path, spec.revision))
    if not path.is_file():
        raise UsageError(f"{spec.name}: no file of weights {given}{by_whom}; {_advice(spec)}")
    _require_same_commit(spec, path)
    return path


def _require_same_commit(spec: EncoderSpec, path: Path) -> None:
    """Refuse a file of the hub's cache that is of another commit than the user says; of other files nobody can tell."""
    is_of = revision_of(path)
    if is_of and PART_OF_COMMIT.fullmatch(spec.revision) and not is_of.startswith(spec.revision):
        raise UsageError(f"{spec.name}: {path} is of commit {is_of}: say that one, or leave the file out")


def _snapshot_in(folder: Path, revision: str) -> Path:
    """Return where the files are in a folder of the hub's cache; any other folder as it is."""
    snapshots = folder if folder.name == SNAPSHOTS else folder / SNAPSHOTS
    if not snapshots.is_dir():
        return folder
    main = snapshots.parent / "refs" / "main"
    current = main.read_text(encoding="utf-8").strip() if main.is_file() else ""
    found = [path for path in snapshots.iterdir() if COMMIT.fullmatch(path.name)]
    named = [path for commit in (revision, current) for path in found if path.name == commit]
    return next(iter(named or found), folder) if named or len(found) == 1 else folder


def _in_folder(spec: EncoderSpec, folder: Path) -> Path:
    """Return the weights in a folder: under the entry's name for them, a usual one, or the only file there."""
    for name in _candidates(spec):
        if (folder / name).is_file():
            return folder / name
    files = _weight_files(folder)
    if len(files) == 1:
        return files[0]
    found = f"several ({few([file.name for file in files])}): pass one" if files else f"none; {_advice(spec)}"
    raise UsageError(f"{spec.name}: files of weights in {folder}: {found}")


def _weight_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())


def _candidates(spec: EncoderSpec) -> list[str]:
    if spec.family == "remote" and spec.architecture:
        return [spec.hub_file]  # what lies under the usual names is the whole that the encoder is a part of
    return list(dict.fromkeys((spec.hub_file, *USUAL_FILES)))


def _require_revision(spec: EncoderSpec) -> None:
    """Refuse code of the hub that may change between two runs, as that of a branch or a tag."""
    if spec.trust_remote_code and not COMMIT.fullmatch(spec.revision):
        raise UsageError(
            f"{spec.name} runs code of {HUB}/{spec.hub_id}: say which revision, --model_name {spec.plain_name}@COMMIT, "
            "or pass a downloaded folder with --encoder_ckpt FOLDER; COMMIT is the 40 digits of one of "
            f"{HUB}/{spec.hub_id}/commits/main"
        )


def _cached(spec: EncoderSpec) -> Path | None:
    """Return what was fetched before, which asks no network."""
    for name in _candidates(spec):
        try:
            return _download(spec, name, local_files_only=True)
        except LocalEntryNotFoundError:
            continue
    return None


def _fetched(spec: EncoderSpec) -> Path:
    logger.info("fetching the weights of %s from %s/%s", spec.name, HUB, spec.hub_id)
    for name in _candidates(spec):
        try:
            # asks once, where the download itself would try for half a minute before it gives up
            address = hf_hub_url(spec.hub_id, name, revision=spec.revision or None)
            get_hf_file_metadata(address, timeout=HUB_TIMEOUT_S)
            return _download(spec, name, local_files_only=False)
        except _HUB_ERRORS as error:
            if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
                continue  # published under another of the usual names
            if isinstance(error, RevisionNotFoundError):
                raise UsageError(f"{spec.name}: {HUB}/{spec.hub_id} has no revision {spec.revision}") from error
            raise UsageError(
                f"{spec.name}: its weights cannot be fetched here ({type(error).__name__}); {_advice(spec)}"
            ) from error
    raise UsageError(f"{spec.name}: {HUB}/{spec.hub_id} has no {few(_candidates(spec))}")


def _download(spec: EncoderSpec, name: str, *, local_files_only: bool) -> Path:
    """Return a file of the hub, with what belongs to it in the same folder."""

    def file(name: str) -> Path:
        revision = spec.revision or None
        return Path(hf_hub_download(spec.hub_id, name, revision=revision, local_files_only=local_files_only))

    if spec.family == "remote":
        # the weights come last: they are taken for fetched when all that they need has been
        revision = spec.revision or None
        snapshot_download(spec.hub_id, revision=revision, local_files_only=local_files_only, ignore_patterns=name)
    path = file(name)
    if spec.family == "any_hub":
        _with_config(spec, file)
    if name.endswith(SHARD_INDEX):
        for part in shard_names(path):
            file(part)
    return path


def _with_config(spec: EncoderSpec, file: Callable[[str], Path]) -> None:
    try:
        file("config.json")
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError as error:
        raise UsageError(
            f"{spec.name}: {HUB}/{spec.hub_id} has no config.json, which says how its network is built"
        ) from error


def _advice(spec: EncoderSpec) -> str:
    what = "FOLDER" if spec.family in WITH_THEIR_FOLDER else "FILE"
    return f"{_where(spec)} and pass it with --encoder_ckpt {what}{f' or set {spec.env_var}' if spec.env_var else ''}"


def _where(spec: EncoderSpec) -> str:
    """Say what to fetch, and from where."""
    if not spec.hub_id:
        return f"fetch {spec.hub_file} from {spec.source or 'its authors'} on a machine with network"
    what = spec.hub_file if spec.family not in WITH_THEIR_FOLDER else "the whole folder"
    at = f" at revision {spec.revision}" if spec.revision else ""
    ask = " (ask for access there)" if spec.gated else ""
    return f"fetch {what} of {HUB}/{spec.hub_id}{at}{ask} on a machine with network"
