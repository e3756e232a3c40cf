"""Which process made a file: told so that another process, on this machine or not, can tell whether it still lives."""

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PROC = Path("/proc")  # of Linux; elsewhere a process is known by its number alone
NETWORK = Path("/sys/class/net")
MACHINE_ID = Path("/etc/machine-id")
NO_CONTAINER = "pid:[4026531836]"  # the numbering of processes that Linux begins with


@dataclass(frozen=True)
class ProcessIdentity:
    """One process among all machines.

    Attributes:
        place: where process numbers count: a digest of the machine and, in a container, its own numbering.
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
        return self.is_here and not (_exists(self.pid) and _may_be_same(self.start, _start_of(self.pid)))


def this_process() -> ProcessIdentity:
    """Return the identity of the process that asks."""
    return ProcessIdentity(_place(), os.getpid(), _start_of(os.getpid()))


@lru_cache(1)
def _place() -> str:
    """Tell machines apart, and the containers on each; one machine stays the same when it is started anew.

    Machines may share their name (``localhost``) and what their disk was copied from, but no network card. Containers
    have neither of their own; for them it is the time that the machine is up.
    """
    numbering = _link_at(PROC / "self" / "ns" / "pid")
    cards = [_text_of(card.parent / "address") for card in sorted(NETWORK.glob("*/device"))]
    up = "" if numbering == NO_CONTAINER else _text_of(PROC / "sys" / "kernel" / "random" / "boot_id")
    where = "/".join([socket.gethostname(), _text_of(MACHINE_ID), numbering, up, *cards])
    return hashlib.sha256(where.encode()).hexdigest()[:8]


def _link_at(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _may_be_same(told: int, found: int) -> bool:
    """Compare two starts; of a process of somebody else it may be hidden."""
    return 0 in (told, found) or told == found


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
