"""Processes that want the same thing at the same moment: one may get it. And one that reads what another replaces."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

from stages.checks.finding import Level
from utils.errors import one_line

N_PROCESSES, N_ROUNDS, N_REPLACED = 4, 25, 200
PATIENCE_S = 30
CONTENT_BYTES = 8192

Won = bool | str  # or why nobody can


@contextmanager
def _created(path: Path) -> Iterator[Won]:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        yield False
    else:
        yield True


@contextmanager
def _linked(path: Path) -> Iterator[Won]:
    mine = path.with_name(f"{path.name}-{os.getpid()}")
    mine.write_bytes(b"1")
    try:
        os.link(mine, path)
    except FileExistsError:
        yield False
    else:
        yield True


def _locked(take: str) -> Callable[[Path], AbstractContextManager[Won]]:
    @contextmanager
    def locked(path: Path) -> Iterator[Won]:
        import fcntl  # not to be had on Windows

        with path.open("ab") as file:
            try:
                getattr(fcntl, take)(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                yield False
            else:
                yield True

    return locked


@dataclass(frozen=True)
class Contest:
    """A way to be the only one.

    Attributes:
        attempt: tries it, and gives it back at its end.
        level: how bad it is when that is not to be had.
        advice: what to do then.
        when_several_win: how bad it is when it does not work; what is not to be had can be done without.
    """

    attempt: Callable[[Path], AbstractContextManager[Won]]
    level: Level
    advice: str
    when_several_win: Level = "fail"


_LOCKS = "not needed: these programs use hard links"
CONTESTS = {
    "one creates": Contest(
        _created, "fail", "let one process work on this folder at a time: no --shard, no several jobs"
    ),
    "one links": Contest(
        _linked, "warn", "no hard links: use a file system that has them where programs share folders"
    ),
    "flock": Contest(_locked("flock"), "ok", _LOCKS, "ok"),
    "fcntl lock": Contest(_locked("lockf"), "ok", _LOCKS, "ok"),
}


def contest(folder: Path) -> dict[str, list[int | str]]:
    """Hold every contest among four processes.

    Returns:
        For each contest the number of winners of every round; where somebody met an error, that instead.
    """
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(N_PROCESSES), context.Queue()
    processes = [context.Process(target=_compete, args=(folder, barrier, answers)) for _ in range(N_PROCESSES)]
    for process in processes:
        process.start()
    told = [answers.get(timeout=PATIENCE_S) for _ in processes]
    for process in processes:
        process.join()
    return {name: [_winners(won) for won in zip(*(one[name] for one in told), strict=True)] for name in CONTESTS}


def _winners(won: tuple[Won, ...]) -> int | str:
    errors = [one for one in won if isinstance(one, str)]
    return errors[0] if errors else sum(bool(one) for one in won)


def _compete(folder: Path, barrier: Barrier, answers: Any) -> None:
    """Take part in every contest, all processes in step."""
    answers.put({name: _rounds(name, folder, barrier) for name in CONTESTS})


def _rounds(name: str, folder: Path, barrier: Barrier) -> list[Won]:
    won: list[Won] = []
    for number in range(N_ROUNDS):
        path = folder / f"{name.replace(' ', '-')}-{number}"
        barrier.wait(PATIENCE_S)
        try:
            with CONTESTS[name].attempt(path) as outcome:
                won.append(outcome)
                barrier.wait(PATIENCE_S)  # what was won is held until all have tried
        except (OSError, ImportError) as error:
            won.append(one_line(error))
            barrier.wait(PATIENCE_S)
    return won


def torn_reads(folder: Path) -> tuple[int, int]:
    """Replace a file while another process reads it; return the reads that did not find it whole, and all of them."""
    path = folder / "replaced"
    path.write_bytes(bytes(CONTENT_BYTES))
    context = multiprocessing.get_context("spawn")
    ready, done, answers = context.Event(), context.Event(), context.Queue()
    reader = context.Process(target=_read, args=(path, ready, done, answers))
    reader.start()
    ready.wait(PATIENCE_S)
    for number in range(N_REPLACED):
        part = path.with_name("replacing")
        part.write_bytes(bytes([number % 256]) * CONTENT_BYTES)
        part.replace(path)
    done.set()
    torn, n_reads = answers.get(timeout=PATIENCE_S)
    reader.join()
    return torn, n_reads


def _read(path: Path, ready: Event, done: Event, answers: Any) -> None:
    torn = n_reads = 0
    while not done.is_set():
        n_reads += 1
        try:
            content = path.read_bytes()
            torn += len(content) != CONTENT_BYTES or len(set(content)) != 1
        except OSError:
            torn += 1
        ready.set()
    answers.put((torn, n_reads))
