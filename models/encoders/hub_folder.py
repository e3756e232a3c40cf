"""A downloaded folder in place of the hub, for code of the hub that is trusted at one revision and no other.

Code that comes with weights asks the hub for more: classes that ``config.json`` names, a tokenizer, a file of weights,
mostly at whatever revision is newest. All of it is answered from the folder, and the network is left alone. What the
code does by other means than the hub's client and transformers is not held back: the user has read it.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import huggingface_hub.file_download

from models.encoders.packages import import_for
from models.encoders.spec import HUB, EncoderSpec
from utils.errors import UsageError, one_line

CONFIG = "config.json"
CLASSES = "auto_map"  # in a configuration: which classes of the hub's code it is for
ELSEWHERE = "--"  # in the name of a class: OWNER/NAME--module.Class is code of another repository
CODE_OF_THE_HUB = "transformers_modules."  # where transformers puts it


def refuse_code_from_elsewhere(spec: EncoderSpec, folder: Path) -> None:
    """Raise a UsageError where a folder names code of another repository, which nobody has read at any revision.

    Every configuration in the folder counts: ``config.json`` may send transformers on to others.
    """
    try:
        _classes_in(folder / CONFIG)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{spec.name}: no {CONFIG} to read beside the weights in {folder}: fetch the whole folder of "
                         f"{HUB}/{spec.hub_id} ({one_line(error)})") from error  # fmt: skip
    for path in sorted(folder.glob("*.json")):
        try:
            classes = json.dumps(_classes_in(path))
        except (OSError, ValueError, RecursionError):
            continue  # transformers cannot read it either
        if ELSEWHERE in classes:
            raise UsageError(f"{spec.name}: {path} names code of another repository ({classes}): not run")


def _classes_in(path: Path) -> list[object]:
    """Return what a configuration says of classes, at any depth."""
    found: list[object] = []

    def look(entries: dict[str, object]) -> dict[str, object]:
        found.extend(entries[name] for name in (CLASSES,) if name in entries)
        return entries

    json.loads(path.read_text(encoding="utf-8"), object_hook=look)
    return found


@contextmanager
def hub_is(folder: Path, spec: EncoderSpec) -> Iterator[set[str]]:
    """Let the hub be a folder.

    Yields:
        The names of the files that the code asks for by the hub's client.

    Raises:
        UsageError: the code asks for a file that the folder has not, or for one of another repository.
    """
    asked_for: set[str] = set()
    transformers_hub = import_for(spec, "transformers.utils.hub")
    find_files, download = transformers_hub.cached_files, huggingface_hub.hf_hub_download

    def from_folder(repo_id: str, filename: str, *_args: object, **_options: object) -> str:
        asked_for.add(filename)
        _require_own(spec, repo_id, filename)
        if not (folder / filename).is_file():
            raise UsageError(f"{spec.name}: fetch {filename} of {HUB}/{spec.hub_id} into {folder}")
        return str(folder / filename)

    def found_in_folder(path_or_repo_id: str, filenames: list[str], *args: object, **options: object) -> object:
        if not Path(path_or_repo_id).is_dir():
            _require_own(spec, str(path_or_repo_id), filenames[0])
            path_or_repo_id = str(folder)
        return find_files(path_or_repo_id, filenames, *args, **options)

    with (
        _replaced(huggingface_hub, "hf_hub_download", from_folder),
        _replaced(huggingface_hub.file_download, "hf_hub_download", from_folder),
        _replaced(huggingface_hub.constants, "HF_HUB_OFFLINE", True),
        _replaced(transformers_hub, "cached_files", found_in_folder),
    ):
        _replace_in_code_of_the_hub(download, from_folder)
        try:
            yield asked_for
        finally:
            _replace_in_code_of_the_hub(from_folder, download)


def _require_own(spec: EncoderSpec, repo_id: str, file: str) -> None:
    if repo_id.lower() != spec.hub_id.lower():
        raise UsageError(f"{spec.name}: its code asks for {file} of {HUB}/{repo_id}, at no stated revision")


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _replace_in_code_of_the_hub(before: object, after: object) -> None:
    """Give modules that have imported a function, under whatever name, another one."""
    for name, module in list(sys.modules.items()):
        if name.startswith(CODE_OF_THE_HUB):
            vars(module).update({variable: after for variable, value in vars(module).items() if value is before})
