"""Memory that a process frees and takes again many times a second, without going back to the system each time.

glibc gives large blocks back at once, and the system hands them out again page by page, each filled with zeros. In a
training step on the processor, which takes and frees a few megabytes, that is a tenth of the time and more.
"""

import ctypes
import sys

# parameters of mallopt, from glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 2**30
LARGEST_BLOCK_BYTES = 2**25  # glibc takes no higher threshold


def keep_freed_memory() -> None:
    """Let this process keep up to a gigabyte of what it has freed; other C libraries than glibc do as they do."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
