"""The hidden folder that a check of a folder writes to: its own process removes it, or whoever kills that."""

import platform
from pathlib import Path


def probe_in(folder: str, pid: int) -> Path:
    """Return where a check in process ``pid`` writes."""
    return Path(folder) / f".doctor-{platform.node()}-{pid}"
