"""A task in a process of its own: one that kills its process, hangs or wants all memory costs only itself."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Generic, TypeVar

from utils.limits import Limits
from utils.logging import collected_messages, pass_on, set_up_logging
from utils.memory_limit import limit_memory
from utils.processes import WorkerProcess, end_with_parent, worker_context

T = TypeVar("T")

DIED = "the process that worked on it died; most likely memory ran out, or a library crashed"


@dataclass(frozen=True)
class Crash:
    """In place of a result: the process that did the task died, or had to be ended."""

    reason: str


@dataclass(frozen=True)
class Told(Generic[T]):
    """What came of a task, and what it had to say meanwhile."""

    outcome: T | Crash
    messages: Sequence[logging.LogRecord] = ()

    def pass_on(self) -> T | Crash:
        """Show the messages in this process, and return the outcome."""
        pass_on(self.messages)
        return self.outcome


@dataclass(frozen=True)
class Surroundings:
    """Where a process works.

    Attributes:
        folder: from which relative paths count.
        environment: variables to set.
    """

    folder: str
    environment: Mapping[str, str]


class IsolatedWorker:
    """A process that does one task after the other; after one that went wrong it starts anew.

    Args:
        limits: of each task.
        preload: modules that tasks need and that are slow to import.
        surroundings: where it works; None: as this process does.
    """

    def __init__(self, limits: Limits, preload: Sequence[str], surroundings: "Surroundings | None" = None) -> None:
        self._limits = limits
        self._begun_s = 0.0
        start = (limits.memory_gib, surroundings)
        self._process = WorkerProcess(worker_context(preload), start_worker, start)

    def begin(self, task: Callable[[], T]) -> "Future[Told[T]]":
        """Do a task, while nothing else is done here."""
        future = self._process.submit(_do_and_tell, task)
        self._begun_s = time.monotonic()
        return future

    @property
    def left_s(self) -> float | None:
        """Seconds that its task still has, not counting those in which the process starts; None: any."""
        if self._limits.seconds is None:
            return None
        if not self._process.is_ready:
            self._begun_s = time.monotonic()
        return self._begun_s + self._limits.seconds - time.monotonic()

    def wait(self, future: "Future[Told[T]]") -> None:
        """Wait until a task is done, or has had its time."""
        while not future.done() and (self.left_s is None or self.left_s > 0):
            wait([future], self.left_s)

    def outcome(self, future: "Future[Told[T]]") -> "Told[T]":
        """Return what came of a task that is done, or has had its time; what it raised is raised."""
        try:
            return future.result(0)
        except BrokenProcessPool:
            self._process.start_again()
            return Told(Crash(DIED))
        except FutureTimeoutError:
            self._process.start_again()
            waited = f"not done after {self._limits.seconds:g} s, so its process was ended"
            return Told(Crash(f"{waited}; --slide_timeout allows more"))

    def close(self) -> None:
        """End the process."""
        self._process.close()


def start_worker(memory_gib: float | None = None, surroundings: Surroundings | None = None) -> None:
    """Prepare a worker process: it ends with its parent and on SIGTERM, and then removes what it has half written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for the results
    signal.signal(signal.SIGTERM, _give_up)
    end_with_parent()
    set_up_logging()
    if surroundings is not None:
        os.chdir(surroundings.folder)
        os.environ.update(surroundings.environment)
    if memory_gib is not None:
        limit_memory(memory_gib)


def _give_up(signal_number: int, frame: FrameType | None) -> None:
    """Leave the task as an error would, which removes what is half written; once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def do_task(task: Callable[[], T]) -> T:
    """Do a task in a worker; one that is left half-way ends the process."""
    try:
        return task()
    except SystemExit:
        os._exit(1)  # the process would go on with the next task


def tell(task: Callable[[], T]) -> Told[T]:
    """Do a task, and keep what it has to say."""
    with collected_messages() as messages:
        outcome = task()
    return Told(outcome, messages)


def _do_and_tell(task: Callable[[], T]) -> Told[T]:
    return do_task(partial(tell, task))
