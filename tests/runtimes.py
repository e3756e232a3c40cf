"""Skip tests of what this machine has not: a library that runs networks, or a number format that it computes in."""

import importlib.util

import pytest

from models.encoders.runtimes import choice


def require_runtime(runtime: str, dtype: str = "fp32") -> str:
    """Return the library's name, or skip the test with the reason."""
    missing = [package for package in choice.PACKAGES.get(runtime, ()) if not importlib.util.find_spec(package)]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    if runtime == "openvino":
        from models.encoders.runtimes.openvino_runtime import native_dtypes

        if dtype not in native_dtypes():
            pytest.skip(f"this processor does not compute in {dtype}")
    return runtime
