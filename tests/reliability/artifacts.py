"""What programs leave: whether every file is whole, and in what two folders differ."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datasets.features_file import read_features_h5, read_features_pt
from datasets.split_file import read_split
from models.checkpoint import read_checkpoint
from models.checkpoint_facts import CheckpointConfig
from stages.run_files import FoldRecord
from tests.reliability.programs import TEMPORARY, Program
from utils.item_locks import Holder
from utils.lock_folder import LOCKS
from utils.run_log import FOLDER as RUN_LOGS
from utils.tables import read_text_table
from utils.torch_file import read_torch_file
from wsi_core.attention_file import read_scores
from wsi_core.coords_file import read_coords
from wsi_core.heatmap_layers import read_layers
from wsi_core.params import SlideParams
from wsi_core.process_list import ProcessList

PART = ".part-"
LOGS = "events.out.tfevents."
KEPT_BY_TORCH = "torchinductor_*"  # its cache of compiled code
# The process list of a run that goes on says of slides that were done before it what their coordinates tell: not with
# which levels they were segmented and drawn, and that they exist already.
MAY_DIFFER = {"process_list_autogen.csv": ["status", "seg_level", "vis_level"]}


def files_of(program: Program, folder: Path) -> dict[str, Path]:
    """Return the files below a program's outputs by their path in the folder."""
    found = [path for output in program.outputs for path in (folder / output).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path for path in sorted(found)}


def left_over(program: Program, folder: Path) -> list[str]:
    """Return the files below a program's outputs that have not got their final name."""
    found = files_of(program, folder).items()
    return [name for name, path in found if path.name.startswith(PART) or path.parent.name == LOCKS]


def left_in_temporary_folder(folder: Path) -> list[str]:
    """Return what lies in the folder that libraries use in place of /tmp, but for what they keep there for good."""
    found = (path for path in (folder / TEMPORARY).iterdir() if not path.match(KEPT_BY_TORCH))
    return sorted(str(path.relative_to(folder)) for path in found)


def require_whole(program: Program, folder: Path) -> int:
    """Read every file with a final name by the module that owns its format; return how many there are."""
    n_files = 0
    for name, path in files_of(program, folder).items():
        if path.name.startswith(PART):
            continue
        n_files += 1
        try:
            _reader_of(path)(path)
        except Exception as error:
            raise AssertionError(f"{name} is there and not whole: {error!r}") from error
    return n_files


def _reader_of(path: Path) -> Callable[[Path], object]:
    for pattern, read in READERS.items():
        if path.match(pattern):
            return read
    raise AssertionError("nobody knows how to read it")


def _read_picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def _read_scores(path: Path) -> None:
    assert read_scores(path) is not None


def _read_html(path: Path) -> None:
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")


def _read_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    if text.startswith("{"):
        json.loads(text)


def _read_log(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the points of every curve of a folder; a log grows, so its last record may be torn."""
    log = EventAccumulator(str(path if path.is_dir() else path.parent), size_guidance={"scalars": 0}).Reload()
    return {tag: [(event.step, event.value) for event in log.Scalars(tag)] for tag in log.Tags()["scalars"]}


READERS: dict[str, Callable[[Path], object]] = {
    "patches/*.h5": read_coords,
    "h5_files/*.h5": read_features_h5,
    "pt_files/*.pt": read_features_pt,
    "*_blockmap*.h5": _read_scores,
    "*_roi_*.h5": _read_scores,
    "heatmap_raw_results/*/*/*/*.h5": read_features_h5,
    "heatmap_raw_results/*/*/*/*.pt": read_features_pt,
    "*_checkpoint.pt": read_checkpoint,
    "*_resume.pt": read_torch_file,
    "*.pkl": lambda path: pickle.loads(path.read_bytes()),  # our own: nothing here reads it
    "process_list_autogen.csv": lambda path: ProcessList.read(path, SlideParams()),
    "splits_[0-9].csv": read_split,
    "*.csv": read_text_table,
    "*_layers.json": read_layers,
    "*_checkpoint.json": lambda path: CheckpointConfig.model_validate_json(path.read_text()),
    "*_done.json": lambda path: FoldRecord(**json.loads(path.read_text())),
    "*.json": lambda path: json.loads(path.read_text()),
    "*.geojson": lambda path: json.loads(path.read_text()),
    "*.png": _read_picture,
    "*.jpg": _read_picture,
    "*.html": _read_html,
    "*.yaml": lambda path: yaml.safe_load(path.read_text()).items(),
    "*.txt": _read_text,
    f"{LOCKS}/*.done": lambda path: json.loads(path.read_text()),
    f"{LOCKS}/*": lambda path: Holder(**json.loads(path.read_text())),
    f"{RUN_LOGS}/*.log": lambda path: path.read_text(encoding="utf-8"),  # it grows
    f"{LOGS}*": _read_log,
}


def differences(program: Program, folder: Path, reference: Path) -> list[str]:
    """Say in what the outputs in a folder differ from those of an undisturbed run: names, bytes, values."""
    here, there = (_to_compare(program, one) for one in (folder, reference))
    said = [f"{name} is too many" for name in sorted(here.keys() - there.keys())]
    said += [f"{name} is missing" for name in sorted(there.keys() - here.keys())]
    said += [f"{name} differs" for name in sorted(here.keys() & there.keys()) if not _equal(here[name], there[name])]
    return said + [
        f"curves of {log} differ" for log in _logs(program, reference) if not _same_log(log, folder, reference)
    ]


def _to_compare(program: Program, folder: Path) -> dict[str, Path]:
    """Leave out logs, whose names have the time: a run that goes on adds another one; and ``left_over``."""
    found = files_of(program, folder)
    return {
        name: path
        for name, path in found.items()
        if not path.name.startswith((LOGS, PART)) and path.parent.name not in (RUN_LOGS, LOCKS)
    }


def _logs(program: Program, folder: Path) -> list[Path]:
    files = files_of(program, folder).values()
    return sorted({path.parent.relative_to(folder) for path in files if path.name.startswith(LOGS)})


def _same_log(log: Path, folder: Path, reference: Path) -> bool:
    return _read_log(folder / log) == _read_log(reference / log)


def _equal(path: Path, other: Path) -> bool:
    if path.read_bytes() == other.read_bytes():
        return True
    if path.name in MAY_DIFFER:
        tables = [pd.read_csv(one, dtype=str).drop(columns=MAY_DIFFER[path.name]) for one in (path, other)]
        return tables[0].equals(tables[1])
    if path.suffix == ".h5":
        return _values_of_h5(path) == _values_of_h5(other)
    if path.suffix == ".pt":
        return _same_tensors(read_torch_file(path), read_torch_file(other))
    return False


def _values_of_h5(path: Path) -> dict[str, object]:
    found: dict[str, object] = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        found.update({f"{name}@{key}": np.asarray(value).tolist() for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tolist()

    with h5py.File(path, "r") as file:
        add("/", file)
        file.visititems(add)
    return found


def _same_tensors(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_tensors(one[name], other[name]) for name in one)
    return one == other
