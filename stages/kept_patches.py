"""Coordinates of an earlier run: whether they are there, what they were made with, and what is left to do."""

import logging
from dataclasses import replace

from stages.patching_config import PatchingConfig
from stages.slide_job import SlideJob
from stages.slide_tissue import ROI, SEGMENTED, TISSUE, how_tissue_is_found
from utils.errors import ItemError
from wsi_core.coords_file import PatchCoords, read_coords

logger = logging.getLogger(__name__)

# What came of it, kept beside what it was made with: also the level that seg_level -1 leads to on the slide.
RESULTS = N_CONTOURS, DROPPED, CHOSEN_SEG_LEVEL = "n_contours", "dropped", "chosen_seg_level"
WITHOUT_EFFECT = ("vis_level", "line_thickness")
ONLY_FOR_SEGMENTATION = ("seg_level", "sthresh", "mthresh", "close", "use_otsu", "a_t", "a_h", "max_n_holes")


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
    tissue = how_tissue_is_found(job)
    unused = WITHOUT_EFFECT if tissue[TISSUE] == SEGMENTED else (*WITHOUT_EFFECT, *ONLY_FOR_SEGMENTATION)
    params = {name: text for name, text in job.params.as_text().items() if name not in unused}
    for name in ("keep_ids", "exclude_ids"):
        params[name] = ",".join(map(str, sorted(getattr(job.params, name)))) or "none"
    given_mpp = (job.resolution.mpp or job.config.mpp) if job.request.target_mpp is not None else None
    return {
        **params,
        "patch_size": str(job.request.patch_size_px),
        **job.request.as_text(),
        "grid": job.config.grid_origin,
        **tissue,
        **job.config.quality.as_text(),
        "mpp": "" if given_mpp is None else f"{given_mpp:g}",
    }


def how_they_differ(kept: PatchCoords, job: SlideJob) -> str:
    """Say with what else than is asked for now the coordinates were made, or nothing."""
    asked, made = made_with(job), kept.made_with
    names = {**asked, **made}
    if TISSUE not in made:
        made = names = _of_the_original(kept, job)
    if asked.get("seg_level") == "-1":
        asked["seg_level"] = made.get(CHOSEN_SEG_LEVEL, "-1")
    if asked["mpp"] and kept.mean_mpp is not None:  # given now, and perhaps what the slide itself has said then
        made = {**made, "mpp": f"{kept.mean_mpp:g}"}
    differ = [
        f"{name} {made.get(name) or 'none'} (now {asked.get(name) or 'none'})"
        for name in names
        if asked.get(name, "") != made.get(name, "")
        and name not in RESULTS
        and (name not in ONLY_FOR_SEGMENTATION or (name in asked and name in made))
    ]
    if job.config.save_patches and not kept.has_images:
        differ.append("no images (now stored)")
    return f"coordinates kept from {', '.join(differ)}; --patch --no_auto_skip makes them again" if differ else ""


def _of_the_original(kept: PatchCoords, job: SlideJob) -> dict[str, str]:
    """Return what a file that does not state its parameters was made with, as far as it shows, or had no choice."""
    reading = kept.reading
    return {
        "patch_size": str(reading.target_size_px),
        "patch_level": str(reading.level),
        "custom_downsample": str(reading.custom_downsample),
        "background": reading.background,
        "target_mpp": "",
        "grid": "contour",
        TISSUE: SEGMENTED,
        ROI: "",
        **dict.fromkeys(job.config.quality.as_text(), ""),
    }


def without_what_exists(config: PatchingConfig, slide_id: str) -> PatchingConfig:
    """Return the steps that are left; a mask alone is always drawn: that is how parameters are tried out."""
    return replace(
        config,
        patch=False,
        seg=config.seg and not (config.patch and _is_drawn(config, slide_id)),
        stitch=config.stitch and not config.stitch_path(slide_id).is_file(),
    )


def _is_drawn(config: PatchingConfig, slide_id: str) -> bool:
    by_hand = config.no_seg or config.mask_dir is not None  # which leaves no outlines of ours
    return config.mask_path(slide_id).is_file() and (by_hand or config.outlines_path(slide_id).is_file())
