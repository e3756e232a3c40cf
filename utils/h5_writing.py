"""HDF5 files that appear whole, and where they cannot be written an error instead of a crash.

On a full disk HDF5 tries again and again to write what it holds, at last while Python frees its objects, and that ends
the process. So it writes into a file that takes everything, and what went wrong is raised when it is closed.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from utils.atomic import atomic_path


@contextmanager
def atomic_h5(final: Path) -> Iterator[h5py.File]:
    """Yield an HDF5 file to fill; it gets its name when the block succeeds.

    Raises:
        OSError: it could not be written; names it.
    """
    with atomic_path(final) as part, new_h5(part, final) as file:
        yield file


@contextmanager
def new_h5(path: Path, final: Path) -> Iterator[h5py.File]:
    """Yield an HDF5 file to fill; that it cannot be written is told at the end of the block.

    Args:
        path: the file.
        final: the name that it will get, for the message.

    Raises:
        OSError: it could not be written; names it.
    """
    with _TakesEverything(path, "w+b") as written:
        try:
            with h5py.File(written, "w") as file:
                yield file
        finally:
            if written.error is not None:  # also where HDF5 stumbled over it
                raise OSError(written.error.errno, written.error.strerror, str(final)) from written.error


class _TakesEverything(io.FileIO):
    """A file that drops what it cannot write, and remembers why."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        n_bytes = len(rest)
        try:
            while len(rest) and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return n_bytes

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size
