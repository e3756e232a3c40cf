"""A folder for results: room, and whether its file system does what several processes on it rely on."""

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stages.checks.contests import CONTESTS, contest, torn_reads
from stages.checks.file_system import kind_of_file_system
from stages.checks.finding import Finding
from stages.checks.h5_locking import of_h5_locking
from stages.checks.probe import probe_in
from utils.errors import one_line

GIB = 1024**3
LEAST_GIB, FEW_GIB = 1, 20
LEAST_FILES, FEW_FILES = 1000, 100_000
CLOCK_WARN_S, CLOCK_FAIL_S = 2, 60  # what is older than minutes is taken for left behind
N_FSYNC, SLOW_FSYNC_S = 5, 0.1
APART = "give each process a --save_dir or --feat_dir of its own, or a folder on another file system"


def look(folder: str) -> Iterator[Finding]:
    """Yield what is said of a folder; a hidden folder in it is written for that and removed again."""
    root = Path(folder)
    if not root.is_dir():
        if root.exists():
            yield Finding("folder", "fail", f"{folder} is a file", "name a folder")
        else:
            yield Finding("folder", "fail", f"no folder {folder}", f"mkdir -p {folder}, or name another --folder")
        return
    yield kind_of_file_system(root)
    yield of_space(shutil.disk_usage(root).free)
    yield from of_file_count(root)
    probe = probe_in(folder, os.getpid())
    try:
        probe.mkdir()
    except OSError as error:
        advice = "chmod or chown it, mount it for writing, or name another folder"
        yield Finding("writing", "fail", one_line(error), advice)
        return
    try:
        for name, check in WRITING.items():
            yield _tried(name, check, probe)
        yield from of_contests(probe)
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def _tried(name: str, check: Callable[[Path], Finding], probe: Path) -> Finding:
    try:
        return check(probe)
    except OSError as error:
        return Finding(name, "fail", one_line(error), APART)


def of_space(free: int) -> Finding:
    """Say how many bytes are free."""
    found = f"{free / GIB:,.1f} GiB free"
    if free >= FEW_GIB * GIB:
        return Finding("free space", "ok", found)
    return Finding("free space", "warn" if free >= LEAST_GIB * GIB else "fail", found,
                   "make room, or name another folder; docs/cluster.md says what a slide takes")  # fmt: skip


def of_file_count(root: Path) -> Iterator[Finding]:
    """Say how many files more the file system takes, where it has a limit."""
    stated = os.statvfs(root) if hasattr(os, "statvfs") else None
    if stated is None or not stated.f_files:
        return
    free, found = stated.f_favail, f"{stated.f_favail:,} more can be made"
    if free >= FEW_FILES:
        yield Finding("files", "ok", found)
    else:
        yield Finding("files", "warn" if free >= LEAST_FILES else "fail", found,
                      "remove files, or name a folder with more inodes: a slide takes 3 to 6 files")  # fmt: skip


def of_writing(probe: Path) -> Finding:
    """Write some files to the disk, and say how long one takes."""
    took_s = []
    for number in range(N_FSYNC):
        began_s = time.monotonic()
        with (probe / f"written-{number}").open("wb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        took_s.append(time.monotonic() - began_s)
    middle_s = statistics.median(took_s)
    found = f"a file is on the disk after {1000 * middle_s:.1f} ms"
    if middle_s <= SLOW_FSYNC_S:
        return Finding("writing", "ok", found)
    return Finding("writing", "warn", found, "slow for many small slides: write to a faster folder and copy it after")


def of_rename(probe: Path) -> Finding:
    """Replace a file again and again while another process reads it."""
    torn, n_reads = torn_reads(probe)
    if not torn:
        return Finding("rename", "ok", f"whole before and after, {n_reads} reads while a file was replaced")
    return Finding("rename", "fail", f"{torn} of {n_reads} reads found no file or a part of it", APART)


def of_clock(probe: Path) -> Finding:
    """Compare the time that the file system gives to files with that of this machine."""
    path = probe / "clock"
    before_s = time.time()
    path.write_bytes(b"1")
    stamp_s = path.stat().st_mtime
    apart_s = max(before_s - stamp_s, stamp_s - time.time(), 0.0)
    found = f"{apart_s:.1f} s between the file system and this machine"
    if apart_s <= CLOCK_WARN_S:
        return Finding("clock", "ok", found)
    return Finding("clock", "warn" if apart_s <= CLOCK_FAIL_S else "fail", found,
                   "set both by NTP: how old a lock is tells whether its process lives")  # fmt: skip


def of_case(probe: Path) -> Finding:
    """Find out whether A and a are one file."""
    (probe / "Case").write_bytes(b"1")
    if not (probe / "case").exists():
        return Finding("names", "ok", "upper and lower case are told apart")
    return Finding("names", "warn", "A and a are the same file", "rename slides whose names differ by case alone")


WRITING: dict[str, Callable[[Path], Finding]] = {
    "writing": of_writing,
    "rename": of_rename,
    "clock": of_clock,
    "names": of_case,
    "h5 locking": of_h5_locking,
}


def of_contests(probe: Path) -> Iterator[Finding]:
    """Yield for each way to be the only one whether it works between processes."""
    for name, rounds in contest(probe).items():
        kind = CONTESTS[name]
        refused = [won for won in rounds if isinstance(won, str)]
        wrong = [won for won in rounds if won != 1]
        if not wrong:
            yield Finding(name, "ok", f"one winner in each of {len(rounds)} rounds of four processes")
        elif refused:
            yield Finding(name, kind.level, f"not to be had: {refused[0]}", kind.advice)
        else:
            found = f"{len(wrong)} of {len(rounds)} rounds had {min(wrong)} to {max(wrong)} winners instead of one"
            yield Finding(name, kind.when_several_win, found, APART if kind.when_several_win == "fail" else kind.advice)
