"""Where a name on the command line leads: a path as it is, a bare name also into the folders of its kind."""

import difflib
import os
from pathlib import Path

from utils.errors import UsageError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def find_input(name: str | Path, *, beside: str, kind: str) -> Path:
    """Find an input file or folder.

    Args:
        name: a path from the current folder, or a name in ``beside``.
        beside: folder below the current folder, and then below the programs' own, such as ``presets``.
        kind: what it is, for the message ("preset").

    Raises:
        UsageError: nothing is there; names what is.
    """
    shipped = PROJECT_ROOT / beside
    # the last: configurations of the original name presets as presets/NAME.csv
    for path in (Path(name), Path(beside) / name, shipped / name, PROJECT_ROOT / name):
        if path.exists():
            return path
    known = sorted(p.name for p in shipped.glob("*") if not p.name.startswith("."))
    raise UsageError(f"no {kind} {str(name)!r} here or in {shipped}; known: {', '.join(known) or 'none'}")


def require_folder(path: str | Path, *, flag: str) -> Path:
    """Return ``path`` as a folder that exists, or raise a UsageError that names the flag."""
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"{flag}: {f'{path} is a file, no folder' if folder.exists() else f'no folder {str(path)!r}'}")
    return folder


def require_writable(path: str | Path, *, flag: str) -> Path:
    """Return ``path`` as a folder that is there or can be made, or raise a UsageError that names the flag."""
    folder = Path(path)
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise UsageError(f"{flag} {folder}: {existing} is no folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"{flag} {folder}: no permission to write in {existing}")
    return folder


def require_choice(name: str, known: list[str], *, kind: str) -> str:
    """Return ``name`` if it is one of ``known``, or raise a UsageError listing them."""
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"unknown {kind} {name!r}{hint}; known: {', '.join(known)}")
