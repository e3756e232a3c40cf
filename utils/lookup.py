"""Where a name on the command line leads: a path as it is, a bare name also beside the programs."""

import difflib
from pathlib import Path

from utils.errors import UsageError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def find_input(name: str | Path, *, beside: str, kind: str) -> Path:
    """Find an input file or folder.

    Args:
        name: a path, or a bare name, which is looked up in the current folder and then in ``beside``.
        beside: folder below the programs' own folder, such as ``presets`` or ``heatmaps/configs``.
        kind: what it is, for the message ("preset").

    Raises:
        UsageError: nothing is there; names what is.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    shipped = PROJECT_ROOT / beside
    if not path.is_absolute() and (shipped / path).exists():
        return shipped / path
    known = sorted(p.name for p in shipped.glob("*") if not p.name.startswith("."))
    raise UsageError(f"no {kind} {str(name)!r} here or in {shipped}; known: {', '.join(known) or 'none'}")


def require_folder(path: str | Path, *, flag: str) -> Path:
    """Return ``path`` as a folder that exists, or raise a UsageError that names the flag."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UsageError(f"{flag}: no folder {str(path)!r}")
    return folder


def require_choice(name: str, known: list[str], *, kind: str) -> str:
    """Return ``name`` if it is one of ``known``, or raise a UsageError listing them."""
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"unknown {kind} {name!r}{hint}; known: {', '.join(known)}")
