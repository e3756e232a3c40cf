"""Which slides of a table are to be encoded, and what of the others is to be said."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets.patches import SlidePatches
from stages.runner import Result
from utils.errors import ItemError, UsageError, one_line
from utils.names import checked_slide_id, fault_of_name, is_file_name, slide_id_of, warn_of_alike
from utils.tables import read_text_table
from wsi_core.coords_file import PatchCoords, coords_path, read_coords
from wsi_core.process_list import EMPTY_STATUSES
from wsi_core.slide_folder import SlideFolder

logger = logging.getLogger(__name__)

NO_COORDS = "no_coords"


@dataclass(frozen=True)
class ListedSlide:
    """A row of the table: the slide as it is named there, and what patching said of it and why (empty: nothing)."""

    name: str
    status: str
    reason: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether patching could not do it."""
        return self.status.startswith("failed")


@dataclass(frozen=True)
class FoundPatches:
    """The coordinates of a listed slide."""

    slide: ListedSlide
    path: Path
    patches: PatchCoords

    @property
    def slide_id(self) -> str:
        """The slide's id."""
        return slide_id_of(self.slide.name)


@dataclass(frozen=True)
class EncodingJob:
    """A slide to encode.

    Attributes:
        slide: the slide and its patches.
        encoders: places of the encoders that have not encoded it yet.
    """

    slide: SlidePatches
    encoders: tuple[int, ...]


def listed_slides(csv_path: str) -> dict[str, ListedSlide]:
    """Return the rows of the table by slide id.

    Raises:
        UsageError: the table is missing, empty or names two slides of one id.
    """
    table = read_text_table(csv_path, required=("slide_id",), kind="table of slides")
    where = f"table of slides {csv_path}"
    names = list(table["slide_id"])
    if not names:
        raise UsageError(f"{where}: no slides in it")
    statuses, reasons = (table[column] if column in table else [""] * len(names) for column in ("status", "reason"))
    slides: dict[str, ListedSlide] = {}
    for row in map(ListedSlide, names, statuses, reasons):
        name, slide_id = row.name, _id_of(row, where)
        first = slides.get(slide_id)
        if first is None or first.has_failed:  # that has been told by patching
            slides[slide_id] = row
        elif first.name != name and not row.has_failed:
            raise UsageError(f"{where}: {first.name} and {name} have the same slide id")
    warn_of_alike(slides, where=where)
    return slides


def _id_of(row: ListedSlide, where: str) -> str:
    if row.has_failed and is_file_name(row.name):  # perhaps for its name; nothing is named after it
        return slide_id_of(row.name)
    return checked_slide_id(row.name, where=where)


def find_patches(
    slides: Mapping[str, ListedSlide], data_h5_dir: Path, has_features: Callable[[str], bool]
) -> tuple[list[Result], dict[str, FoundPatches]]:
    """Read the coordinates of all slides; tell what has none.

    Args:
        slides: the table.
        data_h5_dir: the folder that holds ``patches/``.
        has_features: whether a slide has features of an earlier run, which a slide without tissue should not have.
    """
    settled: list[Result] = []
    found: dict[str, FoundPatches] = {}
    for slide_id, row in slides.items():
        if fault_of_name(row.name):
            settled.append(_as_patching_says(slide_id, row))
            continue
        path = coords_path(data_h5_dir / "patches", slide_id)
        try:
            patches = read_coords(path)
        except ItemError as error:
            settled.append(_without_coords(slide_id, row, error, has_features))
            continue
        if row.has_failed:
            logger.warning("%s: patching says %s; its coordinates are of an earlier run", slide_id, row.status)
        if len(patches):
            found[slide_id] = FoundPatches(row, path, patches)
        else:
            settled.append(_empty(slide_id, "no_patches", has_features))
    return settled, found


def _without_coords(slide_id: str, row: ListedSlide, error: ItemError, has_features: Callable[[str], bool]) -> Result:
    if error.status == NO_COORDS and row.has_failed:
        return _as_patching_says(slide_id, row)
    if error.status != NO_COORDS or row.status not in EMPTY_STATUSES:
        return Result(slide_id, error.status, one_line(error), failed=True)
    return _empty(slide_id, row.status, has_features)  # patching has said that there is nothing to encode


def _empty(slide_id: str, status: str, has_features: Callable[[str], bool]) -> Result:
    if has_features(slide_id):
        logger.warning("%s: %s, but there are features of an earlier run", slide_id, status)
    return Result(slide_id, status)


def _as_patching_says(slide_id: str, row: ListedSlide) -> Result:
    said = f"{row.status}: {row.reason}" if row.reason else row.status
    return Result(slide_id, NO_COORDS, f"no coordinates, as patching says {said}", failed=True)


def path_of(found: FoundPatches, folder: SlideFolder | None, slide_ext: str) -> Path:
    """Return from which file a slide's patches are read.

    Raises:
        ItemError: the slide is not in the folder, or there is no folder.
    """
    if found.patches.has_images:
        return found.path
    if folder is None:
        raise ItemError(f"{found.path} holds no images of the patches: pass --data_slide_dir", "no_slide")
    return folder.find(found.slide.name, slide_ext)
