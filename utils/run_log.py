"""A log of each run of a program, in the folder that it writes to: ``logs/<program>_<UTC time>_<host>_<process>.log``.

First what was run, as YAML: the command, its flags with their defaults, what a stage made of them, versions, machine.
After a line ``---`` every message with its time, and at the end the exit code. Each line is given to the system before
the next one is written, so a crash loses none. A folder or disk that takes no log costs a warning and no more.

It names files as the command does, and neither the current folder nor where Python lies, as results are shared.

A program keeps one where it is run as a program. ``main([...])`` called from Python keeps none: that process has logs
of its caller's.
"""

import itertools
import json
import logging
import math
import os
import platform
import re
import shlex
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from utils.errors import one_line
from utils.lookup import PROJECT_ROOT
from utils.masking import masked, masked_values
from utils.processors import usable_processors

FOLDER = "logs"
END_OF_HEADER = "---"
KEPT_BEFORE = 1000  # messages that come before it is known where the log goes

logger = logging.getLogger(__name__)


def start_run_log(folder: str | Path, settings: object) -> None:
    """Begin the log of this run in ``folder``; what was said before stands in it too.

    Args:
        folder: where the run writes its results.
        settings: what the stage was asked for: a dataclass, a pydantic model or a mapping.
    """
    for log in _running():
        log.begin(Path(folder), settings)


def note_flags(flags: Mapping[str, Any]) -> None:
    """Keep the flags of the command line, with their defaults, for the log of this run."""
    for log in _running():
        log.flags = dict(flags)


def _running() -> list["RunLog"]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, RunLog)]


class RunLog(logging.Handler):
    """The log of one run; a context manager that takes part in all logging while it is open.

    Args:
        program: name of the program, without ``.py``.
    """

    def __init__(self, program: str) -> None:
        super().__init__()
        self.setFormatter(_WithTime())
        self.program = program
        self.flags: dict[str, Any] = {}
        self._began = datetime.now(timezone.utc)
        self._began_s = time.monotonic()
        self._before: deque[str] = deque(maxlen=KEPT_BEFORE)
        self._files: dict[Path, TextIO] = {}
        self._is_placed = False
        self._counts: Counter[str] = Counter()
        self._exit_code: int | None = None

    def __enter__(self) -> "RunLog":
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        if error is not None:
            self._write(_from_here("".join(traceback.format_exception(kind, error, trace)).rstrip()))
        took_s = time.monotonic() - self._began_s
        code = "none" if self._exit_code is None else self._exit_code
        counts = f"{self._counts['WARNING']} warnings, {self._counts['ERROR']} errors"
        self._write(f"{_utc(datetime.now(timezone.utc))} END exit code {code} after {took_s:.1f} s, {counts}")
        for path in list(self._files):
            self._close(path)

    def ended(self, exit_code: int) -> int:
        """Note the exit code, and return it."""
        self._exit_code = exit_code
        return exit_code

    def begin(self, folder: Path, settings: object) -> None:
        """Write what was run, and what was said so far, to a new file below ``folder``."""
        header = self._header(folder, settings)
        with self.lock:  # type: ignore[union-attr]  # of logging: threads may have something to say
            self._is_placed = True
            try:
                path, file = self._new_file(folder / FOLDER)
            except OSError as error:
                logger.warning("no log of this run in %s: %s", folder / FOLDER, one_line(error))
            else:
                self._files[path] = file
                self._write_to(path, "\n".join([header + END_OF_HEADER, *self._before]))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message, or keep it until there is a file."""
        self._counts[record.levelname] += 1
        line = self.format(record)
        if self._is_placed:
            self._write(line)
        else:
            self._before.append(line)

    def _write(self, text: str) -> None:
        for path in list(self._files):
            self._write_to(path, text)

    def _write_to(self, path: Path, text: str) -> None:
        try:
            self._files[path].write(masked(text) + "\n")
        except OSError as error:  # such as a full disk
            self._close(path)
            logger.warning("the log %s ends here: %s", path, one_line(error))

    def _close(self, path: Path) -> None:
        with suppress(OSError):  # what could not be written is tried once more
            self._files.pop(path).close()

    def _new_file(self, folder: Path) -> tuple[Path, TextIO]:
        """Open a file of a name that nobody has: in containers, hosts and processes may be called alike."""
        folder.mkdir(parents=True, exist_ok=True)
        host = re.sub(r"[^\w.-]", "_", platform.node()) or "host"
        stem = f"{self.program}_{self._began:%Y%m%dT%H%M%SZ}_{host}_{os.getpid()}"
        for number in itertools.count(2):
            path = folder / f"{stem}.log"
            with suppress(FileExistsError):
                return path, path.open("x", buffering=1, encoding="utf-8", errors="backslashreplace", newline="\n")
            stem = f"{stem.partition('+')[0]}+{number}"
        raise AssertionError("there is always another number")

    def _header(self, folder: Path, settings: object) -> str:
        import yaml  # not before they are needed: --help does not wait for them

        from utils.versions import versions

        about = {
            "program": self.program,
            "command": masked(shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])),
            "output folder": str(folder),
            "began": _utc(self._began),
            "host": platform.node(),
            "process": os.getpid(),
            "processors": usable_processors(),
            "versions": versions(),
            "flags": self.flags,
            "settings": settings,
        }
        return yaml.safe_dump(masked_values(_plain(about)), sort_keys=False, allow_unicode=True, width=math.inf)


class _WithTime(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc)
        said = _from_here(super().format(record)) if record.exc_info else super().format(record)
        return masked(f"{_utc(when)} {record.levelname} {said}")


def _from_here(trace: str) -> str:
    """Return a traceback without the folders that programs and libraries lie in, as logs are shared."""
    for folder in (sys.prefix, sys.base_prefix, str(PROJECT_ROOT)):  # an environment may lie in the project
        trace = trace.replace(f'File "{folder}{os.sep}', 'File "')
    return trace


def _utc(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _plain(value: object) -> Any:
    """Return a value made of what JSON has; paths and others as their text."""

    def of_ours(one: Any) -> Any:
        if is_dataclass(one) and not isinstance(one, type):
            return {name: part for name, part in vars(one).items() if name in one.__dataclass_fields__}
        dump = getattr(one, "model_dump", None)  # of pydantic
        return dump(mode="json") if callable(dump) else sorted(one) if isinstance(one, (set, frozenset)) else str(one)

    return json.loads(json.dumps(value, default=of_ours))
