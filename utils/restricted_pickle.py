"""Pickles of strangers: read when they hold numbers, text and containers alone. The only place that unpickles.

A pickle is a program; it may call whatever it can import. This one may import nothing but what numpy needs to rebuild
an array of numbers, so it can do no harm: https://docs.python.org/3/library/pickle.html#restricting-globals
"""

import codecs
import pickle
from pathlib import Path

import numpy as np

from utils.errors import ItemError, one_line

# numpy has moved these; the names of all its versions lead to the same functions of the one that is installed.
_NUMPY_MODULES = (
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
)


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if module in _NUMPY_MODULES and name in _ALLOWED_OF_NUMPY:
            return _ALLOWED_OF_NUMPY[name]
        if (module, name) == ("_codecs", "encode"):  # how old protocols write bytes
            return codecs.encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no data")


def _numeric_dtype(*arguments: object) -> np.dtype:
    """Make a dtype, but none of Python objects."""
    dtype = np.dtype(*arguments)  # type: ignore[call-overload]
    if dtype.hasobject:
        raise pickle.UnpicklingError("it holds an array of Python objects, which is no data")
    return dtype


def _frombuffer(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def _scalar(dtype: np.dtype, data: bytes) -> np.generic:
    return np.frombuffer(data, dtype)[0]


def _reconstruct(subtype: type, shape: tuple[int, ...], dtype: object) -> np.ndarray:
    """Make the empty array that the pickle then fills."""
    return np.ndarray.__new__(np.ndarray, (0,), np.int8)


_ALLOWED_OF_NUMPY: dict[str, object] = {
    "ndarray": np.ndarray,
    "dtype": _numeric_dtype,
    "_reconstruct": _reconstruct,
    "scalar": _scalar,
    "_frombuffer": _frombuffer,
}


def load_data(path: Path) -> object:
    """Read a pickle of containers, texts, numbers and numpy arrays of numbers.

    Raises:
        ItemError: it is missing, damaged, or asks for anything else; names that.
    """
    try:
        with path.open("rb") as file:
            return _ArraysOnly(file).load()
    except (pickle.UnpicklingError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else one_line(error)
        raise ItemError(f"{path.name} is no pickle that can be read: {reason}") from error
