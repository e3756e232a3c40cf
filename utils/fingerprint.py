"""Short texts that change when an input changes, so that a cached result is used only for what it was made from."""

import hashlib
import json
from pathlib import Path

import numpy as np


def fingerprint(**parts: object) -> str:
    """Return a SHA-256 over named values that JSON can hold; paths and others count by their text."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def array_sha256(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's shape, type and bytes."""
    contiguous = np.ascontiguousarray(array)
    header = f"{contiguous.shape} {contiguous.dtype.str} ".encode()
    return hashlib.sha256(header + contiguous.tobytes()).hexdigest()


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
