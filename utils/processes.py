"""Worker processes that start quickly and never hang.

A plain fork copies a process without its other threads; OpenCV and OpenMP then wait for theirs forever. So workers are
forked from a server that has no threads and has the slow libraries imported already; where there is no such server
(Windows), each worker starts from nothing.
"""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.context import BaseContext

# What workers that read patches need, imported once by the server. A module that is missing there costs time only.
SLOW_TO_IMPORT = ("torch", "cv2", "pandas", "h5py", "openslide", "skimage.color", "skimage.feature")


def worker_context(preload: Sequence[str] = SLOW_TO_IMPORT) -> BaseContext:
    """Return how worker processes are started.

    Args:
        preload: modules that the server imports; the first call in a process decides.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context
