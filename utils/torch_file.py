"""Torch files: those of strangers are read as tensors only, never as code; our own appear whole.

The same values give the same bytes.
"""

import io
import pickle
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from utils.atomic import atomic_path
from utils.errors import PipelineError, one_line
from utils.torch_contents import ZIP_BEGINNING, require_what_it_says

# What torch's restricted reader raises at files that are none of its own, hold objects, or end too early.
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    struct.error,
)
MAX_REASON_LENGTH = 200
_ADVICE = "UnpicklingError: Weights only load failed. "


class DamagedFileError(PipelineError):
    """A file cannot be read as tensors; the text says why, without naming the file."""


def read_torch_file(path: Path, *, on_disk: bool = False) -> Any:
    """Load what ``torch.save`` wrote, on the CPU.

    Args:
        path: the file.
        on_disk: map the file, which reads no number, where its format allows.

    Raises:
        DamagedFileError: the file is missing, damaged, or holds more than tensors and plain containers.
    """
    try:
        require_what_it_says(path)
        mapped = on_disk and _begins_with(path, ZIP_BEGINNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickle protocols, before it refuses them
            if path.suffix == ".safetensors":  # by whose name torch would go
                with path.open("rb") as file:
                    return torch.load(file, map_location="cpu", weights_only=True)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except FileNotFoundError as error:
        raise DamagedFileError("no such file") from error
    except _UNREADABLE as error:
        raise DamagedFileError(_reason(error)) from error


def write_torch_file(path: Path, value: Any) -> None:
    """Write tensors and plain containers, atomically."""
    with atomic_path(path) as part:
        part.write_bytes(torch_bytes(value))


def torch_bytes(value: Any) -> memoryview:
    """Return what ``torch.save`` makes of tensors and plain containers."""
    whole = io.BytesIO()  # a file would tell its own name, and of a full disk torch says that a position is unexpected
    torch.save(value, whole)
    return whole.getbuffer()


def _begins_with(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning


def _reason(error: Exception) -> str:
    """Return what is wrong, without torch's advice on how to run what a file one trusts brings along."""
    text = one_line(error)
    found = re.search(
        r"(?:WeightsUnpickler error: |(?=Trying to load unsupported ))(.*?)(?: Please use| Check the|$)", text
    )
    return (found[1] if found else text.removeprefix(_ADVICE))[:MAX_REASON_LENGTH]
