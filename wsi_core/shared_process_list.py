"""The process list on disk while it is filled in, perhaps by several processes at once, each for slides of its own."""

import logging
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from utils.errors import UsageError
from utils.item_locks import ItemLocks
from wsi_core.params import SlideParams
from wsi_core.process_list import ProcessList

logger = logging.getLogger(__name__)

SHARE_OF_TIME = 0.05  # that writing may take: a list of very many slides is not written after every one
QUICK_S = 0.25


class SharedProcessList:
    """A process list and its file.

    Args:
        slides: the list, all of whose rows are ours to fill in but those of ``not_ours``.
        path: the file.
        locks: of its folder.
        not_ours: slides that only other processes do; their rows are kept as the file has them.
    """

    def __init__(self, slides: ProcessList, path: Path, locks: ItemLocks, not_ours: Collection[str] = ()) -> None:
        self.slides = slides
        self._path = path
        self._locks = locks
        self._of_others = set(not_ours)
        self._filled_in: set[str] = set()
        self._seen: tuple[int, ...] = ()
        self._not_before_s = 0.0

    def start(self) -> None:
        """Write the list as it is now; where other processes are at work in the folder, with what they have done."""
        if self._locks.others():
            self._of_others = set(self.slides.names)
        self._write()

    def fill_in(self, name: str, cells: Mapping[str, str]) -> None:
        """Set cells of a slide's row, and write the list."""
        self.slides.update(name, cells)
        self._filled_in.add(name)
        self._of_others.discard(name)
        if time.monotonic() >= self._not_before_s:
            self._write()

    def finish(self) -> None:
        """Write the list for good."""
        self._write()

    def _write(self) -> None:
        start_s = time.monotonic()
        with self._locks.holding(self._path.name):
            if _signature(self._path) != self._seen:
                self._take_over()
            self.slides.write(self._path)
            self._seen = _signature(self._path)
        end_s = time.monotonic()
        took_s = end_s - start_s
        self._not_before_s = end_s + (took_s / SHARE_OF_TIME if took_s > QUICK_S else 0.0)

    def _take_over(self) -> None:
        """Take the rows of other processes' slides from the file."""
        if self._seen:  # it was ours: whoever has written it since has filled in rows
            self._of_others = set(self.slides.names) - self._filled_in
        if not self._of_others or not self._path.is_file():
            return
        try:
            self.slides.take_rows_of(ProcessList.read(self._path, SlideParams()), self._of_others)
        except UsageError as error:
            logger.warning("written anew, with what this run knows: %s", error)


def _signature(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
