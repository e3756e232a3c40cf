"""Files that appear whole or not at all.

Written under a temporary name in the same folder, flushed, then renamed, so that a final name always
means a complete file and "skip what exists" is safe.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(final: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to ``final`` when the block succeeds.

    The temporary name keeps the suffix of ``final`` because image writers choose their format by it.
    When the block raises, the temporary file is removed and ``final`` stays as it was.
    """
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f".part-{os.getpid()}-{final.name}")
    try:
        yield part
        _flush_to_disk(part)
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)


def write_text(final: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends, atomically."""
    with atomic_path(final) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
