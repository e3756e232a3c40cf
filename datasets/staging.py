"""Slides copied to a local disk ahead of their use, where the folder of slides is slow to read from.

Each run has a folder of its own below the cache, which goes with it; that of a run that was killed goes at the next
start.
"""

import fcntl
import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from datasets.sources import Sources
from utils.errors import UsageError, one_line
from utils.lookup import require_writable
from utils.process_identity import ProcessIdentity, this_process

logger = logging.getLogger(__name__)

PREFIX, NEW_PREFIX, LOCK = "slides-", "new-", "lock"
AHEAD = 3  # slides copied before they are asked for
USABLE_PART = 0.5  # of the disk that is free
CHUNK_BYTES = 8 * 2**20
WITH_FOLDER = (".mrxs",)  # whose data lie in a folder of the same name
WITH_NEIGHBOURS = (".vms", ".vmu", ".dcm")  # which refer to files beside them: read where they lie


class _StoppedError(Exception):
    """The run is over."""


class _DoneError(Exception):
    """The slide is not needed any more."""


class StagedSources(Sources):
    """Slides read from copies that a thread makes; one that cannot be copied is read where it lies.

    Args:
        paths: of the slides, in the order of the run.
        folder: empty, on a local disk.
        on_demand: copy only slides that are ``decided`` to be wanted; otherwise all.
    """

    n_ahead = AHEAD - 1

    def __init__(self, paths: Sequence[Path], folder: Path, *, on_demand: bool = False) -> None:
        super().__init__(paths)
        self._folder = folder
        self._is_wanted: list[bool] = [] if on_demand else [True] * len(paths)
        self._told: set[str] = set()
        self._settled = [threading.Event() for _ in paths]
        self._read_from = list(paths)
        self._n_done = 0
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._copy_all, daemon=True)
        self._thread.start()

    def decided(self, slide_number: int, is_wanted: bool) -> None:
        """Take note, in the order of the slides, whether a slide is to be read."""
        with self._changed:
            if slide_number < len(self._is_wanted):
                self._is_wanted[slide_number] = is_wanted
            else:
                self._is_wanted.append(is_wanted)
            self._changed.notify()

    def is_ready(self, slide_number: int) -> bool:
        """Tell whether ``path`` would answer at once."""
        return self._settled[slide_number].is_set()

    def path(self, slide_number: int) -> Path:
        """Return the copy of a slide, or the slide itself, once that is decided."""
        self._settled[slide_number].wait()
        return self._read_from[slide_number]

    def done(self, slide_number: int) -> None:
        """Remove the copy of a slide, and those of the slides before it."""
        with self._changed:
            first, self._n_done = self._n_done, max(self._n_done, slide_number + 1)
            self._changed.notify()
        for number in range(first, self._n_done):
            shutil.rmtree(self._folder / str(number), ignore_errors=True)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def _copy_all(self) -> None:
        try:
            for number, path in enumerate(self._paths):
                if self._is_needed(number):
                    self._read_from[number] = self._copied_or_itself(number, path)
                self._settled[number].set()
        except _StoppedError:
            pass
        finally:  # whatever ends the thread, nobody waits for a copy that will not come
            for settled in self._settled:
                settled.set()

    def _is_needed(self, number: int) -> bool:
        """Wait until it is known whether a slide is to be read, and it is near; tell whether it is still needed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or (number < len(self._is_wanted) and self._is_near(number)))
            if self._is_over:
                raise _StoppedError
            return self._is_wanted[number] and number >= self._n_done

    def _is_near(self, number: int) -> bool:
        """Tell whether there is room for a slide's copy; what is not read here takes none."""
        return sum(self._is_wanted[self._n_done : number]) < AHEAD

    def _copied_or_itself(self, number: int, path: Path) -> Path:
        try:
            copy = self._copied(number, path)
        except OSError as error:
            logger.warning("%s is read where it lies: %s", path.name, error)
            copy = path
        except _DoneError:
            copy = path
        with self._changed:
            is_done = number < self._n_done
        if copy == path or is_done:
            for left in (self._part(number), self._folder / str(number)):
                shutil.rmtree(left, ignore_errors=True)
        return copy

    def _copied(self, number: int, path: Path) -> Path:
        """Copy a slide and return the copy; the slide itself where there is no room, or it cannot be copied."""
        files = _files_of(path)
        if not files:
            self._tell_once("format", f"slides such as {path.name} refer to files beside them: read where they lie")
            return path
        n_bytes, free_bytes = sum(file.stat().st_size for file in files), shutil.disk_usage(self._folder).free
        if n_bytes > USABLE_PART * free_bytes:
            needed, free = f"{n_bytes / 2**30:.2f} GiB", f"{free_bytes / 2**30:.2f} GiB"
            others = f"{path.name} ({needed}) and others like it are read where they lie"
            self._tell_once("room", f"{others}: --cache_dir has {free} free, of which half is used")
            return path
        part = self._part(number)
        for file in files:
            self._copy(file, part / file.relative_to(path.parent), number)
        return part.rename(self._folder / str(number)) / path.name

    def _tell_once(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            logger.warning("%s", text)

    def _part(self, number: int) -> Path:
        return self._folder / f"{number}.part"

    def _copy(self, source: Path, target: Path, number: int) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as read, target.open("wb") as written:
            while chunk := read.read(CHUNK_BYTES):
                if self._is_over:
                    raise _StoppedError
                if number < self._n_done:
                    raise _DoneError
                written.write(chunk)


@contextmanager
def staged(paths: Sequence[Path], cache_dir: Path, *, on_demand: bool = False) -> Iterator[Sources]:
    """Yield sources that copy slides to ``cache_dir`` ahead of their use; ``on_demand`` as in ``StagedSources``.

    Raises:
        UsageError: the folder cannot be written.
    """
    require_cache(cache_dir)
    _remove_leftovers(cache_dir)
    new = Path(tempfile.mkdtemp(prefix=f"{NEW_PREFIX}{this_process()}-", dir=cache_dir))
    with (new / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # says that the run lives; the system lets go of it however the run ends
        folder = new.rename(cache_dir / (PREFIX + new.name))  # only now may others look whether it lives
        sources = StagedSources(paths, folder, on_demand=on_demand)
        try:
            yield sources
        finally:
            sources.close()
            shutil.rmtree(folder, ignore_errors=True)


def require_cache(cache_dir: Path) -> None:
    """Make the folder if need be, and raise a UsageError where it cannot be written."""
    require_writable(str(cache_dir), flag="--cache_dir")
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache_dir).close()
    except OSError as error:
        raise UsageError(f"--cache_dir {cache_dir} cannot be written: {one_line(error)}") from error


def _remove_leftovers(cache_dir: Path) -> None:
    """Remove the folders of runs that live no more."""
    for folder in cache_dir.glob(f"{NEW_PREFIX}*"):  # whose run was killed before it could lock it
        maker = ProcessIdentity.parse("-".join(folder.name.removeprefix(NEW_PREFIX).split("-")[:3]))
        if maker is not None and maker.is_gone:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in cache_dir.glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _files_of(path: Path) -> list[Path]:
    """Return the files of a slide; none where they cannot be told."""
    if path.suffix.lower() in WITH_NEIGHBOURS or path.is_dir():
        return []
    if path.suffix.lower() in WITH_FOLDER:
        return [path, *(file for file in path.with_suffix("").rglob("*") if file.is_file())]
    return [path]
