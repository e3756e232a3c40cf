"""How much memory this process may use: of the machine, and of the container or job that it runs in."""

import os
import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
# limit and use, as cgroup v2 and v1 state them to those inside
CGROUP_FILES = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def memory_of_machine() -> tuple[int, int] | None:
    """Return all memory of the machine, and what of it can be had without swapping, in bytes; None where unknown."""
    if not MEMINFO.is_file():
        return None
    stated = dict(re.findall(r"^(\w+):\s*(\d+) kB", MEMINFO.read_text(), re.MULTILINE))
    return int(stated["MemTotal"]) * 1024, int(stated["MemAvailable"]) * 1024


def memory_limit() -> tuple[int, int] | None:
    """Return the limit of the container or job and what is left of it, in bytes; None without one."""
    for limit, used in CGROUP_FILES:
        text = limit.read_text().strip() if limit.is_file() and used.is_file() else ""
        if text.isdecimal() and int(text) < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
            return int(text), int(text) - int(used.read_text())
    return None
