"""Which process made a file: told so that another process, on this machine or not, can tell whether it still lives."""

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PROC = Path("/proc")  # of Linux; elsewhere a process is known by its number alone


@dataclass(frozen=True)
class ProcessIdentity:
    """One process among all machines.

    Attributes:
        place: where process numbers count: a digest of host and, in a container, its own numbering.
        pid: its number there.
        start: when it started, in ticks since the machine did, so that a number used again is not mistaken; 0: unknown.
    """

    place: str
    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.place}-{self.pid:x}-{self.start:x}"

    @classmethod
    def parse(cls, text: str) -> "ProcessIdentity | None":
        """Return what ``str`` wrote; None where the text is something else."""
        place, *numbers = text.split("-")
        try:
            pid, start = (int(number, 16) for number in numbers)
        except ValueError:
            return None
        return cls(place, pid, start)

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine, so that ``is_gone`` can tell."""
        return self.place == _place()

    @property
    def is_gone(self) -> bool:
        """Whether it was a process of this machine and has ended; of other machines nothing is known."""
        return self.is_here and not (_exists(self.pid) and self.start in (0, _start_of(self.pid)))


def this_process() -> ProcessIdentity:
    """Return the identity of the process that asks."""
    return ProcessIdentity(_place(), os.getpid(), _start_of(os.getpid()))


@lru_cache(1)
def _place() -> str:
    numbering = PROC / "self" / "ns" / "pid"
    where = f"{socket.gethostname()}/{numbering.readlink() if numbering.is_symlink() else ''}"
    return hashlib.sha256(where.encode()).hexdigest()[:8]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        return True
    return True


def _start_of(pid: int) -> int:
    """Return when a process started; 0 where that is not to be had. The name in brackets may hold anything."""
    try:
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
