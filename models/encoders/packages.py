"""Packages that only some encoders need."""

import importlib
from types import ModuleType

from models.encoders.spec import EncoderSpec
from utils.errors import UsageError, one_line


def import_for(spec: EncoderSpec, module: str) -> ModuleType:
    """Import a module that an encoder needs.

    Raises:
        UsageError: it is not installed, or cannot be used; says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package, lacking = module.split(".")[0], error.name or ""
        if not isinstance(error, ModuleNotFoundError) or (lacking.startswith(f"{package}.") and lacking != module):
            what = f"its package {package} is another version than it takes, pip install {spec.needs}"
            raise UsageError(f"{spec.name}: {what}: {one_line(error)}") from error
        lacking = lacking.split(".")[0]
        if lacking in ("", package):
            raise UsageError(f"{spec.name} needs the package {package}: pip install {spec.needs}") from error
        raise UsageError(f"{spec.name}: its package {package} needs {lacking}: pip install {lacking}") from error
