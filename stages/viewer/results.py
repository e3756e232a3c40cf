"""Which slides there are to see: an index of the results. What is not in it cannot be asked for."""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

from stages.heatmap_config import HeatmapConfig, read_config
from utils.errors import ItemError, UsageError
from wsi_core.heatmap_layers import Layer, SlideLayers, find_layers, read_layers

CONFIG = "config.yaml"
KEY_DIGITS = 16
STATUS_NOT_THERE = "not_there"


@dataclass(frozen=True)
class Experiment:
    """A run of ``create_heatmaps.py``.

    Attributes:
        name: of its folder.
        folder: its raw results.
        config: as it was used.
    """

    name: str
    folder: Path
    config: HeatmapConfig


@dataclass(frozen=True)
class ViewedSlide:
    """A slide of an experiment.

    Attributes:
        key: what addresses call it, hexadecimal; the same whenever the same results are served.
        experiment: where it belongs to.
        folder: of its files.
        layers: what there is to show.
        read_at_ns: when the description of ``layers`` was written.
    """

    key: str
    experiment: Experiment
    folder: Path
    layers: SlideLayers
    read_at_ns: int

    def file(self, name: str) -> Path:
        """Return a file that ``layers`` names.

        Raises:
            ItemError: it is missing, or a link out of the slide's folder (status ``not_there``).
        """
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            raise ItemError(f"{name} is not among the results", STATUS_NOT_THERE)
        return path

    def layer(self, number: int) -> Layer:
        """Return a layer, or raise an ItemError (status ``not_there``)."""
        if number >= len(self.layers.layers):
            raise ItemError(f"there is no layer {number}", STATUS_NOT_THERE)
        return self.layers.layers[number]


class Results:
    """The slides of one experiment, or of all experiments of a folder. Safe to share between threads.

    Args:
        folder: raw results of an experiment, or the folder of several.

    Raises:
        UsageError: there are none; says which folder is meant.
    """

    def __init__(self, folder: Path) -> None:
        self.experiments = _experiments(folder)
        self.unreadable: list[str] = []
        self._paths: dict[str, tuple[Experiment, Path]] = {}
        self._known: dict[Path, ViewedSlide] = {}
        self._lock = threading.Lock()
        self.scan()

    def scan(self) -> list[ViewedSlide]:
        """Look for slides again, and return those that can be read; ``unreadable`` names the others."""
        paths = {
            _key(experiment, path): (experiment, path)
            for experiment in self.experiments
            for path in find_layers(experiment.folder)
        }
        found, unreadable = [], []
        with self._lock:
            self._paths = paths
            for key in paths:
                try:
                    found.append(self._read(key))
                except ItemError as error:
                    unreadable.append(str(error))
            self.unreadable = unreadable
        return found

    @property
    def keys(self) -> list[str]:
        """The keys of all slides, in the order of the list."""
        return list(self._paths)

    def slide(self, key: str) -> ViewedSlide:
        """Return a slide as its results are now.

        Raises:
            ItemError: there is none with this key (status ``not_there``), or its file is damaged.
        """
        with self._lock:
            if key not in self._paths:
                raise ItemError("there is no such slide", STATUS_NOT_THERE)
            return self._read(key)

    def _read(self, key: str) -> ViewedSlide:
        experiment, path = self._paths[key]
        try:
            written_at_ns = path.stat().st_mtime_ns
        except OSError as error:
            raise ItemError(f"{path.name} is gone", STATUS_NOT_THERE) from error
        known = self._known.get(path)
        if known is None or known.read_at_ns != written_at_ns:
            known = ViewedSlide(key, experiment, path.parent, read_layers(path), written_at_ns)
            self._known[path] = known
        return known


def _experiments(folder: Path) -> list[Experiment]:
    if not folder.is_dir():
        raise UsageError(f"--results: no folder {str(folder)!r}")
    folders = [folder] if (folder / CONFIG).is_file() else [path.parent for path in sorted(folder.glob(f"*/{CONFIG}"))]
    found = [Experiment(path.resolve().name, path, read_config(path / CONFIG)) for path in folders]
    if not any(True for experiment in found for _ in find_layers(experiment.folder)):
        raise UsageError(
            f"--results {folder}: no slides to show; pass the raw_save_dir of create_heatmaps.py, or an experiment in "
            "it, such as heatmaps/heatmap_raw_results/EXP, with its config.yaml and GROUP/SLIDE/SLIDE_layers.json"
        )
    return found


def _key(experiment: Experiment, path: Path) -> str:
    """Name a slide by what its folders are called, so that a link works again when the program is started anew."""
    place = "/".join((experiment.name, *path.relative_to(experiment.folder).parts))
    return hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:KEY_DIGITS]
