"""HDF5 files that appear whole or not at all, also on a full disk."""

import errno
import subprocess
import sys

import h5py
import numpy as np
import pytest

from utils.h5_writing import atomic_h5
from utils.lookup import PROJECT_ROOT

WRITES_MORE_THAN_IT_MAY = """
import resource, sys
from pathlib import Path
import numpy as np
from utils.h5_writing import atomic_h5
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    with atomic_h5(Path(sys.argv[1])) as file:
        images = file.create_dataset("images", (40, 64, 64), np.uint8, chunks=(1, 64, 64))
        for number in range(40):
            images[number] = number
        file["numbers"] = np.zeros(10_000)
except OSError as error:
    print(error)
"""


def test_what_is_written_is_read_back(tmp_path):
    numbers = np.arange(1_000_000)
    for _ in range(2):
        with atomic_h5(tmp_path / "a.h5") as file:
            file["numbers"] = numbers
            file.attrs["name"] = "x"
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["numbers"], numbers)
        assert file.attrs["name"] == "x"


def test_what_goes_wrong_in_the_block_is_told_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="mine"), atomic_h5(tmp_path / "a.h5"):
        raise ValueError("mine")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit_bytes", [0, 100, 5_000, 120_000])
def test_a_file_that_cannot_be_written_is_an_error_and_no_crash(tmp_path, limit_bytes):
    command = [sys.executable, "-c", WRITES_MORE_THAN_IT_MAY, str(tmp_path / "a.h5"), str(limit_bytes)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True, text=True)
    assert f"[Errno {errno.EFBIG}]" in done.stdout and f"'{tmp_path}/a.h5'" in done.stdout and not done.stderr
    assert not list(tmp_path.iterdir())
