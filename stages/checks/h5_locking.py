"""HDF5 locks the files that it writes, where it can. These programs ask for no locks; others that use h5py do."""

import multiprocessing
import os
from pathlib import Path
from typing import Any

import h5py

from stages.checks.finding import Finding
from utils.errors import one_line

CHECK = "h5 locking"
PATIENCE_S = 30
ADVICE = "not needed here; other programs that read there with h5py want HDF5_USE_FILE_LOCKING=FALSE"


def of_h5_locking(probe: Path) -> Finding:
    """Open a file for writing in two processes.

    Raises:
        OSError: it cannot be written without locks either.
    """
    path = probe / "locked.h5"
    try:
        first = h5py.File(path, "w")
    except OSError as error:
        h5py.File(path, "w", locking=False).close()
        return Finding(CHECK, "ok", f"not to be had: {one_line(error)}", ADVICE)
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
    return Finding(
        CHECK, "ok", f"two processes can write to one h5 ({why})", "not needed: these programs ask for no locks"
    )


def _open_again(path: Path, answers: Any) -> None:
    try:
        h5py.File(path, "r+").close()
    except OSError as error:
        answers.put(one_line(error))
    else:
        answers.put("")
