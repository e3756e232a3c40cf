"""HDF5 locks the files that it writes; a second writer must be refused."""

import multiprocessing
import os
from pathlib import Path
from typing import Any

import h5py

from stages.checks.finding import Finding
from utils.errors import one_line

CHECK = "h5 locking"
PATIENCE_S = 30


def of_h5_locking(probe: Path) -> Finding:
    """Open a file for writing in two processes."""
    path = probe / "locked.h5"
    try:
        first = h5py.File(path, "w")
    except OSError as error:
        return Finding(CHECK, "fail", one_line(error), "export HDF5_USE_FILE_LOCKING=FALSE, or mount it with locks")
    with first:
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        second = context.Process(target=_open_again, args=(path, answers))
        second.start()
        refused = answers.get(timeout=PATIENCE_S)
        second.join()
    if refused:
        return Finding(CHECK, "ok", "a second writer is refused")
    setting = os.environ.get("HDF5_USE_FILE_LOCKING")
    why = f"HDF5_USE_FILE_LOCKING={setting}" if setting else "its locks have no effect here"
    return Finding(CHECK, "warn", f"two processes can write to one h5 ({why})", "let no two of them use one folder")


def _open_again(path: Path, answers: Any) -> None:
    try:
        h5py.File(path, "r+").close()
    except OSError as error:
        answers.put(one_line(error))
    else:
        answers.put("")
