"""Where the items of a stage are worked on: in this process, in worker processes, or on a Ray cluster.

All engines take tasks as they have room for them, and give outcomes as they become ready.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from stages.isolation import Crash, IsolatedWorker
from utils.limits import DEFAULT_TIMEOUT_S, NO_LIMITS, Limits
from utils.processes import end_workers
from utils.ray_address import AUTO

T = TypeVar("T")
Tasks = Iterable[tuple[str, Callable[[], T]]]
Outcomes = Iterator[tuple[str, T | Crash]]

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True)
class EngineSettings:
    """Where to work, and what each item may take.

    Attributes:
        engine: ``local`` or ``ray``.
        num_workers: worker processes of ``local``.
        ray_address: of the cluster; ``auto``: the one that runs, else one that is started on this machine.
        task_cpus, task_gpus: what an item takes of the cluster.
        slide_timeout_s: what an item may take; 0: any time.
        slide_memory_gb: GiB that an item may take; None: any.
    """

    engine: str = LOCAL
    num_workers: int = 1
    ray_address: str = AUTO
    task_cpus: int = 1
    task_gpus: float = 0.0
    slide_timeout_s: float = DEFAULT_TIMEOUT_S
    slide_memory_gb: float | None = None

    @property
    def limits(self) -> Limits:
        """What an item may take."""
        return Limits(self.slide_timeout_s or None, self.slide_memory_gb)

    @property
    def limits_alone(self) -> "EngineSettings":
        """These settings, as far as they decide what comes of an item."""
        return EngineSettings(slide_timeout_s=self.slide_timeout_s, slide_memory_gb=self.slide_memory_gb)


class Engine(Protocol):
    """Does tasks."""

    def run(self, tasks: Tasks) -> Outcomes:
        """Do tasks, by id, and yield what comes of each; a ``Crash`` where its process died or took too long.

        Tasks are asked for when there is room for them. What a task raises is raised here, and ends the run.
        """
        ...


class HereEngine:
    """Does tasks in this process, one after the other; one that kills it ends the run."""

    def run(self, tasks: Tasks) -> Outcomes:
        """See ``Engine``."""
        for item_id, task in tasks:
            yield item_id, task()


class LocalEngine:
    """Does tasks in worker processes.

    Args:
        num_workers: how many at most.
        limits: of each task.
        preload: modules that tasks need and that are slow to import.
    """

    def __init__(self, num_workers: int, limits: Limits, preload: Sequence[str]) -> None:
        self._workers = [IsolatedWorker(limits, preload) for _ in range(num_workers)]

    def run(self, tasks: Tasks) -> Outcomes:
        """See ``Engine``."""
        waiting, free = iter(tasks), list(self._workers)
        under_way: dict[Future, tuple[str, IsolatedWorker]] = {}
        while True:
            while free and (following := next(waiting, None)) is not None:
                item_id, task = following
                worker = free.pop()
                under_way[worker.begin(task)] = item_id, worker
            if not under_way:
                return
            for future in _ready(under_way):
                item_id, worker = under_way.pop(future)
                told = worker.outcome(future)
                free.append(worker)
                yield item_id, told.pass_on()

    def close(self) -> None:
        """End the processes after what they are doing."""
        for worker in self._workers:
            worker.close()


def _ready(under_way: dict[Future, tuple[str, IsolatedWorker]]) -> list[Future]:
    """Wait for tasks that are done, or have had their time; there may be none yet."""
    left_s = [worker.left_s for _, worker in under_way.values() if worker.left_s is not None]
    wait(under_way, max(0.0, min(left_s)) if left_s else None, FIRST_COMPLETED)
    return [
        future
        for future, (_, worker) in under_way.items()
        if future.done() or (worker.left_s is not None and worker.left_s <= 0)
    ]


@contextmanager
def opened(settings: EngineSettings, preload: Sequence[str], *, isolates: bool = True) -> Iterator[Engine]:
    """Yield the engine that is asked for.

    Args:
        settings: which, and how much of it.
        preload: modules that tasks need and that are slow to import.
        isolates: on Ray, do each task in a process below the cluster's, where its limits hold; one that is not, and
            kills its process, is tried again as one whose machine has failed.

    Raises:
        UsageError: Ray is asked for, but not installed or not to be reached.
    """
    if settings.engine == RAY:
        from stages.ray_engine import opened_ray  # an extra

        with opened_ray(settings, preload, isolates) as ray_engine:
            yield ray_engine
    elif settings.num_workers == 1 and settings.limits == NO_LIMITS:
        yield HereEngine()
    else:
        yield from _local(settings, preload)


def _local(settings: EngineSettings, preload: Sequence[str]) -> Iterator[LocalEngine]:
    engine = LocalEngine(settings.num_workers, settings.limits, preload)
    is_over = False
    try:
        yield engine
        is_over = True
    finally:
        if not is_over:  # but for Ctrl-C, say, or a full disk: nobody waits for what is under way
            end_workers()
        engine.close()
