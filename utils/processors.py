"""How many processors this process may use."""

import os
from pathlib import Path

QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")
QUOTA_V1, PERIOD_V1 = (Path(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))


def usable_processors() -> int:
    """Return the number of processors this process may run on, which a scheduler may have limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_quota() -> float | None:
    """Return how many processors' time the container or job may take, such as 1.5; None without a limit."""
    if QUOTA_V2.is_file():
        quota, period = QUOTA_V2.read_text().split()
    elif QUOTA_V1.is_file() and PERIOD_V1.is_file():
        quota, period = QUOTA_V1.read_text().strip(), PERIOD_V1.read_text().strip()
    else:
        return None
    return int(quota) / int(period) if quota.isdecimal() else None  # "max" in v2, -1 in v1
