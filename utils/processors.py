"""How many processors this process may use."""

import os


def usable_processors() -> int:
    """Return the number of processors this process may run on, which a scheduler may have limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
