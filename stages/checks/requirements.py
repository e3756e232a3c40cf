"""Python and the packages, against what pyproject.toml asks for."""

import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from stages.checks.finding import Finding
from utils.lookup import PROJECT_ROOT
from utils.versions import LIBRARIES, installed_version, versions

PROJECT = "clam-pipeline"
FOR_DEVELOPERS = ("dev",)


def look() -> Iterator[Finding]:
    """Yield what is said of Python, of what every program needs, and of each extra."""
    ours = versions()
    commit = f", commit {ours['commit'][:12]}" if "commit" in ours else ""
    yield Finding("programs", "ok", f"{PROJECT} {ours[PROJECT]}{commit} in {PROJECT_ROOT}")
    asked = _asked()
    if asked is None:
        yield Finding("requirements", "warn", "neither pyproject.toml nor an installation says them", _install())
        return
    yield of_python(asked["requires-python"])
    yield from of_packages(asked["dependencies"])
    for extra, requirements in asked["optional-dependencies"].items():
        if extra not in FOR_DEVELOPERS:
            yield of_extra(extra, requirements)


def of_python(bounds: str) -> Finding:
    """Say whether this Python is one that the project runs on."""
    version = platform.python_version()
    if SpecifierSet(bounds).contains(version, prereleases=True):
        return Finding("Python", "ok", f"{version}, {sys.executable}")
    return Finding("Python", "fail", f"{version}, and {bounds} is needed", "make PYTHON=python3.12 venv")


def of_packages(requirements: Iterable[str]) -> Iterator[Finding]:
    """Yield a line for all packages that are as they should be, and one for each other."""
    asked = _that_apply(requirements)
    wrong = {one.name: text for one in asked if (text := _what_is_wrong(one))}
    good = [one.name for one in asked if one.name not in wrong]
    shown = ", ".join(f"{name} {installed_version(name)}" for name in LIBRARIES if name in good)
    yield Finding("packages", "ok", f"{len(good)} of {len(asked)} as needed: {shown}")
    for name, text in wrong.items():
        yield Finding("packages", "fail", f"{name}: {text}", _install())


def of_extra(extra: str, requirements: Iterable[str]) -> Finding:
    """Say whether an extra is installed. Missing, it is no fault; in part, or in another version, it is one."""
    asked = _that_apply(requirements)
    there = [one for one in asked if installed_version(one.name)]
    wrong = [f"{one.name} {text}" for one in asked if (text := _what_is_wrong(one))]
    if not wrong:
        return Finding(f"extra {extra}", "ok", ", ".join(f"{one.name} {installed_version(one.name)}" for one in asked))
    if not there:
        return Finding(f"extra {extra}", "ok", "not installed", f"where you need it: {_install(extra)}")
    return Finding(f"extra {extra}", "warn", ", ".join(wrong), _install(extra))


def _what_is_wrong(one: Requirement) -> str:
    version = installed_version(one.name)
    if version is None:
        return "is not installed"
    return "" if one.specifier.contains(version, prereleases=True) else f"{version}, and {one.specifier} is needed"


def _that_apply(requirements: Iterable[str]) -> list[Requirement]:
    parsed = map(Requirement, requirements)
    return [one for one in parsed if one.marker is None or one.marker.evaluate()]


def _install(extra: str = "") -> str:
    return f"pip install '{PROJECT_ROOT}{f'[{extra}]' if extra else ''}'"


def _asked() -> dict[str, Any] | None:
    """Return what pyproject.toml says; before Python 3.11, which cannot read it, what the installation says."""
    file = PROJECT_ROOT / "pyproject.toml"
    if sys.version_info >= (3, 11) and file.is_file():
        import tomllib

        return tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    try:
        installed = metadata.metadata(PROJECT)
    except metadata.PackageNotFoundError:
        return None
    stated = list(map(Requirement, installed.get_all("Requires-Dist") or ()))
    extras = installed.get_all("Provides-Extra") or ()
    return {
        "requires-python": installed["Requires-Python"] or "",
        "dependencies": [_plain(one) for one in stated if one.marker is None],
        "optional-dependencies": {
            extra: [_plain(one) for one in stated if one.marker and one.marker.evaluate({"extra": extra})]
            for extra in extras
        },
    }


def _plain(one: Requirement) -> str:
    return f"{one.name}{one.specifier}"
