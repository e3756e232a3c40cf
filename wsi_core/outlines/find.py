"""The outlines that a user gives for a slide: which file, and how it is read."""

from collections.abc import Callable
from pathlib import Path

from utils.errors import ItemError
from wsi_core.contours import Contour
from wsi_core.outlines.annotation_xml import read_annotation_xml
from wsi_core.outlines.contour_pickle import read_contour_pickle
from wsi_core.outlines.geojson_file import read_geojson
from wsi_core.outlines.mask_picture import read_mask
from wsi_core.outlines.polygons import STATUS

# endings of a slide's file, in the order in which they are looked for
READERS: dict[str, Callable[[Path, tuple[int, int]], list[Contour]]] = {
    ".geojson": read_geojson,
    ".json": read_geojson,
    ".xml": read_annotation_xml,
    ".pkl": read_contour_pickle,
    "_mask.pkl": read_contour_pickle,
    ".png": read_mask,
}


def find_outlines(place: Path, slide_id: str) -> Path | None:
    """Return the file of a slide in a folder, or the file that is given for every slide; None where there is none."""
    if not place.is_dir():
        return place
    candidates = (place / f"{slide_id}{ending}" for ending in READERS)
    return next((path for path in candidates if path.is_file()), None)


def read_outlines(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Read outlines in level-0 pixels, numbered from 0.

    Raises:
        ItemError: the file's kind is not known, or what is in it does not serve (status ``failed_seg``).
    """
    for ending, read in READERS.items():
        if path.name.lower().endswith(ending):
            return read(path, slide_size_level0)
    raise ItemError(f"{path.name}: outlines come as {', '.join(READERS)}", STATUS)
