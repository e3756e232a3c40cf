"""Worker processes that start quickly and never hang.

A plain fork copies a process without its other threads; OpenCV and OpenMP then wait for theirs forever. So workers are
forked from a server that has no threads and has the slow libraries imported already; where there is no such server
(Windows), each worker starts from nothing.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from pathlib import Path

from utils import worker_server
from utils.lookup import PROJECT_ROOT
from utils.process_identity import ProcessIdentity, this_process

# What workers that read patches need, imported once by the server. A module that is missing there costs time only.
SLOW_TO_IMPORT = ("torch", "cv2", "pandas", "h5py", "openslide", "skimage.color", "skimage.feature")
SECONDS_TO_END, SECONDS_TO_CLEAN_UP = 5.0, 2.0
LONGEST_FOLDER_OF_SOCKETS = 70
SHORT_FOLDER = Path("/tmp")


def worker_context(preload: Sequence[str] = SLOW_TO_IMPORT) -> BaseContext:
    """Return how worker processes are started.

    Args:
        preload: modules that the server imports; the first call in a process decides.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([worker_server.__name__, *preload])
    _make_temporary_folder()
    with _environment({"PYTHONPATH": _with_project(), worker_server.SOCKETS: get_temp_dir()}):
        forkserver.ensure_running()
    return context


def _make_temporary_folder() -> None:
    """Let the sockets of worker processes lie where their names are short enough: ``man 7 unix`` allows 108 letters."""
    usual = tempfile.gettempdir()
    tempfile.tempdir = str(temporary_folder_up_to(LONGEST_FOLDER_OF_SOCKETS))
    get_temp_dir()  # makes and remembers it
    tempfile.tempdir = usual


def temporary_folder_up_to(n_letters: int) -> Path:
    """Return the folder for temporary files, or a shorter one where its name is longer; jobs may have long ones."""
    usual = Path(tempfile.gettempdir())
    return SHORT_FOLDER if len(str(usual)) > n_letters and SHORT_FOLDER.is_dir() else usual


def _with_project() -> str:
    """Return where Python finds modules, and the project, from whichever folder it is started."""
    return os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a process that is started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_with_parent() -> None:
    """Let a worker process end when the process that started it does, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)  # nobody waits for what is under way
    time.sleep(SECONDS_TO_CLEAN_UP)
    os._exit(1)  # Python drops an exception that a signal raises at the wrong moment


def end_workers() -> None:
    """End all worker processes; each removes what it has half written. One that does not listen is killed."""
    workers = multiprocessing.active_children()
    for worker in workers:
        worker.terminate()
    deadline_s = time.monotonic() + SECONDS_TO_END
    for worker in workers:
        worker.join(max(0.0, deadline_s - time.monotonic()))
        if worker.is_alive():
            worker.kill()


class WorkerProcess:
    """One process that does what it is asked for, one after the other; it can be killed, and then starts anew.

    Args:
        context: how it is started.
        initializer: what it does first.
        initargs: with which arguments.
    """

    def __init__(self, context: BaseContext, initializer: Callable[..., None], initargs: tuple = ()) -> None:
        self._open = partial(ProcessPoolExecutor, 1, context, initializer, initargs)
        self._executor = self._open()
        self._identity: Future[ProcessIdentity] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it has started."""
        return self._identity is not None and self._identity.done()

    def submit(self, do: Callable, *args: object) -> Future:
        """Ask for something; the future raises a BrokenProcessPool if the process dies before it is done."""
        try:
            return self._submit(do, *args)
        except BrokenProcessPool:  # it died while nothing was asked of it
            self.start_again()
            return self._submit(do, *args)

    def _submit(self, do: Callable, *args: object) -> Future:
        if self._identity is None:
            self._identity = self._executor.submit(this_process)
        return self._executor.submit(do, *args)

    def start_again(self) -> None:
        """End the process if it lives, at once, and start another one when that is asked for something."""
        asked, self._identity = self._identity, None
        with suppress(BrokenProcessPool, FutureTimeoutError, ProcessLookupError):
            identity = asked.result(SECONDS_TO_END) if asked is not None else None
            if identity is not None and not identity.is_gone:
                os.kill(identity.pid, signal.SIGKILL)
        self.close()
        self._executor = self._open()

    def close(self) -> None:
        """End the process after what it is doing; what waits is not done."""
        self._executor.shutdown(wait=True, cancel_futures=True)
