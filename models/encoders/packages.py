"""Packages that only some encoders need."""

import importlib
from types import ModuleType

from models.encoders.spec import EncoderSpec
from utils.errors import UsageError


def import_for(spec: EncoderSpec, module: str) -> ModuleType:
    """Import a module that an encoder needs.

    Raises:
        UsageError: it is not installed; says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        lacking = (error.name or package).split(".")[0]
        if lacking != package:
            raise UsageError(f"{spec.name}: its package {package} needs {lacking}: pip install {lacking}") from error
        raise UsageError(f"{spec.name} needs the package {package}: pip install {spec.needs}") from error
