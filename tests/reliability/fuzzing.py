"""Inputs that nobody would write, read by the readers that the programs use, in a process that may die of them.

``python -m tests.reliability.fuzzing KIND FIRST COUNT FOLDER`` makes the inputs with the numbers FIRST, FIRST + 1, ...
of a kind in FOLDER, each from its number alone, and reads them. It prints a line with the number where a reader did
what it must not: raise what is no error of ours, ask for a GiB of memory, open a file for writing, start a program,
connect to anything, import what a file names, give away what lies in another file, work for five seconds, or die.
"""

import logging
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_S = 60  # of the clock, where a reader waits for something
MEMORY_BYTES = 1024**3
SECRET = 424_242  # numbers and texts of a file beside the input, which only a link out of the input leads to
SECRET_TEXT = "the-secret-of-another-file"
CANARY = "fuzz_canary"  # a module that inputs name
# Not what HDF5 says of a damaged header: it sets aside what that asks for, and writes nothing to it.
OUT_OF_MEMORY = ("not enough memory", "can't allocate", "unable to allocate")


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        ending: of the file's name.
        make: an input from a source of chance; may write files beside it in the folder.
        read: all that the programs do with such a file; returns what it read.
        work_s: how long that may compute.
    """

    ending: str
    make: Callable[[random.Random, Path], bytes]
    read: Callable[[Path], object]
    work_s: float = 5.0


def mutated(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Return a file with a few changes that know nothing of its format."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(CHANGES)(rng, changed, others)
    return bytes(changed)


def _place(rng: random.Random, data: bytearray) -> int:
    return rng.randrange(len(data) + 1)


def _flip(rng: random.Random, data: bytearray, _others: list[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 16))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray, _others: list[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _truncate(rng: random.Random, data: bytearray, _others: list[bytes]) -> None:
    del data[_place(rng, data) :]


def _delete(rng: random.Random, data: bytearray, _others: list[bytes]) -> None:
    start = _place(rng, data)
    del data[start : start + rng.choice((1, 4, 8, 64, 1024))]


def _repeat(rng: random.Random, data: bytearray, _others: list[bytes]) -> None:
    start = _place(rng, data)
    block = data[start : start + rng.choice((1, 8, 64, 1024))]
    data[start:start] = block * rng.choice((1, 2, 100))


def _insert(rng: random.Random, data: bytearray, _others: list[bytes]) -> None:
    start = _place(rng, data)
    data[start:start] = rng.choice(SPLICES)


def _number(rng: random.Random, data: bytearray, _others: list[bytes]) -> None:
    """Put a number that is often not expected in the place of some bytes."""
    start, width = _place(rng, data), rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, -1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1, 2**31, 2**32 - 1, 10**9, 255))
    data[start : start + width] = (value % 2 ** (8 * width)).to_bytes(width, rng.choice(("little", "big")))


def _cross(rng: random.Random, data: bytearray, others: list[bytes]) -> None:
    """Go on with another file."""
    other = rng.choice(others)
    data[_place(rng, data) :] = other[rng.randrange(len(other) + 1) :]


CHANGES = (_flip, _flip, _byte, _number, _number, _truncate, _delete, _repeat, _insert, _cross)
SPLICES = (
    b"\0", b"\xff\xff\xff\xff", b"\xef\xbb\xbf", b"\r", b"\n", b'"', b"'", b",", b";", b"\x80", b"\xed\xa0\x80", b"{",
    b"}", b"[", b"]", b": ", b"&a ", b"*a", b"<<: *a", b"!!python/object/apply:os.system [touch harmed]", b"1e999",
    b"NaN", b"-Infinity", b"9" * 400, b"9" * 5000, b"0x" + b"f" * 9000, b"../../x", b"/etc/passwd", b"a" * 300,
    b"\\ud800", b"\\u0000", b"cposix\nsystem\n", b"cfuzz_canary\nrun\n)R", b"\x85" * 500, b"[" * 3000, b"- " * 3000,
)  # fmt: skip


class Watch:
    """Notes what a reader may not do while ``is_on``; there is no way to take such a hook away again."""

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple) -> None:
        if not self.is_on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or flags & (
                os.O_WRONLY | os.O_RDWR | os.O_CREAT
            )
            if writes:
                self.seen.append(f"opened {path!r} for writing")
        elif event.startswith(FORBIDDEN) or (event == "import" and CANARY in str(arguments[0])):
            self.seen.append(f"{event} {arguments!r:.200}")


FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename", "os.mkdir",
    "os.link", "os.symlink", "os.truncate", "shutil.", "tempfile.", "ctypes.dlopen", "urllib.",
)  # fmt: skip


def _memory_now() -> int:
    pages = Path("/proc/self/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether memory was asked for in vain, also where that was then made an error of ours."""
    while error is not None:
        if isinstance(error, MemoryError) or any(text in str(error).lower() for text in OUT_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _gives_away(value: object) -> bool:
    text = repr(value)
    return str(SECRET) in text or SECRET_TEXT in text


def _what_is_wrong(kind: Kind, path: Path, watch: Watch) -> str:
    """Read one input, and return what was wrong with how it was read; empty: nothing."""
    from utils.errors import PipelineError

    wrong, read = "", None
    watch.seen.clear()
    watch.is_on = True
    try:
        read = kind.read(path)
    except PipelineError as error:
        watch.is_on = False
        if _is_out_of_memory(error):
            wrong = f"took memory before it said: {str(error)[:300]}"
        elif len(str(error)) > 20_000:
            wrong = f"a message of {len(str(error))} characters: {str(error)[:100]}"
        elif "\n" in str(error):
            wrong = f"a message of several lines: {str(error)[:300]!r}"
        elif SECRET_TEXT in str(error):
            wrong = "gave away what another file holds in its message"
    except BaseException:  # noqa: BLE001 - to tell which it was is what this is for
        wrong = traceback.format_exc()[-2500:]
    finally:
        watch.is_on = False
    if watch.seen:
        wrong += " | ".join(watch.seen)
    if read is not None and _gives_away(read):
        wrong += "gave away what another file holds"
    return wrong


def _read_all(kind: Kind, name: str, numbers: range, folder: Path, at: mmap.mmap) -> None:
    """Make and read inputs, one after the other; ``at`` holds the number of the one that is being read."""
    watch = Watch()
    limit = _memory_now() + MEMORY_BYTES
    for number in numbers:
        path = folder / f"input{kind.ending}"
        path.write_bytes(kind.make(random.Random(f"{name} {number}"), folder))
        at[:8] = number.to_bytes(8, "little")
        there = _names_in(folder)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, kind.work_s)
        signal.setitimer(signal.ITIMER_REAL, WAIT_S)
        wrong = _what_is_wrong(kind, path, watch)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if _names_in(folder) != there:
            wrong += f"files appeared or went: {_names_in(folder) ^ there}"
        if wrong:
            print(name, number, " // ".join(wrong.split("\n")), flush=True)


def _main(name: str, first: int, count: int, folder: Path) -> None:
    """Read inputs in a process of its own, and in a new one behind any that ended it."""
    from tests.reliability.fuzz_kinds import KINDS

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    kind = KINDS[name]()
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    at, number = mmap.mmap(-1, 8), first
    while number < first + count:
        at[:8] = number.to_bytes(8, "little")
        child = os.fork()
        if child == 0:
            _read_all(kind, name, range(number, first + count), folder, at)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            return
        number = int.from_bytes(at[:8], "little")
        print(name, number, "ended the process:", _death(code), flush=True)
        number += 1


def fuzz(name: str, count: int, folder: Path, first: int = 0) -> list[str]:
    """Read ``count`` inputs of a kind, and return a line for each that was not read as it must be, with its number."""
    command = [sys.executable, "-m", "tests.reliability.fuzzing", name, str(first), str(count), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return lines if done.returncode == 0 else [*lines, f"{name}: {done.stderr[-2000:]}"]


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _death(code: int) -> str:
    if code == -signal.SIGPROF:
        return "too much work"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
