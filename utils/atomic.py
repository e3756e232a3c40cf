"""Files that appear whole or not at all.

Written under a temporary name in the same folder, flushed, then renamed, and the folder flushed, so that a final name
always means a complete file, also after a power cut, and "skip what exists" is safe. The temporary name tells which
process writes, so that what a killed one has left can be removed.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.process_identity import ProcessIdentity, this_process

logger = logging.getLogger(__name__)

PREFIX = ".part-"
MAX_NAME_BYTES = 255
ABANDONED_AFTER_S = 24 * 3600.0  # of files whose process cannot be asked, as it ran on another machine


@contextmanager
def atomic_path(final: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to ``final`` when the block succeeds.

    The temporary name keeps the suffix of ``final`` because image writers choose their format by it.
    When the block raises, the temporary file is removed and ``final`` stays as it was; an OSError then names ``final``.
    """
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(_part_name(final))
    try:
        yield part
        _flush_to_disk(part)
        part.replace(final)
        flush_folder(final.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part)):
            raise
        raise OSError(error.errno, error.strerror, str(final)) from error
    finally:
        part.unlink(missing_ok=True)


def write_text(final: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends, atomically."""
    with atomic_path(final) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def finished_files(folder: Path, pattern: str) -> list[Path]:
    """Return what fits a pattern below a folder, without what is half written: a star stands for a dot too."""
    return [path for path in folder.glob(pattern) if not path.name.startswith(PREFIX)]


def flush_folder(folder: Path) -> None:
    """Make the names in a folder outlast a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(*folders: Path, below: bool = False) -> int:
    """Remove what processes that were killed have half written.

    Args:
        folders: where to look.
        below: look in all folders below them too, which takes long where there are very many files.

    Returns:
        How many files that were.
    """
    if below:
        folders = tuple(Path(root) for folder in folders for root, _, _ in os.walk(folder))
    left = [path for folder in folders for path in _parts_in(folder) if _is_abandoned(path)]
    for path in left:
        with suppress(FileNotFoundError):  # another process cleans up as well
            path.unlink()
    if left:
        logger.info("removed %d half-written files of processes that were killed, such as %s", len(left), left[0])
    return len(left)


def _part_name(final: Path) -> str:
    name = f"{PREFIX}{this_process()}-{final.name}"
    if len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(os.fsencode(final.name)).hexdigest()[:16]
    return f"{PREFIX}{this_process()}-{digest}{final.suffix}"


def _parts_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]


def _is_abandoned(part: Path) -> bool:
    writer = ProcessIdentity.parse("-".join(part.name.removeprefix(PREFIX).split("-")[:3]))
    if writer is not None and writer.is_here:
        return writer.is_gone
    try:
        return time.time() - part.stat().st_mtime > ABANDONED_AFTER_S
    except FileNotFoundError:
        return False


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
