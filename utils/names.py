"""Slide ids: the text that ties a slide file to its coordinates, features, label and pictures.

An id is a name and never a path; it keeps its dots, zeros and capitals (``0012``, ``TCGA-..-DX1.uuid``).
"""

import logging
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from utils.errors import UsageError
from utils.wording import few

logger = logging.getLogger(__name__)

IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp")
MAX_ID_BYTES = 200  # file systems allow 255 for a name, and files are named after ids with more behind them
# Formats OpenSlide reads, plain images, and formats of scanners that must be converted first, so that such a slide is
# reported and not passed over. Only these endings are taken off a name.
SLIDE_EXTENSIONS = (
    ".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif", ".czi", ".dcm", ".qptiff",
    *IMAGE_EXTENSIONS,
    ".vsi", ".sdpc", ".kfb", ".isyntax", ".mds", ".tmap",
)  # fmt: skip


def slide_id_of(name: str) -> str:
    """Return the id of a slide named with or without its extension, the same in every program.

    Args:
        name: a file name or an id, without folders.
    """
    for extension in SLIDE_EXTENSIONS:
        if name.lower().endswith(extension) and len(name) > len(extension):
            return name[: -len(extension)]
    return name


def names_image(name: str) -> bool:
    """Tell whether a file name is that of a plain image, which may be a slide, or a mask or thumbnail of one."""
    return name.lower().endswith(IMAGE_EXTENSIONS)


def is_tabular(name: str) -> bool:
    """Tell whether a file name comes back as it was from a table: UTF-8, no line ends, no spaces around it."""
    return name == name.strip() and not any(_is_untabular(character) for character in name)


def tabular(name: str) -> str:
    """Return a name that ``is_tabular`` for people to recognise one by that is not."""
    return "".join("?" if _is_untabular(character) else character for character in name).strip()


def _is_untabular(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"}  # controls, and bytes that are no UTF-8


def check_id(text: str, *, where: str) -> str:
    """Return ``text`` if it can serve as a file name of one level, else raise a UsageError."""
    if any(unicodedata.category(c) == "Cs" and not "\udc80" <= c <= "\udcff" for c in text):
        raise UsageError(f"{where}: {text[:40]!a} is no name; half of a character is in it")
    if len(text.encode(errors="surrogateescape")) > MAX_ID_BYTES:
        raise UsageError(f"{where}: {text[:40]!r}... is no name; a name has at most {MAX_ID_BYTES} bytes")
    if not is_file_name(text) or "\\" in text:
        raise UsageError(f"{where}: {text!r} is no name; a name is not empty and has no folders in it")
    return text


def is_file_name(text: str) -> bool:
    """Tell whether a file may be called that; ``check_id`` wants more of a slide."""
    return bool(text) and text not in {".", ".."} and not any(c in text for c in "/\0\n\r")


def fault_of_name(name: str) -> str:
    """Say why the file of a slide must be renamed before anything can be named after it; empty: it need not be."""
    try:
        checked_slide_id(name, where="rename it")
    except UsageError as error:
        return str(error)
    return ""


def checked_slide_id(name: str, *, where: str) -> str:
    """Return the id of a slide named with or without its extension, or raise a UsageError where it is no name."""
    return check_id(slide_id_of(check_id(name, where=where)), where=where)  # ...svs would leave two dots


def distinct_slide_ids(names: Iterable[str], *, where: str) -> list[str]:
    """Return the ids of slides named with or without extensions.

    Raises:
        UsageError: a name is none, or a slide is named twice.
    """
    ids = [checked_slide_id(name, where=where) for name in names]
    twice = sorted(slide_id for slide_id, count in Counter(ids).items() if count > 1)
    if twice:
        raise UsageError(f"{where}: slide {few(twice)} is there more than once")
    warn_of_alike(ids, where=where)
    return ids


def warn_of_alike(ids: Iterable[str], *, where: str) -> None:
    """Name the ids that are one file name elsewhere; here they may be as they are."""
    alike = [" and ".join(group) for group in alike_ids(ids)]
    if alike:
        logger.warning(
            "%s: slides %s differ by capitals, or by how an accent is written, alone: file systems of Windows and "
            "macOS take them for the same; rename one of the two before files of them lie there", where, few(alike)
        )  # fmt: skip


def alike_ids(ids: Iterable[str]) -> list[list[str]]:
    """Return the groups of ids that differ by capitals, or by how a letter with an accent is written, alone.

    Some file systems take such names for the same file.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for one in ids:
        groups[_folded(one)].add(one)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def require_apart(ids: Iterable[str], folder: str | Path, *, flag: str) -> None:
    """Refuse ids whose outputs would be the same file in a folder, where its file system takes them for the same.

    Args:
        ids: slides whose outputs go to the folder.
        folder: where to; it need not be there yet.
        flag: what names the folder, for the message.

    Raises:
        UsageError: two ids share their file names there; names both.
    """
    alike = alike_ids(ids)
    if alike and ignores_capitals(Path(folder)):
        raise UsageError(
            f"{flag} {folder}: {' and '.join(alike[0])} would be the same file there, as capitals do not count; "
            "rename one of the slides"
        )


def ignores_capitals(folder: Path) -> bool:
    """Tell whether the file system of a folder, or of the nearest one above it, takes ``a`` and ``A`` for one name.

    Nothing is written for it: the folder itself is looked for by its name in other capitals.
    """
    for place in (folder.absolute(), *folder.absolute().parents):
        other = place.with_name(place.name.swapcase()) if place.name else place
        if place.exists() and other.name != place.name:
            return other.exists() and other.samefile(place)
    return False


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
