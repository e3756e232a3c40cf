"""Starts programs from a process that has imported what is slow to import; each is a process of its own all the same.

Run as a script it takes a line of JSON for each program, forks, and answers with its process id and then its exit code.
"""

import json
import os
import runpy
import select
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SLOW_TO_IMPORT = ("stages.patching", "stages.extraction", "stages.training", "stages.evaluation", "stages.heatmaps")


class QuickStart:
    """The process that forks; use it inside a ``with``, one program at a time."""

    def __enter__(self) -> "QuickStart":
        command = [sys.executable, __file__]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}  # which counts when libraries are imported
        self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, command: list[str], folder: Path, said: Path, env: dict[str, str]) -> "Started":
        """Start a program in a session of its own; what it says goes to ``said``."""
        order = {"command": command[1:], "folder": str(folder), "said": str(said), "env": env}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return Started(self._process, self.answer())

    def answer(self) -> int:
        """Wait for the next number."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


class Started:
    """A program that was started, as far as ``subprocess.Popen`` is needed here."""

    def __init__(self, server: subprocess.Popen[bytes], pid: int) -> None:
        assert server.stdout is not None
        self.pid, self.returncode, self._answers = pid, None, server.stdout

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self.returncode is None:
            assert select.select([self._answers], [], [], timeout)[0], f"process {self.pid} does not end"
            self.returncode = int(self._answers.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to it alone, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def serve() -> None:
    """Start what is asked for, one program after the other."""
    sys.path[0] = str(ROOT)
    for name in SLOW_TO_IMPORT:
        __import__(name)
    sys.modules["stages.fold"].SAVE_STATE_EVERY_S = 0.0  # type: ignore[attr-defined]  so that short folds have one too
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            _become(**json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _become(command: list[str], folder: str, said: str, env: dict[str, str]) -> None:
    """Be the program: session, folder, output, arguments; does not return."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which is not there in what was started in the background
    os.chdir(folder)
    os.environ.update(env)
    for number, path in ((0, os.devnull), (1, said), (2, said)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")
    raise SystemExit(0)


if __name__ == "__main__":
    serve()
