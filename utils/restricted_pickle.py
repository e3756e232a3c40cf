"""Pickles of strangers: read when they hold numbers, text and containers alone. The only place that unpickles.

A pickle is a program: it calls what it names, and sets the state of what it made. Here it finds functions of our own
in the place of those it names, which check every argument, and no class and nothing else. Those that stand here are in
the place of numpy's, and make arrays of numbers: https://docs.python.org/3/library/pickle.html#restricting-globals
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from utils.errors import ItemError, one_line

NUMBERS = re.compile(r"[biufc]\d{1,2}")  # codes of bool, whole, real and complex numbers, without a byte order
BYTE_ORDERS = ("<", ">", "=", "|")
MAX_DEPTH = 100  # of what holds what; contours of the original have 4
MEMO_OPCODES = ("PUT", "BINPUT", "LONG_BINPUT")
# What numpy's and Python's own loading raises at damaged files.
_FAILURES = (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError)


def load_data(path: Path) -> Any:
    """Read a pickle of containers, texts, numbers and numpy arrays of numbers.

    Raises:
        ItemError: it is missing, damaged, or asks for anything else; names that.
    """
    try:
        data = path.read_bytes()
        return unpickle(io.BytesIO(data), _FUNCTIONS, Allowance(2 * len(data)))
    except pickle.UnpicklingError as error:
        raise ItemError(f"{path.name} is no pickle that can be read: {' '.join(str(error).split())}") from error
    except _FAILURES as error:
        raise ItemError(f"{path.name} is no pickle that can be read: {one_line(error)}") from error


def unpickle(
    file: BinaryIO,
    functions: Mapping[tuple[str, str], Callable],
    allowance: "Allowance",
    persistent_load: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle from where a file stands, and leave the file behind it.

    Args:
        file: the file.
        functions: what takes the place of a module's function or class; each is given the allowance first.
        allowance: what all that they make may take.
        persistent_load: what stands for things outside of the pickle, by what the pickle calls them.

    Raises:
        pickle.UnpicklingError, and whatever Python and the functions raise at what is damaged.
    """
    start = file.tell()
    _require_harmless(file)
    n_bytes = file.tell() - start
    file.seek(start)
    loader = _Restricted(io.BytesIO(file.read(n_bytes)))
    loader.functions, loader.allowance = functions, allowance
    if persistent_load is not None:
        loader.persistent_load = persistent_load  # type: ignore[method-assign]
    return loader.load()


def _require_harmless(file: BinaryIO) -> None:
    """Refuse what would end the process before anything can be checked.

    A number in the memo that is larger than the file: Python would make room for all numbers below it. Deep nesting: to
    look up a key Python follows it to its end, in C, until the stack is full.
    """
    start = file.tell()
    file.seek(0, io.SEEK_END)
    n_bytes = file.tell() - start
    file.seek(start)
    memo: dict[int, int] = {}
    stack: list[int] = []  # of each value, how deep it is nested
    marks: list[int] = []
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in MEMO_OPCODES and int(argument or 0) > n_bytes:
            raise pickle.UnpicklingError(f"it asks for a memo of {argument} values")
        if opcode.name == "MARK":
            marks.append(len(stack))
        elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo.get(int(argument or 0), 0))
        elif opcode.name == "MEMOIZE" or opcode.name in MEMO_OPCODES:
            memo[len(memo) if opcode.name == "MEMOIZE" else int(argument or 0)] = stack[-1] if stack else 0
        else:
            _nest(opcode, stack, marks)


def _nest(opcode: pickletools.OpcodeInfo, stack: list[int], marks: list[int]) -> None:
    """Do to the depths of values what an opcode does to the values."""
    taken = [kind for kind in opcode.stack_before if kind not in (pickletools.markobject, pickletools.stackslice)]
    start = len(stack)
    if pickletools.markobject in opcode.stack_before and marks:
        start = marks.pop()
    start = max(0, start - len(taken))
    values = stack[start:]
    grows = bool(values) and bool(taken) and opcode.stack_after == [taken[0]]  # a list or dict gets more, and stays
    depth = max(values[0], 1 + max(values[1:], default=0)) if grows else 1 + max(values, default=0)
    if depth > MAX_DEPTH:
        raise pickle.UnpicklingError(f"it is nested more than {MAX_DEPTH} deep")
    stack[start:] = [depth] * len(opcode.stack_after)


class _Restricted(pickle.Unpickler):
    functions: Mapping[tuple[str, str], Callable]
    allowance: "Allowance"

    def find_class(self, module: str, name: str) -> object:
        # numpy.core became numpy._core; the names of all versions lead to the same functions here
        function = self.functions.get((module.replace("numpy._core", "numpy.core"), name))
        if function is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no data")
        # a new function each time: a pickle may set attributes of what it finds, and others read through these
        return lambda *arguments: function(self.allowance, *arguments)


class Allowance:
    """Bytes that what a file holds may take: a file that says the same again and again gets no more."""

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes

    def spend(self, n_bytes: int) -> None:
        """Take bytes of it, or raise an UnpicklingError."""
        self._left -= n_bytes
        if self._left < 0:
            raise pickle.UnpicklingError("what it holds is larger than the file")


class _Dtype:
    """A dtype that is being unpickled: numpy's own would take any flags and fields from the file."""

    def __init__(self, code: str) -> None:
        self.numpy = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in BYTE_ORDERS:
            raise pickle.UnpicklingError(f"{state[1]!r} is no order of bytes")
        self.numpy = self.numpy.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array that is being unpickled: empty, then filled; numpy refuses bytes that are too few or too many."""

    allowance: Allowance

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, is_fortran, data = state
        checked = _checked(dtype, data)
        self.allowance.spend(len(data))
        super().__setstate__((1, shape, checked, is_fortran, data))


def _checked(dtype: object, data: object) -> np.dtype:
    """Return the dtype, if it is one of ours and the data are bytes."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise pickle.UnpicklingError("it holds an array of something else than numbers")
    return dtype.numpy


# What takes the place of numpy's and Python's own functions; each is given the allowance of its file first.


def _ndarray(_allowance: Allowance) -> None:
    """Stand for the class, which is named in the file but not called."""
    raise pickle.UnpicklingError("it makes an array without data")


def _dtype(_allowance: Allowance, code: str, *_align_and_copy: object) -> _Dtype:
    if not NUMBERS.fullmatch(code):
        raise pickle.UnpicklingError(f"it holds an array of {code}, which are no numbers")
    return _Dtype(code)


def _reconstruct(allowance: Allowance, _subtype: object, _shape: object, _code: object) -> np.ndarray:
    array = _Array(0, np.int8)
    array.allowance = allowance
    return array


def _scalar(_allowance: Allowance, dtype: object, data: bytes) -> np.generic:
    return np.frombuffer(data, _checked(dtype, data))[0]


def _frombuffer(
    _allowance: Allowance,
    data: bytes,
    dtype: object,
    shape: tuple[int, ...],
    order: str,
    axis_order: tuple[int, ...] | None = None,
) -> np.ndarray:
    array = np.frombuffer(data, _checked(dtype, data))  # no copy: a small file could ask for many
    if order == "K" and axis_order is not None:
        return array.reshape(shape).transpose(axis_order)
    return array.reshape(shape, order=order)  # type: ignore[call-overload]


def _encode(allowance: Allowance, text: str, encoding: str) -> bytes:
    allowance.spend(len(text))
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes as {encoding!r}")
    return text.encode(encoding)


def _no_bytes(_allowance: Allowance) -> bytes:
    return b""


_FUNCTIONS: dict[tuple[str, str], Callable] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    # how protocols before 3 write bytes, and none of them
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}
