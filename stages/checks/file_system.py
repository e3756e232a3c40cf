"""What kind of file system a folder is on."""

import re
from pathlib import Path
from typing import NamedTuple

from stages.checks.finding import Finding, Level

MOUNTS = Path("/proc/self/mounts")


class Mount(NamedTuple):
    """A line of the table of mounts."""

    source: str
    point: str
    kind: str
    options: str


# how such a file system behaves, by the beginning of its name
KINDS: dict[str, tuple[Level, str, str]] = {
    "overlay": ("warn", "the container's own layer", "mount a volume: this is lost with the container"),
    "tmpfs": ("warn", "memory", "only for what may be lost: it takes memory and is gone after a restart"),
    "ramfs": ("warn", "memory", "only for what may be lost: it takes memory and is gone after a restart"),
    "fuse": ("warn", "in user space", "see below whether renaming and links work; buckets often have neither"),
    "nfs": ("ok", "network", ""),
    "cifs": ("warn", "network, Windows share", "see below whether links work"),
    "smb": ("warn", "network, Windows share", "see below whether links work"),
    "9p": ("warn", "of the machine around this one", "slow for many small files"),
}


def kind_of_file_system(folder: Path) -> Finding:
    """Say what a folder is on, and what is special about that."""
    mount = _mount_of(folder.resolve())
    if mount is None:
        return Finding("file system", "ok", "not known on this system")
    found = f"{mount.kind} on {mount.point}"
    for beginning, (level, what, advice) in KINDS.items():
        if mount.kind.startswith(beginning):
            return Finding("file system", level, f"{found}, {what}", advice)
    return Finding("file system", "ok", found)


def _mount_of(folder: Path) -> Mount | None:
    if not MOUNTS.is_file():
        return None
    lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    mounts = [Mount(*map(_unescaped, line.split(" ")[:4])) for line in lines]
    holding = [mount for mount in mounts if folder.is_relative_to(mount.point)]
    return max(reversed(holding), key=lambda mount: len(mount.point), default=None)  # the deepest; a later one covers


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)
