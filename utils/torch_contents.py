"""What a torch file says it holds, held against what it has, before torch makes anything of it.

``torch.load(weights_only=True)`` runs no code of a file, yet does as it is told with sizes: it makes tensors larger
than their data, bytearrays of any length, and unpacks archives. Here the same pickles are read with stand-ins in the
place of torch's functions, which make nothing and check every size. What passes is tensors and plain containers.
"""

import io
import mmap
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from utils.restricted_pickle import Allowance, unpickle

ZIP_BEGINNING = b"PK\3\4"
PICKLE_BEGINNING = b"\x80"
OLD_BEGINNING = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # torch's number, pickled
MAX_FOREIGN_BYTES = 2**20  # of a pickle of something else
N_OLD_HEADERS = 2  # version and machine, between that number and what was saved
ENTRY_BYTES = 32  # of a container, at least
SHARING = 4  # how often the numbers of a file may be part of tensors: layers share weights
ITEM_BYTES = {
    "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1, "ShortStorage": 2, "HalfStorage": 2, "BFloat16Storage": 2,
    "IntStorage": 4, "FloatStorage": 4, "LongStorage": 8, "DoubleStorage": 8, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16, "UntypedStorage": 1,
}  # fmt: skip


def require_what_it_says(path: Path) -> None:
    """Refuse a file that says it holds more than it does, or anything but tensors and plain containers.

    Raises:
        pickle.UnpicklingError, zipfile.BadZipFile: it does; and whatever Python raises at what is damaged.
    """
    with path.open("rb") as file:
        beginning = file.read(len(OLD_BEGINNING))
        file.seek(0)
        if beginning.startswith(ZIP_BEGINNING):
            _check_zip(file, path.stat().st_size)
        elif beginning == OLD_BEGINNING:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:  # which reads no more than there is
                _check_old(mapped, path.stat().st_size)  # type: ignore[arg-type]
        else:
            if beginning.startswith(PICKLE_BEGINNING):  # which says what it asks for
                unpickle(io.BytesIO(file.read(MAX_FOREIGN_BYTES)), {}, Allowance(0))
            raise pickle.UnpicklingError("it is no file that torch.save writes")


def _check_zip(file: BinaryIO, n_bytes: int) -> None:
    with zipfile.ZipFile(file) as archive:
        records = {entry.filename: entry for entry in archive.infolist()}
        _require_plain_archive(archive.infolist(), n_bytes)
        folder = archive.infolist()[0].filename.partition("/")[0]
        contents = _Contents(Allowance(SHARING * n_bytes))

        def data_of(key: str, n_storage_bytes: int) -> None:
            if records[f"{folder}/data/{key}"].file_size < n_storage_bytes:
                raise pickle.UnpicklingError(f"storage {key} has fewer than its {n_storage_bytes} bytes")

        with archive.open(f"{folder}/data.pkl") as pickled:
            contents.read(io.BytesIO(pickled.read()), data_of)


def _require_plain_archive(entries: list[zipfile.ZipInfo], n_bytes: int) -> None:
    """Refuse records that are packed, overlap or are ambiguous; torch stores them one after the other, unpacked."""
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise zipfile.BadZipFile("its records are packed, and torch.save packs none")
    if sum(entry.file_size for entry in entries) > n_bytes:
        raise zipfile.BadZipFile("its records are larger than the file")
    if len({entry.filename for entry in entries}) < len(entries) or min(entry.header_offset for entry in entries) != 0:
        raise zipfile.BadZipFile("it has several records of one name, or begins with something else")


def _check_old(file: BinaryIO, n_bytes: int) -> None:
    file.seek(len(OLD_BEGINNING))
    contents = _Contents(Allowance(SHARING * n_bytes))
    for _ in range(N_OLD_HEADERS):
        unpickle(file, {}, contents.allowance)
    sizes: dict[str, int] = {}

    def data_of(key: str, n_storage_bytes: int) -> None:
        if sizes.setdefault(key, n_storage_bytes) < n_storage_bytes:
            raise pickle.UnpicklingError(f"storage {key} has fewer than its {n_storage_bytes} bytes")

    contents.read(file, data_of)
    unpickle(file, {}, contents.allowance)  # the order of the storages
    if sum(sizes.values()) > n_bytes - file.tell():
        raise pickle.UnpicklingError("its tensors are larger than the file")


@dataclass(frozen=True)
class _Storage:
    n_items: int
    item_bytes: int


class _Tensor:
    """Stands for a tensor."""

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it puts other numbers into a tensor")  # of any size


class _Named(dict):
    """Stands for an OrderedDict, which has attributes besides its items."""

    allowance: Allowance

    def __setstate__(self, state: dict) -> None:
        self.allowance.spend(ENTRY_BYTES * len(state))  # torch copies them


@dataclass
class _Contents:
    """Reads what was saved, with stand-ins.

    Attributes:
        allowance: bytes that tensors, and copies of containers, may take together.
    """

    allowance: Allowance

    def read(self, file: BinaryIO, data_of: Callable[[str, int], None]) -> Any:
        """Read a pickle; ``data_of`` is asked whether a storage, by its key, has so many bytes."""

        def storage_of(what: tuple) -> _Storage:
            kind, item_bytes, key, location, n_items, *_view = what
            if kind != "storage" or not isinstance(location, str) or any(view is not None for view in _view):
                raise pickle.UnpicklingError("it holds something else than storages of numbers")
            storage = _Storage(_count(n_items), item_bytes().item_bytes)
            data_of(str(key), storage.n_items * storage.item_bytes)
            return storage

        return unpickle(file, _FUNCTIONS, self.allowance, storage_of)


def _count(number: object) -> int:
    if type(number) is not int or not 0 <= number < 2**62:
        raise pickle.UnpicklingError(f"{number!r:.40} is no number of things")
    return number


def _tensor(
    allowance: Allowance, storage: _Storage, offset: int, size: tuple, stride: tuple, *_more: object
) -> _Tensor:
    """Check that a tensor lies within its storage, and is no larger."""
    sizes, strides = [_count(side) for side in size], [_count(step) for step in stride]
    last, n_items = _count(offset), 1
    for side, step in zip(sizes, strides, strict=True):
        last, n_items = last + max(0, side - 1) * step, n_items * side
    if n_items > storage.n_items or (n_items and last >= storage.n_items):
        raise pickle.UnpicklingError(f"a tensor of {tuple(sizes)} is larger than its data")
    allowance.spend(n_items * storage.item_bytes)
    return _Tensor()


def _parameter(_allowance: Allowance, data: _Tensor, *_more: object) -> _Tensor:
    if not isinstance(data, _Tensor):
        raise pickle.UnpicklingError("it holds a parameter that is no tensor")
    return data


def _with_state(_allowance: Allowance, function: Callable, _kind: object, arguments: tuple, _state: object) -> _Tensor:
    return function(*arguments)


def _sparse(_allowance: Allowance, _layout: object, data: tuple) -> _Tensor:
    if not all(isinstance(part, _Tensor | tuple | bool) for part in data):
        raise pickle.UnpicklingError("it holds a sparse tensor without tensors")
    return _Tensor()


def _ordered(allowance: Allowance, pairs: object = ()) -> _Named:
    named = _Named()
    named.allowance = allowance
    if pairs:
        allowance.spend(ENTRY_BYTES * len(pairs))  # type: ignore[arg-type]
        named.update(pairs)  # type: ignore[call-overload]
    return named


def _copied(allowance: Allowance, values: Any = ()) -> tuple:
    allowance.spend(ENTRY_BYTES * len(values))
    return tuple(values)


def _constant(_allowance: Allowance, *_arguments: object) -> str:
    return "constant"


def _class(_allowance: Allowance, *_arguments: object) -> None:
    """Stand for a class that is named but not called."""
    raise pickle.UnpicklingError("it makes a tensor without data")


def _storage_kind(item_bytes: int) -> Callable[[Allowance], _Storage]:
    return lambda _allowance: _Storage(0, item_bytes)


_FUNCTIONS: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): _ordered,
    ("torch", "Size"): _copied,
    ("__builtin__", "set"): _copied,
    ("builtins", "set"): _copied,
    ("torch", "device"): _constant,
    ("torch.serialization", "_get_layout"): _constant,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_sparse_tensor"): _sparse,
    ("torch._tensor", "_rebuild_from_type_v2"): _with_state,
    ("torch.nn.parameter", "Parameter"): _class,
    ("torch", "Tensor"): _class,
    **{("torch", name): _constant for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)},
    **{("torch", name): _storage_kind(n_bytes) for name, n_bytes in ITEM_BYTES.items()},
    ("torch.storage", "UntypedStorage"): _storage_kind(1),
}
