"""HDF5 files of strangers: opened without locks, and read as numbers and texts that lie in the file itself.

A file may name other files (links, external storage, virtual datasets), claim shapes that it has no data for, or hold
chunks that unpack to a thousand times their size. All that is refused before anything of it is read.

Locks are not asked for: many network file systems have none, and files are written under another name anyway
(``h5_writing``).
"""

import io
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# What h5py raises at files that are none of its own, are damaged, or lack what is asked for.
UNREADABLE = (
    OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, MemoryError,
    NotImplementedError,
)  # fmt: skip

SMALL_BYTES = 64 * 1024**2  # up to which no more is asked than that there can be data for it
DEFLATE_UNPACKING = 1032  # times, at most
MAX_UNPACKING = 50  # times, of larger tables; gzip packs corners of patches 20 times, and features hardly
FILLED_BYTES = 1024**2  # of a table that no data is stored for
# "Global heap collections" of the file format, III.E: number, references, and size of an entry take 16 bytes.
HEAP, HEAP_ENTRY_BYTES = b"GCOL\1", 16
FEW_CHUNKS = 10_000  # each takes its time, also one without data
# of a packed chunk: deflate unpacks at most 1032 times, so below this only to what can be afforded
SMALL_CHUNK_BYTES = 128 * 1024
MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_VALUES = 64 * 1024, 64  # the format's own limit; no attribute here is a table
NUMBERS = "iuf"
FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF)


@contextmanager
def open_h5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Raises:
        UNREADABLE: it is damaged; that of its texts is told when they have been asked for, or at the end of the block.
    """
    with _SoundHeaps(path) as read:
        try:
            with h5py.File(read, "r") as file:
                yield file
        finally:
            if read.error is not None:  # also where HDF5 stumbled over it, or made do with zeros
                raise read.error


class _SoundHeaps(io.FileIO):
    """A file of which HDF5 gets no heap of texts whose next entry is where the last one is: it would hang.

    HDF5 (2.0) reads each heap from its first byte, and only when a text is asked for. So what it reads is looked at and
    nothing else: what a file says of itself lies in a few kilobytes, however large it is.

    An error is kept and zeros are given in its place, as HDF5 can take none from Python, nor an interrupt.
    """

    error: BaseException | None = None

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, behind the end of the file with zeros, as HDF5 itself does."""
        asked = memoryview(buffer).cast("B")
        n_read = 0
        try:
            start = self.tell()
            while n_read < len(asked) and (n_more := super().readinto(asked[n_read:])):  # 2 GiB at most at a time
                n_read += n_more
            if asked[: len(HEAP)] == HEAP:
                self._require_sound_heap_at(start)
        except (OSError, ValueError, MemoryError, KeyboardInterrupt, SystemExit) as error:
            self.error = self.error or error
            n_read = 0
        np.frombuffer(asked, np.uint8)[n_read:] = 0
        return len(asked)

    def _require_sound_heap_at(self, start: int) -> None:
        n_file_bytes = os.fstat(self.fileno()).st_size
        n_bytes = int.from_bytes(os.pread(self.fileno(), HEAP_ENTRY_BYTES, start)[8:], "little")
        _require_sound_heap(os.pread(self.fileno(), min(n_bytes, n_file_bytes), start))


def _require_sound_heap(heap: bytes) -> None:
    place = HEAP_ENTRY_BYTES
    while place + HEAP_ENTRY_BYTES <= len(heap):
        number = int.from_bytes(heap[place : place + 2], "little")
        n_bytes = int.from_bytes(heap[place + 8 : place + HEAP_ENTRY_BYTES], "little")
        step = HEAP_ENTRY_BYTES + (n_bytes + 7) // 8 * 8 if number else n_bytes  # number 0 is what is free
        if not HEAP_ENTRY_BYTES <= step <= len(heap) - place:
            raise ValueError("its texts are damaged")
        place += step


def is_in(file: h5py.File, name: str) -> bool:
    """Tell whether a file has something of that name, without following a link."""
    return file.id.links.exists(name.encode())


def numbers_of(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a table of numbers, of which parts may be read.

    Raises:
        KeyError: it is not there.
        ValueError: it holds something else, lies in another file, or is packed in a way that could fill the memory.
    """
    table = _own_table(file, name)
    if table.dtype.kind not in NUMBERS:
        raise ValueError(f"{name} holds {table.dtype}, not numbers")
    return table


def read_numbers(file: h5py.File, name: str) -> np.ndarray:
    """Read a table of numbers as a whole.

    Raises:
        KeyError, ValueError: see ``numbers_of``; or it is larger than what the file has data for.
    """
    table = numbers_of(file, name)
    _require_data_for(table, name)
    return table[()]


def read_texts(file: h5py.File, name: str) -> list[str]:
    """Read a list of texts.

    Raises:
        KeyError, ValueError: see ``numbers_of``; or texts are named again and again, which takes memory each time.
    """
    table = _own_table(file, name)
    if h5py.check_string_dtype(table.dtype) is None or table.ndim != 1:
        raise ValueError(f"{name} is no list of texts")
    _require_data_for(table, name)
    allowed, texts = SMALL_BYTES + table.file.id.get_filesize(), []
    for row in range(len(table)):
        texts.append(_as_text(table[row]))
        allowed -= len(texts[-1])
        if allowed < 0:
            raise ValueError(f"{name} is larger than the file")
    return texts


def attributes(item: h5py.File | h5py.Dataset) -> dict[str, Any]:
    """Return the attributes that are numbers or texts, a few of them at most; others have no meaning here."""
    found = {}
    for number in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=number)
        if _is_plain(attribute):
            name = attribute.name.decode("utf-8", "replace")
            found[name] = _plain(item.attrs[attribute.name])
    return found


def _own_table(file: h5py.File, name: str) -> h5py.Dataset:
    if not is_in(file, name):
        raise KeyError(f"no {name} in it")
    if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name} is a link to elsewhere")
    table = file[name]
    if not isinstance(table, h5py.Dataset):
        raise ValueError(f"{name} is no table")
    made = table.id.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
        raise ValueError(f"{name} lies in other files")
    if table.shape is None:
        raise ValueError(f"{name} is empty")
    if table.chunks is not None:
        _require_honest_chunks(table, name, made)
    return table


def _stored_bytes(table: h5py.Dataset) -> int:
    return min(table.id.get_storage_size(), table.file.id.get_filesize())


def _require_data_for(table: h5py.Dataset, name: str) -> None:
    stored = _stored_bytes(table)
    unpacked = min(DEFLATE_UNPACKING * stored, max(SMALL_BYTES, MAX_UNPACKING * stored))
    if table.nbytes > FILLED_BYTES + unpacked:
        raise ValueError(f"{name} is {table.shape}, far more than the {stored} bytes that the file has of it")
    if table.chunks is not None:
        n_chunks = math.prod(-(-side // step) for side, step in zip(table.shape, table.chunks, strict=True))
        if n_chunks > FEW_CHUNKS and 2 * table.id.get_num_chunks() < n_chunks:
            raise ValueError(f"{name} is {table.shape}, but most of its chunks are missing")


def _require_honest_chunks(table: h5py.Dataset, name: str, made: h5py.h5p.PropDCID) -> None:
    """Refuse chunks that take more memory than the table, or unpack to more than they should."""
    chunk_bytes = math.prod(table.chunks) * table.dtype.itemsize
    if chunk_bytes > max(SMALL_BYTES, MAX_UNPACKING * _stored_bytes(table)):
        raise ValueError(f"{name} has chunks of {chunk_bytes} bytes, far more than it has data")
    filters = [made.get_filter(number) for number in range(made.get_nfilters())]
    codes = [code for code, *_ in filters]
    if len(set(codes)) < len(codes) or not set(codes) <= set(FILTERS):
        raise ValueError(f"{name} is packed in a way that is not read here; pack it with gzip")
    lzf_bytes = [values[2] for code, _, values, _ in filters if code == h5py.h5z.FILTER_LZF and len(values) > 2]
    if any(n_bytes > chunk_bytes for n_bytes in lzf_bytes):
        raise ValueError(f"{name} unpacks to more than it says")
    if h5py.h5z.FILTER_DEFLATE in codes:
        _require_honest_deflate(table, name, chunk_bytes, 1 << codes.index(h5py.h5z.FILTER_DEFLATE))


def _require_honest_deflate(table: h5py.Dataset, name: str, chunk_bytes: int, skipped: int) -> None:
    """Unpack large chunks up to the size that they should have: HDF5 itself unpacks until there is no more."""
    chunks: list[Any] = []
    table.id.chunk_iter(chunks.append)  # what a callback returns would end it
    for chunk in chunks:
        if chunk.size <= SMALL_CHUNK_BYTES or chunk.filter_mask & skipped:
            continue
        _, packed = table.id.read_direct_chunk(chunk.chunk_offset)
        try:
            unpacked = zlib.decompressobj().decompress(packed, chunk_bytes + 1)
        except zlib.error as error:
            raise ValueError(f"{name} is damaged: {error}") from error
        if len(unpacked) > chunk_bytes:
            raise ValueError(f"{name} unpacks to more than it says")


def _is_plain(attribute: h5py.h5a.AttrID) -> bool:
    kind, space = attribute.get_type(), attribute.get_space()
    n_values = space.get_simple_extent_npoints()
    if space.get_simple_extent_type() == h5py.h5s.NULL or n_values > MAX_ATTRIBUTE_VALUES:
        return False
    numeric = kind.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM)
    text = kind.get_class() == h5py.h5t.STRING and n_values == 1
    return (numeric or text) and kind.get_size() * n_values <= MAX_ATTRIBUTE_BYTES


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "OS" and value.size == 1:
        value = value.item()
    return _as_text(value) if isinstance(value, str | bytes) else value


def _as_text(value: str | bytes) -> str:
    """Return a text as UTF-8 without zeros, so that it can be written again."""
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return raw.decode("utf-8", "replace").replace("\0", "")
