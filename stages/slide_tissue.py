"""What is tissue on a slide, and which part of it is looked at: by segmentation, or as a user has drawn it."""

from dataclasses import dataclass
from pathlib import Path

from stages.slide_job import SlideJob
from utils.errors import ItemError
from utils.fingerprint import file_sha256
from wsi_core.contours import Contour, whole_slide
from wsi_core.outlines.find import find_outlines, read_outlines
from wsi_core.overview import Overviews
from wsi_core.params import SlideParams
from wsi_core.segmentation import find_tissue
from wsi_core.slide import Slide
from wsi_core.tissue_scale import TissueScale

TISSUE, ROI = "tissue", "roi"  # names of what coordinates depend on
SEGMENTED, WHOLE_SLIDE, OUTLINES = "segmentation", "whole slide", "outlines"


@dataclass(frozen=True)
class Tissue:
    """The tissue of a slide before ``keep_ids`` and ``exclude_ids``.

    Attributes:
        contours: in level-0 pixels, by ascending number.
        regions: the regions that patches must lie in, or None for everywhere.
    """

    contours: list[Contour]
    regions: list[Contour] | None


def find_tissue_of(
    slide: Slide, overviews: Overviews, job: SlideJob, params: SlideParams, scale: TissueScale
) -> Tissue:
    """Find the tissue of a slide in the way the run asks for.

    Args:
        slide: the slide.
        overviews: pictures of it.
        job: what is asked of it.
        params: its parameters, with levels that it has.
        scale: the scale at which it is looked for.

    Raises:
        ItemError: the slide or the outlines cannot be read (status ``failed_seg``).
    """
    config = job.config
    regions = _outlines(slide, job, Path(config.roi), flag="--roi") if config.roi else None
    if config.mask_dir:
        contours = _outlines(slide, job, Path(config.mask_dir), flag="--mask_dir")
    elif config.no_seg:
        contours = [whole_slide(slide.size_level0)]
    else:
        contours = find_tissue(scale.overview(overviews, params.seg_level), params, scale.area_unit_level0)
    return Tissue(contours, regions)


def how_tissue_is_found(job: SlideJob) -> dict[str, str]:
    """Return texts that change with where tissue and regions come from; the slide is not opened."""
    config = job.config
    way = WHOLE_SLIDE if config.no_seg else SEGMENTED
    return {
        TISSUE: _text_of_outlines(Path(config.mask_dir), job) if config.mask_dir else way,
        ROI: _text_of_outlines(Path(config.roi), job) if config.roi else "",
    }


def _outlines(slide: Slide, job: SlideJob, folder: Path, *, flag: str) -> list[Contour]:
    path = find_outlines(folder, job.slide_id)
    if path is None:
        raise ItemError(f"{flag} {folder}: no .geojson, .json, .xml, .png or .pkl of {job.slide_id}", "failed_seg")
    return read_outlines(path, slide.size_level0)


def _text_of_outlines(folder: Path, job: SlideJob) -> str:
    path = find_outlines(folder, job.slide_id)
    return f"{OUTLINES} {file_sha256(path)[:16]}" if path is not None else OUTLINES
