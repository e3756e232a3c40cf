"""The address of a Ray cluster: its form, and whether anything listens there. Needs no Ray, which is an extra."""

import re
import socket

from utils.errors import UsageError

AUTO = "auto"  # the cluster that runs on this machine


def require_address(address: str) -> None:
    """Refuse what is no address of a cluster.

    Raises:
        UsageError: it is neither ``auto`` nor HOST:PORT.
    """
    if address != AUTO and host_and_port(address) is None:
        raise UsageError(f"--ray_address {address!r}: auto, or HOST:PORT as `ray start --head` tells it")


def host_and_port(address: str) -> tuple[str, int] | None:
    """Return the parts of HOST:PORT; None where it has another form."""
    parts = re.fullmatch(r"([^/]+):(\d+)", address)
    return None if parts is None else (parts[1], int(parts[2]))


def require_listener(host: str, port: int, timeout_s: float) -> None:
    """Connect for a moment: Ray itself would try for a minute and more where nothing listens.

    Raises:
        OSError, OverflowError: nothing does, or there is no such port.
    """
    socket.create_connection((host, port), timeout_s).close()
