"""Programs killed at any moment: what has its final name is whole, and a rerun ends as if nothing had been.

The long test takes half an hour: `make soak`. ``CLAM_KILLS`` changes the number of kills of each program.
"""

import os
import random
import shutil

import pytest

from tests.reliability.artifacts import differences, left_in_temporary_folder, left_over, require_whole
from tests.reliability.killing import after_files, end_early, finish
from tests.reliability.programs import PATCHING, PROGRAMS, inputs_of, write_cohort

N_KILLS = int(os.environ.get("CLAM_KILLS", "25"))
KILLS_IN_A_ROW = 3  # at most, before the program may run to its end
TYPED_PART = 0.2  # of the kills hit `python x.py` with processes of its own; the others need not wait for imports
CHILDREN_END_WITHIN_S = 5.0


def kill_and_look(program, folder, moment, flags="", quick=None):
    """Kill a program once; tell whether the kill came before its end."""
    ended = end_early(program, folder, moment, flags=flags, quick=quick)
    assert ended.outlived_s < CHILDREN_END_WITHIN_S, f"live on for {ended.outlived_s:.1f} s: {ended.survivors}"
    require_whole(program, folder)
    return ended.was_early


def kill_somehow(program, folder, course, rng, quick):
    """Kill a program at a moment that is drawn, in one process or in several."""
    if rng.random() < TYPED_PART:
        return kill_and_look(program, folder, after_files(rng.randint(1, course.n_files)), program.side_by_side)
    return kill_and_look(program, folder, course.moment(rng), quick=quick)


def require_same_in_the_end(program, folder, reference, quick=None):
    finish(program, folder, quick=quick)
    assert differences(program, folder, reference) == []


def require_nothing_left(program, folder):
    assert left_over(program, folder) == []
    assert left_in_temporary_folder(folder) == []


@pytest.mark.soak
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_a_program_that_was_killed_ends_as_if_it_had_not(undisturbed, quick, tmp_path, program):
    finished, courses = undisturbed
    rng = random.Random(program.file)
    n_killed = n_rounds = 0
    while n_killed < N_KILLS:
        n_rounds += 1
        folder = inputs_of(program, finished, tmp_path / f"round_{n_rounds}")
        for _ in range(rng.randint(1, KILLS_IN_A_ROW)):
            n_killed += kill_somehow(program, folder, courses[program], rng, quick)
        require_same_in_the_end(program, folder, finished, quick)
        require_nothing_left(program, folder)
        shutil.rmtree(folder)
    print(f"{program.file}: {n_killed} kills in {n_rounds} rounds, all equal in the end")


@pytest.fixture(scope="module")
def killed_and_finished(tmp_path_factory):
    """Patching of four slides: a folder in which it was killed at its fifth file and run again, and one undisturbed."""
    whole = tmp_path_factory.mktemp("short")
    reference = write_cohort(whole / "reference", n_slides=4)
    folder = inputs_of(PATCHING, reference, whole / "killed")
    finish(PATCHING, reference)
    assert kill_and_look(PATCHING, folder, after_files(5))
    finish(PATCHING, folder)
    return folder, reference


def test_patching_that_was_killed_ends_as_if_it_had_not(killed_and_finished):
    assert differences(PATCHING, *killed_and_finished) == []


def test_nothing_that_patching_had_half_written_stays(killed_and_finished):
    require_nothing_left(PATCHING, killed_and_finished[0])
