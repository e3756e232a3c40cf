"""The tissue that a heatmap is drawn on: as patching found it where its files are at hand, else segmented here."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.features_file import read_features_coords, read_provenance
from stages.heatmap_paths import CONTOURS, MASK, THUMBNAIL, HeatmapPaths
from utils.pictures import made_smaller, save_picture
from wsi_core.contours import Contour
from wsi_core.coords_file import coords_path, read_coords
from wsi_core.drawing import draw_mask
from wsi_core.heatmap import HEATMAP_DOWNSAMPLE
from wsi_core.outlines.geojson_file import read_geojson, write_geojson
from wsi_core.overview import Overviews
from wsi_core.params import HEATMAP_PARAMS, SlideParams, parse_params
from wsi_core.segmentation import find_tissue, resolve_level, select, why_no_tissue, why_none_selected
from wsi_core.slide import Slide
from wsi_core.slide_folder import OUTLINES, PATCHES
from wsi_core.tissue_scale import TissueScale

logger = logging.getLogger(__name__)

THUMBNAIL_PX = 512


@dataclass(frozen=True)
class HeatmapTissue:
    """The tissue of a slide.

    Attributes:
        found: all that there is.
        params: say which of it is kept.
        why_none: what to say where nothing was found.
    """

    found: list[Contour]
    params: SlideParams
    why_none: str = ""

    def selected(self) -> list[Contour]:
        """Return what is drawn on, or raise an ItemError where an id to keep does not exist."""
        return select(self.found, self.params) if self.found else []

    def nothing_left(self) -> str:
        """Say why ``selected`` is empty."""
        return why_none_selected(self.found) if self.found else self.why_none


def segmented_tissue(slide: Slide, overviews: Overviews, params: SlideParams, scale: TissueScale) -> HeatmapTissue:
    """Segment a slide.

    Args:
        slide: the slide.
        overviews: pictures of it.
        params: its parameters.
        scale: the scale at which tissue is looked for.

    Raises:
        ItemError: it has not the level to look at.
    """
    overview = scale.overview(overviews, scale.level_on(slide, params.seg_level, HEATMAP_DOWNSAMPLE))
    found = find_tissue(overview, params, scale.area_unit_level0)
    return HeatmapTissue(found, params, "" if found else why_no_tissue(overview, params, scale.area_unit_level0))


def tissue_of_patching(save_dir: Path, features: Path, slide: Slide, slide_id: str) -> HeatmapTissue | None:
    """Return the tissue that the patches of the stored features were laid over.

    Args:
        save_dir: the folder that patching wrote to.
        features: the h5 of the slide's features.
        slide: the slide.
        slide_id: its id.

    Returns:
        None where ``save_dir`` has no outlines of the slide, or its patches are others than those with features.

    Raises:
        ItemError: a file is damaged.
    """
    outlines, coords = save_dir / OUTLINES / f"{slide_id}.geojson", coords_path(save_dir / PATCHES, slide_id)
    if not (outlines.is_file() and coords.is_file() and features.is_file()):
        return None
    patches = read_coords(coords)
    read_otherwise = patches.reading.contradicted_by(read_provenance(features))
    if read_otherwise or not _has_all(patches.coords, read_features_coords(features)):
        logger.warning("%s: %s has other patches than its features; tissue is segmented anew", slide_id, coords)
        return None
    params = parse_params(_selection(patches.made_with), HEATMAP_PARAMS, where=str(coords))
    return HeatmapTissue(read_geojson(outlines, slide.size_level0), params, f"{outlines} has no outlines")


def selected_and_drawn(
    tissue: HeatmapTissue, slide: Slide, overviews: Overviews, params: SlideParams, paths: HeatmapPaths
) -> list[Contour]:
    """Return the tissue to draw on, and write its mask, its outlines and a thumbnail of the slide.

    Args:
        tissue: what there is.
        slide: the slide.
        overviews: pictures of it.
        params: the level and the lines of the mask.
        paths: where the files go.

    Raises:
        ItemError: an id to keep does not exist; the mask shows all ids then.
    """
    overview = overviews.at(resolve_level(slide, params.vis_level, HEATMAP_DOWNSAMPLE, name="vis_level"))
    contours = tissue.found
    try:
        contours = tissue.selected()
    finally:
        if contours:
            save_picture(paths.raw(MASK), draw_mask(overview, contours, params.line_thickness))
    if contours:
        save_picture(paths.raw(THUMBNAIL), made_smaller(overview.image, THUMBNAIL_PX))
        write_geojson(paths.raw(CONTOURS), contours)
    return contours


def patching_folder(patches_dir: str | None, features_dir: str | None) -> Path | None:
    """Return the folder that patching wrote to: as given, else the feature folder or the one that this lies in."""
    if patches_dir is not None:
        return Path(patches_dir)
    if features_dir is None:
        return None
    places = (Path(features_dir), Path(features_dir).parent)
    return next((place for place in places if (place / OUTLINES).is_dir() and (place / PATCHES).is_dir()), None)


def _selection(made_with: Mapping[str, str]) -> dict[str, str]:
    return {name: made_with.get(name, "") for name in ("keep_ids", "exclude_ids")}


def _has_all(coords: np.ndarray, wanted: np.ndarray) -> bool:
    return set(map(tuple, wanted.tolist())) <= set(map(tuple, coords.tolist()))
