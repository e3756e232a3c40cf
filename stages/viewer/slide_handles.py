"""Files of slides: where they are, and a bounded number of them open."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np

from stages.viewer.cache import Cache
from stages.viewer.results import Experiment, ViewedSlide
from utils.errors import ItemError
from wsi_core.slide import Slide
from wsi_core.slide_folder import SlideFolder

STATUS_NO_FILE, STATUS_OTHER_FILE = "no_slide", "other_slide"
OPEN_SLIDES_MIB = 1024
OPENSLIDE_MIB = 32  # what OpenSlide keeps of the tiles of an open slide
BYTES_PER_PIXEL = 4


@dataclass(frozen=True)
class SlideHandle:
    """An open slide that several threads read from; closed when the last one lets go of it.

    Attributes:
        slide: the slide.
        version: changes when the file does.
    """

    slide: Slide
    version: str
    _lock: Lock = field(default_factory=Lock)

    def read(self, location_level0: tuple[int, int], level: int, size_px: tuple[int, int]) -> np.ndarray:
        """Read as ``Slide.read`` does; libraries that one thread at a time may use are used by one at a time."""
        if self.slide.is_read_by_openslide:
            return self.slide.read(location_level0, level, size_px)
        with self._lock:
            return self.slide.read(location_level0, level, size_px)


class SlideHandles:
    """Finds and opens slides.

    Args:
        folders: where slides are looked for first; then where the configuration of their experiment says.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = tuple(folders)
        self._found: dict[str, Path] = {}
        self._open: Cache[SlideHandle] = Cache(OPEN_SLIDES_MIB, _mib)

    def get(self, viewed: ViewedSlide) -> SlideHandle:
        """Return a slide, open.

        Raises:
            ItemError: its file is missing (status ``no_slide``), cannot be read (``failed_open``) or is not the one
                that the results were made from (``other_slide``).
        """
        path = self._path(viewed)
        version = _version(path)
        return self._open.get((path, version), lambda: _open(path, version, viewed))

    def _path(self, viewed: ViewedSlide) -> Path:
        path = self._found.get(viewed.key)
        if path is None or not path.is_file():
            path = self._found[viewed.key] = self._find(viewed)
        return path

    def _find(self, viewed: ViewedSlide) -> Path:
        for folder in (*self._folders, *_folders_of(viewed.experiment)):
            try:
                if folder.is_dir():
                    return SlideFolder(folder).find(viewed.layers.slide_file)
            except ItemError:
                continue
        raise ItemError(
            f"the slide's file {viewed.layers.slide_file} is not there; say where it is with --slides DIR",
            STATUS_NO_FILE,
        )


def _folders_of(experiment: Experiment) -> list[Path]:
    data_dir = experiment.config.data_arguments.data_dir
    return [Path(folder) for folder in (data_dir.values() if isinstance(data_dir, dict) else [data_dir])]


def _version(path: Path) -> str:
    found = path.stat()
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


def _open(path: Path, version: str, viewed: ViewedSlide) -> SlideHandle:
    data = viewed.experiment.config.data_arguments
    try:
        slide = Slide(path, reader=data.reader, max_memory_gb=data.max_memory_gb, background="white")
    except ItemError as error:  # visitors read it, and need not know where the file lies
        raise ItemError(str(error).replace(f"{path.parent}{os.sep}", ""), error.status) from error
    if slide.size_level0 != viewed.layers.size_level0:
        width, height = slide.size_level0
        slide.close()
        raise ItemError(
            f"{path.name} has {width}x{height} px and the slide of these results {viewed.layers.size_level0[0]}x"
            f"{viewed.layers.size_level0[1]}: it is another one",
            STATUS_OTHER_FILE,
        )
    return SlideHandle(slide, version)


def _mib(handle: SlideHandle) -> int:
    """Return about how much memory an open slide takes."""
    if handle.slide.is_read_by_openslide:
        return OPENSLIDE_MIB
    width, height = handle.slide.size_level0
    return max(OPENSLIDE_MIB, width * height * BYTES_PER_PIXEL // 2**20)
