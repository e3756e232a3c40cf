"""Independent tasks in worker processes; a task that kills its process costs only itself."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from types import FrameType
from typing import TypeVar

from utils.logging import set_up_logging
from utils.processes import end_with_parent, end_workers, worker_context

T = TypeVar("T")

# What workers of patching need; imported once, by the process that they are forked from, where that finds the project:
# from Python 3.11 on it does so from the project's folder alone, and elsewhere each worker imports it.
PATCHING = ("stages.slide_patching",)
QUEUED_PER_WORKER = 2


@dataclass(frozen=True)
class Crash:
    """In place of a result: the process that did the task died."""

    reason: str


def in_processes(
    tasks: Mapping[str, Callable[[], T]], num_workers: int, preload: Sequence[str] = PATCHING
) -> Iterator[tuple[str, T | Crash]]:
    """Do tasks in worker processes.

    Args:
        tasks: by id; picklable.
        num_workers: processes at most.
        preload: modules that they need and that are slow to import.

    Yields:
        The id and the result of each task, as they become ready; a ``Crash`` where its process died, such as for lack
        of memory. Tasks that were under way beside such a one are done again, each in a process of its own.
    """
    waiting = iter(tasks.items())
    while True:
        suspects: dict[str, Callable[[], T]] = {}
        yield from _until_a_crash(waiting, min(num_workers, len(tasks)), suspects, preload)
        for item_id, task in suspects.items():
            yield item_id, _alone(task, preload)
        if not suspects:
            return


def _until_a_crash(
    waiting: Iterator[tuple[str, Callable[[], T]]],
    num_workers: int,
    suspects: dict[str, Callable[[], T]],
    preload: Sequence[str],
) -> Iterator[tuple[str, T]]:
    """Do tasks until all are done or a process dies; then ``suspects`` gets those that were under way."""
    under_way: dict[Future, tuple[str, Callable[[], T]]] = {}
    is_over = False
    with _pool(num_workers, preload) as pool:
        try:
            while True:
                for item_id, task in islice(waiting, QUEUED_PER_WORKER * num_workers - len(under_way)):
                    suspects[item_id] = task  # until it is taken: a pool that is broken takes none
                    under_way[pool.submit(do_task, task)] = item_id, suspects.pop(item_id)
                if not under_way:
                    is_over = True
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield under_way.pop(future)[0], result
        except BrokenProcessPool:
            suspects.update(under_way.values())
            is_over = True
        finally:
            if not is_over:  # but for Ctrl-C, say, or a full disk: nobody waits for what is under way
                end_workers()
            pool.shutdown(wait=True, cancel_futures=True)


def _alone(task: Callable[[], T], preload: Sequence[str]) -> T | Crash:
    with _pool(1, preload) as pool:
        try:
            return pool.submit(do_task, task).result()
        except BrokenProcessPool:
            return Crash("the process that worked on it died; most likely memory ran out, or a library crashed")


def _pool(num_workers: int, preload: Sequence[str]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(num_workers, mp_context=worker_context(preload), initializer=start_worker)


def start_worker() -> None:
    """Prepare a worker process: it ends with its parent and on SIGTERM, and then removes what it has half written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for the results
    signal.signal(signal.SIGTERM, _give_up)
    end_with_parent()
    set_up_logging()


def _give_up(signal_number: int, frame: FrameType | None) -> None:
    """Leave the task as an error would, which removes what is half written; once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def do_task(task: Callable[[], T]) -> T:
    """Do a task in a worker; one that is left half-way ends the process."""
    try:
        return task()
    except SystemExit:
        os._exit(1)  # the pool would go on with the next task
