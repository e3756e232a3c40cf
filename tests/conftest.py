"""What several tests share: the folder of real inputs and golden numbers, where there is one."""

from pathlib import Path

import pytest

from utils.processes import SLOW_TO_IMPORT, worker_context

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real slides, checkpoints and golden numbers beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED}: real slides and golden numbers are not at hand")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def server_of_workers() -> None:
    """Let the server that workers are forked from, which starts once, import what those of all tests need."""
    worker_context([*SLOW_TO_IMPORT, "stages.slide_patching", "stages.fold_job"])
