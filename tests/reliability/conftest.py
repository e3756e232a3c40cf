"""What tests of stopped programs share: a cohort on which all six have run undisturbed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.killing import Course, watch
from tests.reliability.programs import PROGRAMS, Program, write_cohort
from tests.reliability.quick_start import QuickStart


@pytest.fixture(scope="package")
def quick() -> Iterator[QuickStart]:
    """Starts programs without waiting for their imports."""
    with QuickStart() as started:
        yield started


@pytest.fixture(scope="package")
def undisturbed(quick, tmp_path_factory) -> tuple[Path, dict[Program, Course]]:
    """The folder in which the six programs have run one after the other, and how each of them went."""
    folder = write_cohort(tmp_path_factory.mktemp("cohort") / "finished")
    return folder, {program: watch(program, folder, quick=quick) for program in PROGRAMS}
