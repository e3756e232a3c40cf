"""Processors, memory, and the memory that processes share."""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from stages.checks.finding import Finding
from utils.memory import memory_limit, memory_of_machine
from utils.processors import processor_quota, usable_processors

GIB = 1024**3
LEAST_MEMORY_GIB, LEAST_SHARED_GIB = 4, 1
SHARED = Path("/dev/shm")


def look() -> Iterator[Finding]:
    """Yield what this process may use."""
    yield of_processors(usable_processors(), os.cpu_count() or 1, processor_quota())
    memory = memory_of_machine()
    if memory is not None:
        yield of_memory(*memory, memory_limit())
    if SHARED.is_dir():
        yield of_shared_memory(shutil.disk_usage(SHARED).free)


def of_processors(usable: int, of_machine: int, quota: float | None) -> Finding:
    """Say on how many processors this process may run, and whether its time on them is limited."""
    found = f"{usable} of {of_machine} usable on {platform.node()} ({platform.machine()})"
    if quota is None or quota >= usable:
        return Finding("processors", "ok", found)
    least = max(1, int(quota))
    advice = f"OMP_NUM_THREADS={least}, and --num_workers {least} where programs would take one for each processor"
    return Finding("processors", "warn", f"{found}, with the time of {quota:g} of them", advice)


def of_memory(whole: int, free: int, limit: tuple[int, int] | None) -> Finding:
    """Say how much memory there is, in bytes, and what a container or job may take of it."""
    found = f"{free / GIB:.1f} of {whole / GIB:.1f} GiB free"
    if limit is not None:
        found += f"; this container or job: {limit[1] / GIB:.1f} of {limit[0] / GIB:.1f} GiB"
        free = min(free, limit[1])
    if free >= LEAST_MEMORY_GIB * GIB:
        return Finding("memory", "ok", found)
    return Finding("memory", "warn", found, f"ask for {LEAST_MEMORY_GIB} GiB or more, or lower --num_workers")


def of_shared_memory(free: int) -> Finding:
    """Say how much memory processes can share, in bytes."""
    found = f"{free / GIB:.1f} GiB free"
    if free >= LEAST_SHARED_GIB * GIB:
        return Finding(str(SHARED), "ok", found)
    advice = "docker run --shm-size=8g, or in Kubernetes an emptyDir with medium: Memory mounted there"
    return Finding(str(SHARED), "warn", found, advice)
