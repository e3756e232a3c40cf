"""Which files of a folder are slides, and which file belongs to a slide id."""

from pathlib import Path

from utils.errors import ItemError, UsageError
from utils.names import slide_id_of


def list_slides(folder: Path) -> list[str]:
    """Return the file names in ``folder``, sorted, without hidden files and folders.

    Every file counts, whatever its ending, and every link, wherever it leads: what cannot be opened is reported, not
    passed over.

    Raises:
        UsageError: there is no file.
    """
    names = sorted(p.name for p in folder.iterdir() if not p.is_dir() and not p.name.startswith("."))
    if not names:
        raise UsageError(f"no slides in {folder}")
    return names


def find_slide(folder: Path, name: str, slide_ext: str = "") -> Path:
    """Return the file of a slide that is named with or without its extension.

    Args:
        folder: where the slides lie.
        name: file name or slide id.
        slide_ext: the extension to prefer, such as ``.svs``.

    Raises:
        ItemError: there is no such file (status ``no_slide``).
    """
    slide_id = slide_id_of(name)
    for candidate in (folder / name, folder / f"{slide_id}{slide_ext}"):
        if candidate.is_file():
            return candidate
    matches = sorted(p for p in folder.glob(f"{_escaped(slide_id)}.*") if slide_id_of(p.name) == slide_id)
    if matches:
        return matches[0]
    raise ItemError(f"no slide file for {name!r} in {folder} (extension {slide_ext or 'any'})", "no_slide")


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
