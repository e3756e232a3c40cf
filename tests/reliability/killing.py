"""Programs that are ended before their time: when, how, and what lives on for how long."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.programs import Program, environment
from tests.reliability.quick_start import QuickStart, Started

LOOK_EVERY_S = 0.001
PATIENCE_S = 30.0
Moment = Callable[[float, int], bool]  # seconds since the start, names of files that came up -> whether it has come


@dataclass(frozen=True)
class Ended:
    """What became of a program that was to be ended early.

    Attributes:
        code: its exit code, as ``subprocess`` has it.
        said: what it wrote to stdout and stderr.
        was_early: whether the signal reached it before it had ended by itself.
        outlived_s: how long processes that it had started lived on.
        survivors: the command lines of those that would not end.
    """

    code: int
    said: str
    was_early: bool
    outlived_s: float
    survivors: tuple[str, ...]


def after_seconds(seconds: float) -> Moment:
    """Return the moment a time after the start."""
    return lambda elapsed_s, _: elapsed_s >= seconds


def after_files(n_files: int) -> Moment:
    """Return the moment when so many names of files have come up, finished or not."""
    return lambda _, n_seen: n_seen >= n_files


@dataclass(frozen=True)
class Course:
    """How an undisturbed run goes: when its first file comes up, when it ends, how many names there are."""

    first_file_s: float
    end_s: float
    n_files: int

    def moment(self, rng: random.Random) -> Moment:
        """Draw a moment; most of them are after the imports, and half of those follow from what is written."""
        kind = rng.random()
        if kind < 0.1:
            return after_seconds(rng.uniform(0, self.first_file_s))
        if kind < 0.5:
            return after_seconds(rng.uniform(self.first_file_s, self.end_s))
        return after_files(rng.randint(1, self.n_files))


def finish(program: Program, folder: Path, flags: str = "", quick: QuickStart | None = None) -> None:
    """Run a program to its end and require that it succeeds."""
    with _started(program, folder, flags, quick) as (process, said):
        assert process.wait(timeout=600) == 0, said.read_text()[-2000:]


def watch(program: Program, folder: Path, flags: str = "", quick: QuickStart | None = None) -> Course:
    """Run a program to its end, and tell how that went."""
    with _started(program, folder, flags, quick) as (process, said):
        seen, start_s, first_file_s = _Names(program, folder), time.monotonic(), 0.0
        while process.poll() is None:
            if not first_file_s and seen.count():
                first_file_s = time.monotonic() - start_s
            time.sleep(LOOK_EVERY_S)
        assert process.returncode == 0, said.read_text()[-2000:]
    return Course(first_file_s, time.monotonic() - start_s, seen.count())


def end_early(
    program: Program,
    folder: Path,
    moment: Moment,
    number: int = signal.SIGKILL,
    flags: str = "",
    quick: QuickStart | None = None,
) -> Ended:
    """Start a program, send a signal to it alone at a moment, and wait for all that it started to end."""
    with _started(program, folder, flags, quick) as (process, said):
        seen, start_s = _Names(program, folder), time.monotonic()
        while process.poll() is None and not moment(time.monotonic() - start_s, seen.count()):
            time.sleep(LOOK_EVERY_S)
        was_early = process.poll() is None
        process.send_signal(number)
        process.wait(timeout=60)
        ended_s = time.monotonic()
        while in_session(process.pid) and time.monotonic() - ended_s < PATIENCE_S:
            time.sleep(0.01)
        outlived_s, survivors = time.monotonic() - ended_s, tuple(map(_command_line, in_session(process.pid)))
        return Ended(process.returncode, said.read_text(), was_early, outlived_s, survivors)


@contextmanager
def _started(
    program: Program, folder: Path, flags: str, quick: QuickStart | None
) -> Iterator[tuple[subprocess.Popen[bytes] | Started, Path]]:
    """Start a program in a session of its own, with a file for what it says; nothing of it outlives the block."""
    said = folder.with_name(f"{folder.name}.said")
    said.write_bytes(b"")
    command, env = [*program.command, *flags.split()], environment(folder)
    process: subprocess.Popen[bytes] | Started
    if quick is not None:
        process = quick.start(command, folder, said, env)
    else:
        with said.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
                preexec_fn=_hear_ctrl_c,
            )  # fmt: skip
    try:
        yield process, said
    finally:
        process.kill()
        process.wait()
        for pid in in_session(process.pid):
            os.kill(pid, signal.SIGKILL)


def _hear_ctrl_c() -> None:
    """Let a program be interrupted as at a terminal, also where these tests run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_session(leader: int) -> list[int]:
    """Return the living processes of a session, but for those that nobody has waited for."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(session) == leader and state != "Z":
            found.append(int(folder.name))
    return found


def _command_line(pid: int) -> str:
    try:
        return f"{pid}: {Path(f'/proc/{pid}/cmdline').read_text()}".replace("\0", " ")
    except OSError:  # it has ended meanwhile
        return f"{pid}: ended late"


class _Names:
    """The names of files that come up below a program's outputs."""

    def __init__(self, program: Program, folder: Path) -> None:
        self._folders = [folder / output for output in program.outputs]
        self._before = set(self._now())
        self._seen: set[tuple[str, int]] = set()

    def count(self) -> int:
        """Look again, and return how many files have come up since the start, those written anew too."""
        self._seen.update(self._now())
        return len(self._seen - self._before)

    def _now(self) -> Iterator[tuple[str, int]]:
        for folder in self._folders:
            for path, _, names in os.walk(folder):
                for name in names:
                    file = os.path.join(path, name)  # noqa: PTH118  thousands of times a second
                    try:
                        yield file, os.stat(file).st_ino  # noqa: PTH116
                    except OSError:  # renamed meanwhile
                        continue
