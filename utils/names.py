"""Slide ids: the text that ties a slide file to its coordinates, features, label and pictures.

An id is a name and never a path; it keeps its dots, zeros and capitals (``0012``, ``TCGA-..-DX1.uuid``).
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable

from utils.errors import UsageError

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
    if len(text.encode(errors="surrogateescape")) > MAX_ID_BYTES:
        raise UsageError(f"{where}: {text[:40]!r}... is no name; a name has at most {MAX_ID_BYTES} bytes")
    if not text or text in {".", ".."} or any(c in text for c in "/\\\0\n\r"):
        raise UsageError(f"{where}: {text!r} is no name; a name is not empty and has no folders in it")
    return text


def distinct_slide_ids(names: Iterable[str], *, where: str) -> list[str]:
    """Return the ids of slides named with or without extensions.

    Raises:
        UsageError: a name is none, or a slide is named twice.
    """
    ids = [slide_id_of(check_id(name, where=where)) for name in names]
    twice = sorted(slide_id for slide_id, count in Counter(ids).items() if count > 1)
    if twice:
        raise UsageError(f"{where}: slide {', '.join(twice)} is there more than once")
    return ids
