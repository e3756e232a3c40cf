"""SIGTERM of a scheduler and Ctrl-C, in the middle of every program: a word, its exit code, and nothing half-done."""

import random
import signal

import pytest

from tests.reliability.artifacts import differences, left_in_temporary_folder, left_over, require_whole
from tests.reliability.killing import after_files, end_early, finish
from tests.reliability.programs import PATCHING, PROGRAMS, inputs_of, write_cohort

ENDS_WITHIN_S = 5.0


def stop_and_look(program, folder, n_files, number, flags="", quick=None):
    """Stop a program when it has written so many files, and look at what it leaves."""
    ended = end_early(program, folder, after_files(n_files), number, flags, quick)
    assert ended.was_early
    assert ended.code == 128 + number, ended.said[-2000:]
    assert "interrupted; the files that are finished stay" in ended.said and "Traceback" not in ended.said
    assert ended.outlived_s < ENDS_WITHIN_S, ended.survivors
    require_whole(program, folder)
    assert left_over(program, folder) == []
    assert left_in_temporary_folder(folder) == []


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_a_program_that_was_stopped_ends_as_if_it_had_not(undisturbed, quick, tmp_path, program, number):
    finished, courses = undisturbed
    folder = inputs_of(program, finished, tmp_path / "stopped")
    n_files = random.Random(program.file).randint(1, courses[program].n_files // 2)
    stop_and_look(program, folder, n_files, number, quick=quick)
    stop_and_look(program, folder, 1, number, program.side_by_side)
    finish(program, folder, quick=quick)
    assert differences(program, folder, finished) == []


def test_patching_in_two_processes_that_was_stopped_leaves_nothing_half_done(tmp_path):
    folder = write_cohort(tmp_path / "stopped", n_slides=6)
    stop_and_look(PATCHING, folder, 2, signal.SIGTERM, PATCHING.side_by_side)
