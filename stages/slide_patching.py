"""The patches of one slide: its mask, coordinates and stitch.

Coordinates that are there already are kept, as days of work hang on them; the pictures asked for are made all the same.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from stages.patching_config import PatchingConfig
from stages.runner import Result
from utils.errors import ItemError
from utils.names import slide_id_of
from utils.pictures import save_picture
from wsi_core.contours import Contour
from wsi_core.coords_file import PatchCoords, read_coords, write_coords
from wsi_core.drawing import draw_mask, draw_stitch
from wsi_core.grid import Grid, patch_coords
from wsi_core.params import SlideParams
from wsi_core.process_list import EMPTY_STATUSES, ProcessList
from wsi_core.segmentation import SEGMENTATION_DOWNSAMPLE, no_tissue_reason, resolve_level, segment_slide, select
from wsi_core.slide import Slide
from wsi_core.slide_folder import find_slide

logger = logging.getLogger(__name__)

STITCH_DOWNSAMPLE = 64
N_CONTOURS = "n_contours"
DRAWING_PARAMS = ("vis_level", "line_thickness")  # without effect on coordinates


def patch_slide(name: str, slides: ProcessList, config: PatchingConfig) -> Result:
    """Make what is asked of one slide, and note levels and counts in the process list.

    Args:
        name: the slide, as it stands in the list.
        slides: the list.
        config: the run.

    Raises:
        ItemError: the slide, or what its parameters ask for, is not to be had; carries the status of the failed step.
    """
    slide_id = slide_id_of(name)
    params = slides.params(name)
    kept = _kept_coords(config.coords_path(slide_id)) if config.auto_skip else None
    todo, reason = config, ""
    if kept is not None:
        reason = _how_kept_differ(kept, params, config)
        if reason:
            logger.warning("%s: %s", name, reason)
        slides.update(name, n_patches=str(len(kept)), n_contours=kept.made_with.get(N_CONTOURS, ""))
        todo = _without_what_exists(config, slide_id)
        if not (todo.seg or todo.stitch):
            return Result(name, "already_exist", reason)
    with _failing_as("failed_open"):
        slide = Slide(find_slide(Path(config.source), name))
    with slide:
        params = _resolve_levels(slide, params)
        slides.update(name, seg_level=str(params.seg_level), vis_level=str(params.vis_level))
        made = _make_outputs(name, slide, params, slides, todo)
    if kept is None:
        return made
    # where a trial finds nothing, the coordinates are there all the same
    status = "already_exist" if made.status in EMPTY_STATUSES else made.status
    return replace(made, status=status, reason="; ".join(filter(None, (made.reason, reason))))


def _kept_coords(path: Path) -> PatchCoords | None:
    """Return the coordinates of an earlier run, or None where there are none that can be used."""
    if not path.is_file():
        return None
    try:
        return read_coords(path)
    except ItemError as error:
        logger.warning("%s; making it again", error)
        return None


def _how_kept_differ(kept: PatchCoords, params: SlideParams, config: PatchingConfig) -> str:
    """Say with what else than is asked for now the coordinates were made, or nothing.

    Files of the original do not state their parameters, and level -1 asks for no certain level.
    """
    asked = {"patch_size": str(config.read_size_px), "patch_level": str(config.patch_level)}
    made = {"patch_size": str(kept.patch_size_px), "patch_level": str(kept.patch_level)}
    if kept.made_with:
        asked |= _made_with(params, config) | {"custom_downsample": str(config.custom_downsample)}
        made |= kept.made_with | {"custom_downsample": str(kept.custom_downsample)}
    differ = [
        f"{field} {made.get(field)} (now {value})"
        for field, value in asked.items()
        if field not in DRAWING_PARAMS and value != made.get(field) and (field, value) != ("seg_level", "-1")
    ]
    return f"coordinates kept from {', '.join(differ)}; --patch --no_auto_skip makes them again" if differ else ""


def _made_with(params: SlideParams, config: PatchingConfig) -> dict[str, str]:
    return {**params.as_text(), "step_size": str(config.read_step_px)}


def _without_what_exists(config: PatchingConfig, slide_id: str) -> PatchingConfig:
    """Return the steps that are left; a mask alone is always drawn: that is how parameters are tried out."""
    return replace(
        config,
        patch=False,
        seg=config.seg and not (config.patch and config.mask_path(slide_id).is_file()),
        stitch=config.stitch and not config.stitch_path(slide_id).is_file(),
    )


def _resolve_levels(slide: Slide, params: SlideParams) -> SlideParams:
    with _failing_as("failed_seg"):
        levels = {
            field: resolve_level(slide, getattr(params, field), SEGMENTATION_DOWNSAMPLE, name=field)
            for field in ("seg_level", "vis_level")
        }
    return params.model_copy(update=levels)


def _make_outputs(name: str, slide: Slide, params: SlideParams, slides: ProcessList, todo: PatchingConfig) -> Result:
    slide_id = slide_id_of(name)
    if todo.seg or todo.patch:
        with _failing_as("failed_seg"):
            found = segment_slide(slide, params)
            contours = _select(slide, found, params, todo)
            slides.update(name, n_contours=str(len(contours)))
        if not contours:
            if todo.patch:
                slides.update(name, n_patches="0")
            return _empty(name, "no_tissue", no_tissue_reason(params, found), todo)
    with _failing_as("failed_patch"):
        if todo.patch:
            patches = _lay_grid(slide, contours, params, todo)
            slides.update(name, n_patches=str(len(patches)))
            todo.stitch_path(slide_id).unlink(missing_ok=True)  # it shows patches of an earlier run
            if not len(patches):
                return _empty(name, "no_patches", "no patch passes contour_fn; try four_pt or a smaller patch", todo)
            write_coords(todo.coords_path(slide_id), patches)
        if todo.stitch:
            _stitch(slide, slide_id, todo)
    return Result(name, "processed")


def _select(slide: Slide, found: list[Contour], params: SlideParams, todo: PatchingConfig) -> list[Contour]:
    """Apply keep_ids and exclude_ids, and draw the mask: of all that was found where an id to keep is none of it."""

    def draw(contours: list[Contour]) -> None:
        if todo.seg:
            picture = draw_mask(slide, contours, params.vis_level, params.line_thickness)
            save_picture(todo.mask_path(slide_id_of(slide.path.name)), picture)

    try:
        chosen = select(found, params)
    except ItemError:
        draw(found)
        raise
    draw(chosen)
    return chosen


def _empty(name: str, status: str, reason: str, todo: PatchingConfig) -> Result:
    if todo.patch:  # what an earlier run made would no longer be true
        todo.coords_path(slide_id_of(name)).unlink(missing_ok=True)
        todo.stitch_path(slide_id_of(name)).unlink(missing_ok=True)
    return Result(name, status, reason)


def _lay_grid(slide: Slide, contours: Sequence[Contour], params: SlideParams, config: PatchingConfig) -> PatchCoords:
    level = slide.check_level(config.patch_level, name="--patch_level")
    grid = Grid(
        patch_size_px=config.read_size_px,
        step_size_px=config.read_step_px,
        downsample_xy=slide.level_downsamples[level],
        slide_size_level0=slide.size_level0,
        contour_fn=params.contour_fn,
        use_padding=params.use_padding,
    )
    return PatchCoords(
        coords=patch_coords(list(contours), grid),
        patch_size_px=config.read_size_px,
        patch_level=level,
        downsample_xy=slide.level_downsamples[level],
        level_size=slide.level_dimensions[level],
        name=slide_id_of(slide.path.name),
        save_path=os.path.join(config.save_dir, "patches"),  # noqa: PTH118  as typed: a Path would drop ./
        custom_downsample=config.custom_downsample,
        patch_size_level0=grid.patch_size_level0[0],
        mpp=slide.mpp,
        made_with={**_made_with(params, config), N_CONTOURS: str(len(contours))},
    )


def _stitch(slide: Slide, slide_id: str, config: PatchingConfig) -> None:
    patches = read_coords(config.coords_path(slide_id))
    level = slide.best_level(STITCH_DOWNSAMPLE)
    size = (patches.patch_size_level0, patches.patch_size_level0)
    save_picture(config.stitch_path(slide_id), draw_stitch(slide, patches.coords, size, level))


@contextmanager
def _failing_as(status: str) -> Iterator[None]:
    """Give an ItemError raised inside the status of the step that it broke."""
    try:
        yield
    except ItemError as error:
        raise ItemError(str(error), status) from error
