"""A full disk, by a limit on the size of files and as a small file system: a clear line, and a rerun is whole."""

import errno
import os
import resource
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from tests.reliability.artifacts import differences, files_of, left_over, require_whole
from tests.reliability.killing import finish
from tests.reliability.programs import EXTRACTION, PATCHING, PROGRAMS, environment, inputs_of, write_cohort
from utils.run_log import FOLDER as RUN_LOGS

TINY_BYTES = 60  # less than any file of the programs, and more than the semaphores of their processes
TOO_LARGE, NO_SPACE = os.strerror(errno.EFBIG), os.strerror(errno.ENOSPC)


def run_with_limit(program, folder, limit_bytes):
    """Run a program that can write no file beyond a size; what it says goes through a pipe, which has none."""
    return subprocess.run(
        program.command, cwd=folder, env=environment(folder), check=False, capture_output=True, text=True, timeout=600,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
    )  # fmt: skip


def require_clear_end(program, folder, done, reason):
    """The exit code says that some failed, a line says why and which file, and nothing is half-written."""
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if reason in line]
    assert lines, done.stderr[-2000:]
    require_whole(program, folder)
    assert left_over(program, folder) == []
    return lines


def sizes_of(program, folder):
    """Return the sizes of the files without which a program is not done; its log may end early."""
    files = files_of(program, folder).values()
    return sorted({path.stat().st_size for path in files if path.parent.name != RUN_LOGS})


@pytest.mark.soak
@pytest.mark.parametrize("part", [0.0, 0.5, 0.95], ids=["no file", "the smaller half", "all but the largest"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_a_program_that_could_not_write_says_so_and_ends_well_later(undisturbed, quick, tmp_path, program, part):
    finished, _ = undisturbed
    folder = inputs_of(program, finished, tmp_path / "full")
    sizes = sizes_of(program, finished)
    done = run_with_limit(program, folder, sizes[int(part * len(sizes))] - 1)
    require_clear_end(program, folder, done, TOO_LARGE)
    finish(program, folder, quick=quick)
    assert differences(program, folder, finished) == []


@pytest.mark.soak
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_a_program_that_could_not_write_names_a_file(undisturbed, tmp_path, program):
    finished, _ = undisturbed
    folder = inputs_of(program, finished, tmp_path / "full")
    lines = require_clear_end(program, folder, run_with_limit(program, folder, TINY_BYTES), TOO_LARGE)
    assert all(any(f"{output}/" in line for output in program.outputs) for line in lines), lines
    assert any(RUN_LOGS not in line for line in lines), lines


def test_patching_that_could_not_write_says_so(tmp_path):
    folder = write_cohort(tmp_path / "full", n_slides=2)
    done = run_with_limit(PATCHING, folder, 10_000)
    require_clear_end(PATCHING, folder, done, TOO_LARGE)
    assert "File too large: 'out/patches/s00.h5'" in done.stderr


@contextmanager
def small_file_system(place, size_bytes):
    """Mount a file system of a size at a folder, or skip the test where that is not allowed."""
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.soak
@pytest.mark.parametrize("program", [PATCHING, EXTRACTION], ids=lambda program: program.file)
def test_a_program_whose_disk_is_full_says_so_and_ends_well_later(undisturbed, quick, tmp_path, program):
    finished, _ = undisturbed
    folder = inputs_of(program, finished, tmp_path / "full")
    (output,) = program.outputs
    n_bytes = sum(path.stat().st_size for path in files_of(program, finished).values())
    with small_file_system(folder / output, n_bytes // 2):
        done = run_with_limit(program, folder, resource.RLIM_INFINITY)
        require_clear_end(program, folder, done, NO_SPACE)
        shutil.copytree(folder / output, folder / "kept")
    shutil.rmtree(folder / output)
    (folder / "kept").rename(folder / output)  # on a larger disk
    finish(program, folder, quick=quick)
    assert differences(program, folder, finished) == []
