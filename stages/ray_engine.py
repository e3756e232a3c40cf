"""Tasks on a Ray cluster, of this machine or of many; results lie in folders that all machines share."""

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from stages.engines import EngineSettings, Outcomes, Tasks
from stages.isolation import DIED, Crash, IsolatedWorker, Surroundings, Told, tell
from utils.errors import UsageError, one_line
from utils.limits import Limits
from utils.logging import set_up_logging
from utils.lookup import PROJECT_ROOT
from utils.processes import temporary_folder_up_to
from utils.ray_address import AUTO, host_and_port, require_address, require_listener


def _has_token() -> bool:
    named = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").is_file()


# Ray reads these when it is imported
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
if _has_token():
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # which newer clusters ask for

try:
    import ray
except ImportError as error:
    raise UsageError("--engine ray needs Ray: pip install '.[ray]'") from error

T = TypeVar("T")

logger = logging.getLogger(__name__)

TRIES_AFTER_A_LOSS = 3  # of a task whose machine or process was lost
QUEUED_PER_SLOT = 2  # one being done, one ready to be
ANSWER_S = 10.0
LONGEST_FOLDER = 35  # of sockets, whose names behind it Ray makes long
LOOK_AGAIN_S = 5.0  # how many slots there are: machines come and go


class RayEngine:
    """Does tasks on the cluster that this process is connected to.

    Args:
        settings: what a task takes.
        preload: modules that tasks need and that are slow to import.
        isolates: do each task in a process below the cluster's, where its limits hold.
    """

    def __init__(self, settings: EngineSettings, preload: Sequence[str], isolates: bool) -> None:
        self._settings = settings
        self._how = _How(str(Path.cwd()), (settings.limits, tuple(preload)) if isolates else None)
        self._do: Any = ray.remote(_do)
        self._has_room = True
        self._options = {
            "num_cpus": settings.task_cpus,
            "num_gpus": settings.task_gpus,
            "max_retries": TRIES_AFTER_A_LOSS,
            "scheduling_strategy": "SPREAD",
        }

    def run(self, tasks: Tasks) -> Outcomes:
        """See ``Engine``."""
        waiting = iter(tasks)
        under_way: dict[ray.ObjectRef, str] = {}
        try:
            while True:
                room = QUEUED_PER_SLOT * max(1, self._slots()) - len(under_way)
                while room > 0 and (following := next(waiting, None)) is not None:
                    item_id, task = following
                    under_way[self._do.options(name=item_id, **self._options).remote(task, self._how)] = item_id
                    room -= 1
                if not under_way:
                    return
                ready, _ = ray.wait(list(under_way), timeout=LOOK_AGAIN_S)
                for reference in ready:
                    told = _told(reference)
                    yield under_way.pop(reference), told.pass_on()
        finally:
            for reference in under_way:
                ray.cancel(reference, force=True)

    def _slots(self) -> int:
        """Return how many tasks the cluster can do at once, as it is now; say so when there is room for none."""
        has = ray.cluster_resources()
        takes = {"CPU": self._settings.task_cpus, "GPU": self._settings.task_gpus}
        n_slots = int(min(has.get(kind, 0) / number for kind, number in takes.items() if number))
        if not n_slots and self._has_room:
            logger.warning(
                "a task takes %d processors and %g GPUs, the cluster has %g and %g now: waiting for more machines",
                takes["CPU"], takes["GPU"], has.get("CPU", 0), has.get("GPU", 0),
            )  # fmt: skip
        self._has_room = n_slots > 0
        return n_slots


def _told(reference: "ray.ObjectRef") -> Told:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UsageError):
            raise error.cause from None  # as if the task had raised it here
        return Told(Crash(f"the cluster could not do it: {one_line(error.cause)[:200]}"))
    except ray.exceptions.RayError as error:
        return Told(Crash(f"{DIED} ({one_line(error)[:200]})"))


@dataclass(frozen=True)
class _How:
    """How a task is done.

    Attributes:
        folder: from which relative paths count.
        isolation: limits, and modules to import first, of the process that does it; None: this one.
    """

    folder: str
    isolation: tuple[Limits, tuple[str, ...]] | None


def _do(task: Callable[[], T], how: _How) -> Told[T]:
    """Do a task in a process of the cluster."""
    set_up_logging()
    try:
        os.chdir(how.folder)
    except OSError as error:
        return Told(
            Crash(f"{socket.gethostname()} has no folder {how.folder}, from which the run was started: {error}")
        )
    if how.isolation is None:
        return tell(task)
    worker = _worker(*how.isolation, how.folder, os.environ.get("CUDA_VISIBLE_DEVICES"))
    with _as_no_script():
        future = worker.begin(task)
    worker.wait(future)
    return worker.outcome(future)


@contextmanager
def _as_no_script() -> Iterator[None]:
    """Let a process that starts not import the script of this one, which is Ray's own and slow."""
    script = sys.modules["__main__"]
    path, script.__file__ = script.__file__, None
    try:
        yield
    finally:
        script.__file__ = path


_workers: dict[tuple, IsolatedWorker] = {}  # of this process of the cluster; one at a time


def _worker(limits: Limits, preload: tuple[str, ...], folder: str, devices: str | None) -> IsolatedWorker:
    """Return the process that does the tasks; those on another GPU get another one."""
    key = limits, preload, folder, devices
    if key not in _workers:
        for other in list(_workers):
            _workers.pop(other).close()
        environment = {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
        _workers[key] = IsolatedWorker(limits, preload, Surroundings(folder, environment))
    return _workers[key]


@contextmanager
def opened_ray(settings: EngineSettings, preload: Sequence[str], isolates: bool) -> Iterator[RayEngine]:
    """Connect to a cluster, or start one on this machine, and leave it at the end.

    Raises:
        UsageError: there is none at the address, or it can never hold a task.
    """
    _connect(settings)
    try:
        yield RayEngine(settings, preload, isolates)
    finally:
        ray.shutdown()


def _connect(settings: EngineSettings) -> None:
    address = settings.ray_address
    variables = {"PYTHONPATH": str(PROJECT_ROOT), "TQDM_DISABLE": "1"}
    if not settings.task_gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ""  # else all tasks of a machine would crowd onto its first GPU
    environment = {"env_vars": variables}
    _require_answer(address)
    start = partial(ray.init, runtime_env=environment, logging_level=logging.WARNING)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        start(address=address)
    except ConnectionError as error:
        if address != AUTO:
            raise _no_cluster(address, error) from error
        start(address="local", include_dashboard=False, _temp_dir=_short_folder())
    except (RuntimeError, ray.exceptions.RayError) as error:  # such as another version, or another token
        raise _no_cluster(address, error) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own would end the program without a word
    has = ray.cluster_resources()
    n_nodes = sum(node["Alive"] for node in ray.nodes())
    logger.info(
        "Ray: %d machine%s, %g processors, %g GPUs; a task takes %d and %g of them (--task_cpus, --task_gpus)",
        n_nodes, "" if n_nodes == 1 else "s", has.get("CPU", 0), has.get("GPU", 0),
        settings.task_cpus, settings.task_gpus,
    )  # fmt: skip


def _short_folder() -> str | None:
    """Return where Ray has its sockets and logs; None: its usual place, whose name is not too long for them."""
    short = temporary_folder_up_to(LONGEST_FOLDER)
    is_usual = short == Path(tempfile.gettempdir()) or "RAY_TMPDIR" in os.environ
    return None if is_usual else str(short / "ray")


def _require_answer(address: str) -> None:
    require_address(address)
    place = host_and_port(address)
    if place is None:
        return  # there may be a cluster, or none
    try:
        require_listener(*place, ANSWER_S)
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UsageError:
    return UsageError(f"--ray_address {address}: no Ray cluster answers there ({one_line(error)})")
