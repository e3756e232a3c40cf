"""What came of items, left for processes that do the same with them, in the same folder, at the same time.

A slide that is done shows in the results. One that fails does not, nor one that is to be made again: without a word
each process would work on it, one after the other.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from utils.atomic import PREFIX
from utils.lock_folder import LockFolder
from utils.process_identity import ProcessIdentity

SUFFIX = ".done"
HERE = "here-"
Purpose = Callable[[str], str]

_begun_s: float | None = None  # by the clock of this process


def note_begin() -> None:
    """Let words count from now on: processes that are started together take different times for their imports."""
    global _begun_s
    _begun_s = time.monotonic()


class ItemWords:
    """The words of one folder of results; those from before the program began count for nothing.

    A file tells others that somebody is here who may read them; ``close`` takes it away, and the last one all words.

    Args:
        folder: the folder of locks.
        purpose: what is done to an item, all that decides what comes of it; None: words are of no use.
        silent_after_s: how long a process on another machine may give no sign of life.
    """

    def __init__(self, folder: LockFolder, purpose: Purpose | None, silent_after_s: float) -> None:
        self._folder = folder
        self._purpose = purpose
        self._silent_after_s = silent_after_s
        self._here = folder.aside(f"{HERE}{id(self):x}")
        self._since_s = 0.0

    def open(self) -> None:
        """Tell others that words are wanted."""
        if self._purpose is not None:
            age_s = 0.0 if _begun_s is None else time.monotonic() - _begun_s
            self._since_s = self._folder.now_s() - age_s
            self._folder.write_own("").replace(self._here)

    def give_sign_of_life(self) -> None:
        """Tell other machines that they are still wanted."""
        with suppress(OSError):
            os.utime(self._here)

    def leave(self, item_id: str, word: str) -> None:
        """Leave word of an item whose lock is held; on a full disk there is none, and others work on it too."""
        if self._purpose is not None:
            with suppress(OSError):
                own = self._folder.write_own(json.dumps({"purpose": self._purpose(item_id), "word": word}))
                own.replace(self._file(item_id))

    def of(self, item_id: str) -> str | None:
        """Return the word that a process with the same purpose has left of an item, if any."""
        if self._purpose is None:
            return None
        path = self._file(item_id)
        try:
            left = json.loads(path.read_text(encoding="utf-8"))
            counts = left["purpose"] == self._purpose(item_id) and path.stat().st_mtime > self._since_s
            return str(left["word"]) if counts else None
        except (OSError, ValueError, TypeError, LookupError):  # there is none, or by a stranger
            return None

    def close(self) -> None:
        """Remove all words, unless somebody is left to read them, and what those who are gone have left."""
        self._here.unlink(missing_ok=True)
        here = list(self._folder.path.glob(f"{PREFIX}*-{HERE}*"))
        gone = [path for path in here if self._folder.is_left(path, _process_of(path), self._silent_after_s)]
        words = self._folder.path.glob(f"*{SUFFIX}") if len(gone) == len(here) else ()
        for path in (*gone, *words):
            path.unlink(missing_ok=True)

    def _file(self, item_id: str) -> Path:
        return self._folder.file(item_id, SUFFIX)


def _process_of(here: Path) -> ProcessIdentity | None:
    return ProcessIdentity.parse(here.name.removeprefix(PREFIX).partition(f"-{HERE}")[0])
