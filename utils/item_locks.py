"""Who works on which item of a shared folder: a file an item, so that several processes and machines do each once.

A lock is published by one hard link, which is atomic on NFS too (``man 2 open``, O_EXCL), where file locks often are
missing. It holds host, process and time. A lock is stale when its process, on this machine, is gone, or, on another,
has given no sign of life for a while; clocks of machines play no part, as both times are the file system's.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from utils.atomic import remove_leftovers
from utils.item_words import ItemWords, Purpose
from utils.lock_folder import LockFolder, short
from utils.process_identity import ProcessIdentity, this_process

logger = logging.getLogger(__name__)

SUFFIX = ".lock"
SIGN_OF_LIFE_S = 60.0
SILENT_AFTER_S = 15 * 60.0
SILENT_TABLE_AFTER_S = 3 * SIGN_OF_LIFE_S  # of what is held for a moment and waited for by all
RETRY_S, SLOW_RETRY_S = 0.05, 1.0
TELL_AFTER_S = 10.0
LOOK_AGAIN_S = 2.0  # whether another process has done what is waited for


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    host: str
    pid: int
    since: str
    process: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def identity(self) -> ProcessIdentity | None:
        """Which process that is; None: nobody knows."""
        return ProcessIdentity.parse(self.process)


UNKNOWN = Holder("an unknown host", 0, "some time", "")


class ItemLocks:
    """The locks of one folder of results, as seen by this process; ``close`` gives back all it holds.

    Args:
        folder: the folder of results.
        silent_after_s: how long a holder on another machine may give no sign of life.
        purpose: see ``ItemWords``.

    Attributes:
        words: what came of items.
    """

    def __init__(self, folder: Path, silent_after_s: float = SILENT_AFTER_S, purpose: Purpose | None = None) -> None:
        self._folder = LockFolder(folder)
        self._silent_after_s = silent_after_s
        self.words = ItemWords(self._folder, purpose, silent_after_s)
        self._has_told = False
        # without a mutex, which an interrupt could leave locked: each of its uses is a single step of Python's
        self._held: set[str] = set()
        self._attempted: set[str] = set()  # at most one, which may be ours already when an interrupt comes
        self._is_over = threading.Event()
        self._alive: threading.Thread | None = None

    def __enter__(self) -> "ItemLocks":
        with ExitStack() as on_failure:  # such as Ctrl-C
            on_failure.callback(self.close)
            remove_leftovers(self._folder.path)
            self._remove_stale()
            self.words.open()
            self._keep_alive()
            on_failure.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as on_failure:  # an interrupt may come here too
            on_failure.callback(self.close)
            self.close()
            on_failure.pop_all()

    def take(self, item_id: str, silent_after_s: float | None = None) -> Holder | None:
        """Take the lock of an item, and tell who has it if that cannot be.

        Args:
            item_id: the item.
            silent_after_s: as for all locks of the folder, for this one.

        Returns:
            None where the lock is ours now, or was before.
        """
        if item_id in self._held:
            return None
        self._attempted = {item_id}
        while not self._publish(item_id):
            holder = self.holder(item_id)
            if holder is None:
                continue
            if not self._remove_if_stale(item_id, holder, silent_after_s or self._silent_after_s):
                self._attempted = set()
                return holder
            logger.info("%s: lock of %s, which is gone, removed", item_id, holder)
        self._held.add(item_id)
        self._attempted = set()
        self._keep_alive()
        return None

    def give_back(self, item_id: str) -> None:
        """Give back a lock; one that somebody took for stale meanwhile is theirs."""
        holder = self.holder(item_id)
        if holder is not None and holder.process == str(this_process()):
            self._path(item_id).unlink(missing_ok=True)
        self._held.discard(item_id)

    def holder(self, item_id: str) -> Holder | None:
        """Tell who holds an item, this process included; None: nobody."""
        return _read_holder(self._path(item_id))

    def others(self) -> dict[str, Holder]:
        """Return the items that other living processes hold."""
        held = {short(item_id) for item_id in list(self._held)}
        holders = {name: self.holder(name) for name in self._items() if name not in held}
        return {
            name: holder
            for name, holder in holders.items()
            if holder is not None and not self._is_stale(name, holder, self._silent_after_s)
        }

    def wait_for_any(self, item_ids: Collection[str]) -> None:
        """Wait until one of the items at least is no longer under way elsewhere; says so once."""
        while True:
            others = self.others()
            holders = {item_id: others[short(item_id)] for item_id in item_ids if short(item_id) in others}
            if len(holders) < len(item_ids):
                return
            if not self._has_told:
                item_id, holder = next(iter(holders.items()))
                logger.info("waiting for other processes: %d items, such as %s (%s)", len(holders), item_id, holder)
                self._has_told = True
            time.sleep(LOOK_AGAIN_S)

    @contextmanager
    def holding(self, item_id: str) -> Iterator[None]:
        """Hold a lock for a moment, after waiting for whoever has it."""
        retry_s, began_s, is_told = RETRY_S, time.monotonic(), False
        while (holder := self.take(item_id, SILENT_TABLE_AFTER_S)) is not None:
            if not is_told and time.monotonic() - began_s > TELL_AFTER_S:
                logger.info("waiting for %s, which %s is writing", item_id, holder)
                is_told = True
            time.sleep(retry_s)
            retry_s = min(2 * retry_s, SLOW_RETRY_S)
        try:
            yield
        finally:
            self.give_back(item_id)

    def close(self) -> None:
        """Give back all locks, and remove the folder of locks if nobody holds any."""
        self._is_over.set()
        if self._alive is not None and self._alive.is_alive():  # an interrupt may have come before it began
            self._alive.join()
        for item_id in self._held | self._attempted:
            self.give_back(item_id)
        self.words.close()
        self._folder.remove_own()
        with suppress(OSError):
            self._folder.path.rmdir()

    def _items(self) -> list[str]:
        return [path.name.removesuffix(SUFFIX) for path in self._folder.path.glob(f"*{SUFFIX}")]

    def _path(self, item_id: str) -> Path:
        return self._folder.file(item_id, SUFFIX)

    def _publish(self, item_id: str) -> bool:
        """Create the lock's file with all it holds at once; False if there is one."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        text = json.dumps(asdict(Holder(socket.gethostname(), os.getpid(), now, str(this_process()))))
        own = self._folder.write_own(text)
        try:
            self._path(item_id).hardlink_to(own)
        except FileExistsError:  # of a link that was made a network file system may lose the answer, and ask again
            return own.stat().st_nlink > 1
        except OSError:  # a file system without hard links
            return _create(self._path(item_id), text)
        finally:
            own.unlink(missing_ok=True)
        return True

    def _remove_stale(self) -> None:
        """Remove all locks that nobody keeps alive, and say so once."""
        holders = {item_id: self.holder(item_id) for item_id in self._items()}
        removed = [
            f"{item_id} ({holder})"
            for item_id, holder in holders.items()
            if holder is not None and self._remove_if_stale(item_id, holder, self._silent_after_s)
        ]
        if removed:
            logger.info("removed %d locks of processes that are gone, such as %s", len(removed), removed[0])

    def _remove_if_stale(self, item_id: str, holder: Holder, silent_after_s: float) -> bool:
        """Remove a lock that nobody keeps alive; False if it is not stale.

        It is moved aside first, which only one process can do, and looked at again: another process may have removed
        the stale lock meanwhile, and this would be a new one.
        """
        if not self._is_stale(item_id, holder, silent_after_s):
            return False
        aside = self._folder.aside(item_id)
        try:
            with suppress(FileNotFoundError):
                self._path(item_id).rename(aside)
                if _read_holder(aside) != holder:
                    with suppress(OSError):
                        self._path(item_id).hardlink_to(aside)
        finally:
            aside.unlink(missing_ok=True)
        return True

    def _is_stale(self, item_id: str, holder: Holder, silent_after_s: float) -> bool:
        return self._folder.is_left(self._path(item_id), holder.identity, silent_after_s)

    def _keep_alive(self) -> None:
        if self._alive is None:
            self._alive = threading.Thread(target=self._give_signs_of_life, daemon=True)
            self._alive.start()

    def _give_signs_of_life(self) -> None:
        while not self._is_over.wait(SIGN_OF_LIFE_S):
            for item_id in list(self._held):
                with suppress(OSError):
                    os.utime(self._path(item_id))
            self.words.give_sign_of_life()


def _read_holder(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):  # half written where there are no hard links, or by a stranger
        return UNKNOWN


def _create(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True
