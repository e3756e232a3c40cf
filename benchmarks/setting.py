"""What figures hold for: date, machine and versions."""

import os
import platform
import time
from importlib.metadata import version


def setting(*packages: str) -> str:
    """Return one line to print above a table."""
    machine = f"{platform.machine()}, {os.cpu_count()} processors"
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{time.strftime('%Y-%m-%d')}, {machine}, Python {platform.python_version()}, {versions}"
