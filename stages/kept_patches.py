"""Coordinates of an earlier run: whether they are there, what they were made with, and what is left to do."""

import logging
from dataclasses import replace

from stages.patching_config import PatchingConfig
from stages.slide_job import SlideJob
from stages.slide_tissue import how_tissue_is_found
from utils.errors import ItemError
from wsi_core.coords_file import PatchCoords, read_coords

logger = logging.getLogger(__name__)

N_CONTOURS, DROPPED = "n_contours", "dropped"  # what came of it, kept beside what it was made with
DRAWING_PARAMS = ("vis_level", "line_thickness")  # without effect on coordinates


def kept_patches(job: SlideJob) -> PatchCoords | None:
    """Return the coordinates of an earlier run, or None where there are none that can be used."""
    path = job.config.coords_path(job.slide_id)
    if not (job.config.auto_skip and path.is_file()):
        return None
    try:
        return read_coords(path)
    except ItemError as error:
        logger.warning("%s; making it again", error)
        return None


def made_with(job: SlideJob) -> dict[str, str]:
    """Return, as texts, all that the coordinates of a slide depend on; the slide is not opened."""
    return {
        **job.params.as_text(),
        "patch_size": str(job.request.patch_size_px),
        **job.request.as_text(),
        "grid": job.config.grid_origin,
        **how_tissue_is_found(job),
        **job.config.quality.as_text(),
        "mpp": "" if (given := job.resolution.mpp or job.config.mpp) is None else f"{given:g}",
    }


def how_they_differ(kept: PatchCoords, job: SlideJob) -> str:
    """Say with what else than is asked for now the coordinates were made, or nothing.

    Files of the original do not state their parameters, and level -1 asks for no certain level.
    """
    asked, made = (made_with(job), kept.made_with) if kept.made_with else _of_the_original(kept, job)
    if job.config.save_patches and not kept.has_images:
        asked = {**asked, "images": "stored"}
    differ = [
        f"{field} {made.get(field) or 'none'} (now {asked.get(field) or 'none'})"
        for field in {**asked, **made}
        if field not in (*DRAWING_PARAMS, N_CONTOURS, DROPPED)
        and asked.get(field, "") != made.get(field, "")
        and (field, asked.get(field)) != ("seg_level", "-1")
    ]
    return f"coordinates kept from {', '.join(differ)}; --patch --no_auto_skip makes them again" if differ else ""


def _of_the_original(kept: PatchCoords, job: SlideJob) -> tuple[dict[str, str], dict[str, str]]:
    """Return what is asked for, and what a file has that does not state its parameters."""
    request = job.request
    if request.target_mpp is not None:
        return {"target_mpp": f"{request.target_mpp:g}"}, {}
    asked = {"patch_size": str(request.read_size_px), "patch_level": str(request.patch_level)}
    return asked, {"patch_size": str(kept.reading.read_size_px), "patch_level": str(kept.reading.level)}


def without_what_exists(config: PatchingConfig, slide_id: str) -> PatchingConfig:
    """Return the steps that are left; a mask alone is always drawn: that is how parameters are tried out."""
    return replace(
        config,
        patch=False,
        seg=config.seg and not (config.patch and config.mask_path(slide_id).is_file()),
        stitch=config.stitch and not config.stitch_path(slide_id).is_file(),
    )
