"""Slide ids: the text that ties a slide file to its coordinates, features, label and pictures.

An id is a name and never a path; it keeps its dots, zeros and capitals (``0012``, ``TCGA-..-DX1.uuid``).
"""

from utils.errors import UsageError

# Formats OpenSlide reads, and plain images. Only these endings are taken off a name.
SLIDE_EXTENSIONS = (
    ".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif", ".czi", ".dcm",
    ".png", ".jpg", ".jpeg", ".bmp",
)  # fmt: skip


def slide_id_of(name: str, extra_extension: str = "") -> str:
    """Return the id of a slide named with or without its extension.

    Args:
        name: a file name or an id, without folders.
        extra_extension: one more ending to take off, such as the user's ``--slide_ext``.
    """
    for extension in (extra_extension.lower(), *SLIDE_EXTENSIONS):
        if extension and name.lower().endswith(extension) and len(name) > len(extension):
            return name[: -len(extension)]
    return name


def check_id(text: str, *, where: str) -> str:
    """Return ``text`` if it can serve as a file name of one level, else raise a UsageError."""
    if not text or text in {".", ".."} or any(c in text for c in "/\\\0\n\r"):
        raise UsageError(f"{where}: {text!r} is no slide id; ids are file names without folders")
    return text
