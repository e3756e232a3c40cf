"""Every check by its name, and how one is run in the process that was started for it."""

import json
import sys
from collections.abc import Callable, Iterable
from importlib import import_module

from stages.checks.finding import Finding

CHECKS = {
    "requirements": "stages.checks.requirements",
    "machine": "stages.checks.machine",
    "torch": "stages.checks.torch_devices",
    "slides": "stages.checks.slides",
    "weights": "stages.checks.weights",
    "ray": "stages.checks.ray_cluster",
    "folder": "stages.checks.folder",
}


def run_here() -> None:
    """Print the findings of the check that the command line names, with its arguments as JSON."""
    name, arguments = sys.argv[1:]
    look: Callable[..., Iterable[Finding]] = import_module(CHECKS[name]).look
    for finding in look(**json.loads(arguments)):
        print(finding.as_line(), flush=True)
