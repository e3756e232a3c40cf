"""What several tests share: the folder of real inputs and golden numbers, where there is one."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real slides, checkpoints and golden numbers beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED}: real slides and golden numbers are not at hand")
    return SHARED
