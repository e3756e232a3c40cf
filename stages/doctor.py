"""Is this machine fit for the programs? What ``doctor.py`` does.

Each check runs in a process of its own and has a time limit, so that a file system that hangs, a library that crashes
or an address that never answers costs one line. This module imports nothing that may be missing.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from models.encoders.registry import find_encoder
from stages.checks.finding import Finding, findings_in
from stages.checks.probe import probe_in
from utils.errors import EXIT_DONE, EXIT_SOME_FAILED
from utils.lookup import PROJECT_ROOT
from utils.ray_address import require_address

WIDTH = 18  # of the name of a check
SECONDS_TO_END = 2
REMOVE = "import shutil, sys; shutil.rmtree(sys.argv[1], ignore_errors=True)"
# with the project first among the places that modules come from, instead of the current folder
CODE = f"import sys; sys.path[0] = {str(PROJECT_ROOT)!r}; from stages.checks.by_name import run_here; run_here()"


@dataclass(frozen=True)
class DoctorRequest:
    """What to look at.

    Attributes:
        folders: where results are to go.
        encoders: those whose weights are needed; empty: all that are known, in one line.
        ray_address: of a cluster; None: one that runs on this machine, if any.
        timeout_s: for each check.
    """

    folders: Sequence[str] = (".",)
    encoders: Sequence[str] = ()
    ray_address: str | None = None
    timeout_s: float = 60


@dataclass
class _Check:
    """A check that is under way; what it leaves in ``probe`` when it is killed has to be removed."""

    name: str
    process: subprocess.Popen[bytes]
    out: IO[bytes]
    err: IO[bytes]
    probe: Path | None = None
    began_s: float = field(default_factory=time.monotonic)


def examine(request: DoctorRequest) -> int:
    """Print a line for each thing that was looked at, and return the exit code: 1 where something will not work.

    Raises:
        UsageError: an encoder is not known, or an address of Ray is none.
    """
    for name in request.encoders:
        find_encoder(name)
    if request.ray_address is not None:
        require_address(request.ray_address)
    counts: Counter[str] = Counter()
    for heading, findings in _sections(request):
        if heading:
            print(heading)
        for finding in findings:
            counts[finding.level] += 1
            print(_line(finding), flush=True)
    print(", ".join(f"{counts[level]} {level}" for level in ("ok", "warn", "fail")))
    return EXIT_SOME_FAILED if counts["fail"] else EXIT_DONE


def _line(finding: Finding) -> str:
    advice = f" -> {finding.advice}" if finding.advice else ""
    return f"{finding.level:<4}  {finding.check:<{WIDTH}}  {finding.found}{advice}"


def _sections(request: DoctorRequest) -> Iterator[tuple[str, Iterator[Finding]]]:
    """Start all checks at once; yield a heading and the findings of each, in their order."""
    offline = os.environ.get("HF_HUB_OFFLINE", "")
    weights = {"encoders": list(request.encoders), "offline": offline}
    started = [
        ("", start("requirements")),
        ("", start("machine")),
        ("", start("torch")),
        ("", start("slides")),
        ("", start("weights", weights, environment={"HF_HUB_OFFLINE": "1"})),
        ("", start("ray", {"address": request.ray_address})),
        *((f"folder {folder}", start("folder", {"folder": folder})) for folder in request.folders),
    ]
    try:
        for heading, check in started:
            yield heading, findings_of(check, request.timeout_s)
    finally:
        for _, check in started:
            _end(check)


def start(
    name: str, arguments: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> _Check:
    """Start a check in a process of its own."""
    arguments = arguments or {}
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  open until the check is read
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, name, json.dumps(arguments)],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env={**os.environ, **(environment or {})},
        start_new_session=True,  # so that it ends with those that it has started
    )
    probe = probe_in(arguments["folder"], process.pid) if "folder" in arguments else None
    return _Check(name, process, out, err, probe)


def findings_of(check: _Check, timeout_s: float) -> Iterator[Finding]:
    """Yield what a check has found until its end or its time limit, and what became of it where it did not end well."""
    with suppress(subprocess.TimeoutExpired):
        check.process.wait(max(0.0, check.began_s + timeout_s - time.monotonic()))
    exit_code = check.process.poll()
    _end(check)
    found = list(findings_in(_text(check.out)))
    yield from found
    after = f" after {found[-1].check!r}" if found else ""
    if exit_code is None:
        yield Finding(check.name, "fail", f"no answer within {timeout_s:g} s{after}",
                      "a file system or network that hangs? --timeout gives it longer")  # fmt: skip
    elif exit_code:
        yield Finding(check.name, "fail", f"ended{after} with {_reason(check, exit_code)}",
                      f"pip install '{PROJECT_ROOT}' puts the packages in order")  # fmt: skip


def _reason(check: _Check, exit_code: int) -> str:
    """Return the last that a process had to say, or by which signal it ended."""
    lines = _text(check.err).strip().splitlines()
    if exit_code < 0:
        return signal.Signals(-exit_code).name
    return lines[-1] if lines else f"exit code {exit_code}"


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _end(check: _Check) -> None:
    """Kill a process with those that it has started; do not wait for one that no signal reaches."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(check.process.pid, signal.SIGKILL)
    elif check.process.poll() is None:
        check.process.kill()
    with suppress(subprocess.TimeoutExpired):
        check.process.wait(SECONDS_TO_END)
    if check.process.returncode != 0 and check.probe is not None:
        _remove(check.probe)
        check.probe = None


def _remove(folder: Path) -> None:
    """Remove a folder, in a process that nobody has to wait for: its file system may be the one that hangs."""
    removing = subprocess.Popen([sys.executable, "-I", "-c", REMOVE, str(folder)], start_new_session=True)
    with suppress(subprocess.TimeoutExpired):
        removing.wait(SECONDS_TO_END)
