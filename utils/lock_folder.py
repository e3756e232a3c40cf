"""The hidden folder of a folder of results in which processes leave small files for each other, one or two an item."""

import hashlib
import os
import threading
from pathlib import Path

from utils.atomic import PREFIX as PART_PREFIX
from utils.process_identity import ProcessIdentity, this_process

LOCKS = ".locks"
MAX_ITEM_BYTES = 200  # of the 255 that a name may have


class LockFolder:
    """The folder; it is made when it is written to.

    Args:
        results: the folder of results.
    """

    def __init__(self, results: Path) -> None:
        self.path = results / LOCKS

    def file(self, item_id: str, suffix: str) -> Path:
        """Return the file of an item, whose name is no longer than file systems allow."""
        return self.path / f"{short(item_id)}{suffix}"

    def aside(self, item_id: str) -> Path:
        """Return a name that is this process's own, for the file of an item."""
        return self.path / f"{PART_PREFIX}{this_process()}-{short(item_id)}"

    def write_own(self, text: str) -> Path:
        """Write a file that no other process or thread writes.

        Raises:
            OSError: the disk is full, say; names the folder.
        """
        own = self._own()
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                own.write_text(text, encoding="utf-8")
                return own
            except FileNotFoundError:  # another process, which was the last one, has just removed the folder
                continue
            except OSError as error:
                own.unlink(missing_ok=True)
                raise OSError(error.errno, error.strerror, str(self.path)) from error

    def remove_own(self) -> None:
        """Remove what this thread has written for itself, where an interrupt kept it from doing so."""
        self._own().unlink(missing_ok=True)

    def _own(self) -> Path:
        return self.path / f"{PART_PREFIX}{this_process()}-{threading.get_ident():x}"

    def is_left(self, file: Path, process: ProcessIdentity | None, silent_after_s: float) -> bool:
        """Tell whether nobody keeps a file alive.

        Args:
            file: in the folder, touched now and then by its process.
            process: whose it is; one of this machine lives as long as it is there. None: nobody knows.
            silent_after_s: how long one on another machine may give no sign of life.
        """
        if process is not None and process.is_here:
            return process.is_gone
        try:
            last_s = file.stat().st_mtime
        except FileNotFoundError:
            return False
        return self.now_s() - last_s > silent_after_s

    def now_s(self) -> float:
        """Return the time as the file system has it: that of a file written now."""
        own = self.write_own("")
        try:
            return own.stat().st_mtime
        finally:
            own.unlink(missing_ok=True)


def short(item_id: str) -> str:
    """Return what stands for an item in the names of its files."""
    name = os.fsencode(item_id)
    return item_id if len(name) <= MAX_ITEM_BYTES else hashlib.sha256(name).hexdigest()
