"""Which files of a folder are slides, and which file belongs to a slide id."""

import configparser
import logging
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from utils.errors import ItemError, UsageError
from utils.names import SLIDE_EXTENSIONS, is_tabular, names_image, slide_id_of, tabular
from wsi_core.process_list import FILE_NAME
from wsi_core.readers.image_reader import is_image
from wsi_core.readers.openslide_reader import OpenSlideReader, format_of
from wsi_core.readers.reader import ReadError

logger = logging.getLogger(__name__)

SHOWN_NAMES = 5
# what patching writes beside its process list
RESULT_FOLDERS = MASKS, OUTLINES, PATCHES, STITCHES = "masks", "contours", "patches", "stitches"
CONTACT_SHEET = "contact_sheet.png"
MAX_INDEX_BYTES = 1 << 20  # of a .vms or .vmu, which is a short text
DICOM_SERIES = "dicom.SeriesInstanceUID"


class SlideFolder:
    """A folder of slides.

    Args:
        folder: where the slides lie.
        recursive: whether slides in folders below it are listed too; they are found by name in any case.
        without: folders that are not looked at, such as that of masks. What patching writes is never looked at.
    """

    def __init__(self, folder: Path, *, recursive: bool = False, without: Collection[Path] = ()) -> None:
        self.folder = folder
        self.recursive = recursive
        self._without = {path.resolve() for path in without}

    @cached_property
    def names(self) -> list[str]:
        """The file names of all slides, sorted, each once.

        A file counts as a slide by its ending, also where it is damaged or a link that leads nowhere, so that it is
        reported; with any other ending by its content. A folder that is named like a slide counts too, unless the
        folders below are looked into.

        Raises:
            UsageError: there is none.
        """
        paths = self._tree if self.recursive else self._top
        slides: list[Path] = []
        others: list[Path] = []
        for path in _without_companions(paths):
            known = slide_id_of(path.name) != path.name
            (slides if known or _is_slide_by_content(path) else others).append(path)
        if others:
            shown = ", ".join(path.name for path in others[:SHOWN_NAMES])
            logger.info("passed over in %s, as no slides: %d files (%s)", self.folder, len(others), shown)
        slides += [] if self.recursive else self._folders_in_place_of(slides)
        if not slides:
            raise UsageError(f"no slides in {self.folder}" + ("" if self.recursive else "; --recursive looks below it"))
        return sorted({tabular(path.name) for path in _one_of_each_series(slides)})

    def find(self, name: str, slide_ext: str = "") -> Path:
        """Return the file of a slide that is named with or without its extension.

        Args:
            name: file name or slide id.
            slide_ext: the extension to prefer, such as ``.svs``.

        Raises:
            ItemError: there is no such file, or there are several below the folder (status ``no_slide``).
        """
        wanted = dict.fromkeys((name, f"{slide_id_of(name)}{slide_ext}"))
        for candidate in wanted:
            if (self.folder / candidate).is_file():
                return self.folder / candidate
        for index in (self._top_by_id, self._tree_by_id):
            matches = _best_matches(index.get(slide_id_of(name), []), wanted)
            if len(matches) > 1:
                places = ", ".join(str(path.relative_to(self.folder)) for path in matches)
                raise ItemError(
                    f"{name} is there {len(matches)} times: {places}; name it with its extension, or rename one",
                    "no_slide",
                )
            if matches:
                return matches[0]
        if any(tabular(path.name) == name for path in self._tree if not is_tabular(path.name)):
            raise ItemError(
                f"{name}: a table cannot hold this file name (a line end, a space at its end, or not UTF-8); rename it",
                "no_slide",
            )
        if (self.folder / name).is_dir():
            raise ItemError(f"{name} is a folder, no slide; --recursive finds slides in folders", "no_slide")
        raise ItemError(f"no slide file for {name!r} in {self.folder} (extension {slide_ext or 'any'})", "no_slide")

    @cached_property
    def _top(self) -> list[Path]:
        names = [path.name for path in self.folder.iterdir() if not path.is_dir()]
        return sorted(self.folder / name for name in _without_results(names) if not name.startswith("."))

    def _folders_in_place_of(self, slides: Iterable[Path]) -> list[Path]:
        """Return the folders that are named like slides, and like none of these."""
        folders = (path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        taken = {slide_id_of(path.name) for path in slides}
        return [
            path
            for path in folders
            if slide_id_of(path.name) not in {path.name, *taken} and path.resolve() not in self._without
        ]

    @cached_property
    def _tree(self) -> list[Path]:
        return sorted(_files_below(self.folder, self._without))

    @cached_property
    def _top_by_id(self) -> dict[str, list[Path]]:
        return _by_id(self._top)

    @cached_property
    def _tree_by_id(self) -> dict[str, list[Path]]:
        return _by_id(self._tree)


def _files_below(folder: Path, without: set[Path]) -> Iterator[Path]:
    """Yield all files of a tree but those that are hidden, data of MIRAX slides, or results."""
    for root, folders, names in os.walk(folder):
        skipped = {Path(name).stem for name in names if name.lower().endswith(".mrxs")}
        if FILE_NAME in names:
            skipped |= {*RESULT_FOLDERS}
        candidates = [name for name in folders if not name.startswith(".") and name not in skipped]
        folders[:] = [name for name in candidates if not without or (Path(root) / name).resolve() not in without]
        yield from (Path(root) / name for name in _without_results(names) if not name.startswith("."))


def _without_results(names: list[str]) -> list[str]:
    """Leave the page of all masks out of the files of a folder that patching has written to."""
    return [name for name in names if name != CONTACT_SHEET] if FILE_NAME in names else names


def _best_matches(same_id: list[Path], wanted: Iterable[str]) -> list[Path]:
    """Return the files that a slide may be, of those with its id: those of a wanted name, else whole slides.

    A plain image is taken only where it is wanted by name, or no name says that the slide is something else: it may as
    well be a mask or a thumbnail.
    """
    for name in wanted:
        exact = [path for path in same_id if path.name == name]
        if exact:
            return exact
    whole_slides = [path for path in same_id if not names_image(path.name)]
    has_extension = any(slide_id_of(name) != name and not names_image(name) for name in wanted)
    return whole_slides or ([] if has_extension else same_id)


def _by_id(paths: list[Path]) -> dict[str, list[Path]]:
    index = defaultdict(list)
    for path in paths:
        index[slide_id_of(path.name)].append(path)
    return dict(index)


def _is_slide_by_content(path: Path) -> bool:
    return path.is_file() and (format_of(path) is not None or is_image(path))


def _without_companions(paths: list[Path]) -> list[Path]:
    """Leave out the images that Hamamatsu's .vms and .vmu slides are made of: these files name them."""
    parts = {part for path in paths if path.suffix.lower() in {".vms", ".vmu"} for part in _parts_of(path)}
    return [path for path in paths if path not in parts]


def _parts_of(path: Path) -> set[Path]:
    if not path.is_file() or path.stat().st_size > MAX_INDEX_BYTES:
        return set()
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, configparser.Error):
        return set()
    values = {value for section in parser.sections() for value in parser[section].values() if value}
    return {path.parent / value for value in values if Path(value).name == value}


def _one_of_each_series(paths: list[Path]) -> list[Path]:
    """Keep the first file of each DICOM slide, which has a file for each level, and all other slides."""
    kept, seen = [], set()
    for path in paths:
        series = _dicom_series(path)
        if series is None or (path.parent, series) not in seen:
            kept.append(path)
        seen.add((path.parent, series))
    return kept


def _dicom_series(path: Path) -> str | None:
    if not path.is_file():  # to open a pipe takes until somebody writes to it
        return None
    if path.suffix.lower() != ".dcm" and (path.suffix.lower() in SLIDE_EXTENSIONS or format_of(path) != "dicom"):
        return None
    try:
        reader = OpenSlideReader(path)
    except ReadError:
        return None
    reader.close()
    return reader.properties.get(DICOM_SERIES)
