"""What the server of worker processes imports first: it removes the sockets of a process that was killed.

The process itself does so at its end, unless it was killed; the server ends with it in any case.
"""

import atexit
import os
import shutil

SOCKETS = "FOLDER_OF_WORKER_SOCKETS"  # variable of the environment, set for the server alone


def _remove_sockets(server: int, folder: str) -> None:
    if os.getpid() == server:  # and no worker that was forked from it
        shutil.rmtree(folder, ignore_errors=True)


if SOCKETS in os.environ:
    atexit.register(_remove_sockets, os.getpid(), os.environ.pop(SOCKETS))
