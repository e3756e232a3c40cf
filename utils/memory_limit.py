"""A limit on the memory that a process may take from now on."""

from pathlib import Path

GIB = 2**30


def limit_memory(gib: float) -> None:
    """Let allocations beyond this fail in this process; without effect where the system has no such limit.

    Counts what a process may write to and shares with none (RLIMIT_DATA, since Linux 4.7).

    Args:
        gib: beyond what the process has already.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        return
    import resource  # not to be had on Windows

    has_bytes = next(
        int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmData")
    )
    wanted, (_, most) = int(has_bytes + gib * GIB), resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or wanted < most:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
