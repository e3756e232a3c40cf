"""Four processes of a program on one folder at once: each slide once, and what they leave is what one leaves."""

import shutil
import subprocess
from contextlib import ExitStack

import pytest

from tests.reliability.artifacts import differences, left_over, require_whole
from tests.reliability.killing import finish
from tests.reliability.programs import DRAWING, EXTRACTION, PATCHING, PROGRAMS, environment, inputs_of, write_cohort
from tests.slides import truncate

N_PROCESSES = 4
DONE = "processed"
SHARED = (PATCHING, EXTRACTION, DRAWING)


def run_at_once(program, folder, *flags, code=0):
    """Run a program several times at once; return what each of them said."""
    with ExitStack() as stack:
        out = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        started = [
            stack.enter_context(
                subprocess.Popen([*program.command, *flags], cwd=folder, env=environment(folder), **out)
            )
            for _ in range(N_PROCESSES)
        ]
        said = [process.communicate(timeout=600)[1] for process in started]
    assert [process.returncode for process in started] == [code] * N_PROCESSES, said
    return said


def n_done(said, status=DONE):
    """Return how many slides a process says it has done: the number before the word in its last lines."""
    words = [word.strip(" ,:") for line in said.splitlines() if " slides: " in line for word in line.split()]
    return sum(int(words[place - 1]) for place, word in enumerate(words) if word == status and place)


@pytest.fixture(scope="module")
def alone_and_at_once(tmp_path_factory):
    """One cohort on which one process of each program has run, another on which several have, and what these said."""
    whole = tmp_path_factory.mktemp("four")
    alone = write_cohort(whole / "alone")
    together = inputs_of(PATCHING, alone, whole / "together")
    said = {}
    for program in PROGRAMS:
        finish(program, alone)
        if program in SHARED:
            said[program] = run_at_once(program, together)
        else:
            finish(program, together)
    yield alone, together, said
    shutil.rmtree(whole)


@pytest.mark.soak
@pytest.mark.parametrize("program", SHARED, ids=lambda program: program.file)
def test_processes_on_one_folder_leave_what_one_leaves(alone_and_at_once, program):
    alone, together, _ = alone_and_at_once
    assert differences(program, together, alone) == []
    assert left_over(program, together) == []
    require_whole(program, together)


@pytest.mark.soak
@pytest.mark.parametrize("program", SHARED, ids=lambda program: program.file)
def test_processes_on_one_folder_do_each_slide_once(alone_and_at_once, program):
    alone, _, said = alone_and_at_once
    assert sum(map(n_done, said[program])) == len(list((alone / "slides").iterdir()))


@pytest.mark.soak
def test_processes_that_make_all_again_do_each_slide_once_and_a_bad_one_too(tmp_path):
    folder = write_cohort(tmp_path / "again")
    finish(PATCHING, folder)
    truncate(folder / "slides" / "s05.tif")
    said = run_at_once(PATCHING, folder, "--overwrite", code=1)
    assert [sum(n_done(one, status) for one in said) for status in (DONE, "failed_open")] == [11, 1]
