"""Slides in, tissue masks and patch coordinates out: what ``create_patches_fp.py`` does.

Reads slides, a preset and a process list; writes ``masks/``, ``patches/``, ``stitches/`` and
``process_list_autogen.csv``, which is saved after every slide.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stages.runner import Result, run_each, summarise
from utils.errors import ItemError
from utils.lookup import require_folder
from utils.names import slide_id_of
from utils.pictures import save_picture
from wsi_core.contours import Contour
from wsi_core.coords_file import PatchCoords, read_coords, write_coords
from wsi_core.drawing import draw_mask, draw_stitch
from wsi_core.grid import Grid, patch_coords
from wsi_core.params import SlideParams
from wsi_core.preset_file import find_preset, read_preset
from wsi_core.process_list import EMPTY_STATUSES, FILE_NAME, ProcessList
from wsi_core.segmentation import SEGMENTATION_DOWNSAMPLE, no_tissue_reason, resolve_level, segment_slide
from wsi_core.slide import Slide
from wsi_core.slide_folder import find_slide, list_slides

logger = logging.getLogger(__name__)

STITCH_DOWNSAMPLE = 64


@dataclass(frozen=True)
class PatchingConfig:
    """One run of the stage.

    Attributes:
        source: folder of slides.
        save_dir: where results go, as the user typed it.
        patch_size_px: side of a patch after ``custom_downsample``, in pixels of ``patch_level``.
        step_size_px: distance of neighbouring patches, likewise.
        patch_level: the level patches are read at.
        custom_downsample: patches are read this much larger and resized down.
        preset: name or path of a preset, or None for the defaults.
        process_list: name of a list in ``save_dir`` or a path, or None for every slide in ``source``.
        seg, patch, stitch: what to make.
        auto_skip: leave slides alone that have coordinates already.
    """

    source: str
    save_dir: str
    patch_size_px: int = 256
    step_size_px: int = 256
    patch_level: int = 0
    custom_downsample: int = 1
    preset: str | None = None
    process_list: str | None = None
    seg: bool = False
    patch: bool = False
    stitch: bool = False
    auto_skip: bool = True

    @property
    def read_size_px(self) -> int:
        """Side of the square read for a patch, in pixels of ``patch_level``."""
        return self.patch_size_px * self.custom_downsample

    @property
    def read_step_px(self) -> int:
        """Distance of neighbouring patches, in pixels of ``patch_level``."""
        return self.step_size_px * self.custom_downsample

    def mask_path(self, slide_id: str) -> Path:
        """Return where the picture of the segmentation goes."""
        return Path(self.save_dir) / "masks" / f"{slide_id}.png"

    def coords_path(self, slide_id: str) -> Path:
        """Return where the coordinates go."""
        return Path(self.save_dir) / "patches" / f"{slide_id}.h5"

    def stitch_path(self, slide_id: str) -> Path:
        """Return where the picture of the kept patches goes."""
        return Path(self.save_dir) / "stitches" / f"{slide_id}.png"


def create_patches(config: PatchingConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: folder, preset or process list is wrong; nothing has been written then.
    """
    slides = load_process_list(config)
    _report_steps(config)
    list_path = Path(config.save_dir) / FILE_NAME
    slides.write(list_path)

    def record(result: Result) -> None:
        process = "1" if result.failed else "0"
        slides.update(result.item_id, status=result.status, reason=result.reason, process=process)
        slides.write(list_path)

    names = slides.names_to_process if config.seg or config.patch or config.stitch else []
    results = run_each(
        names, lambda name: _process_slide(name, slides, config), failed_status="failed_patch", on_result=record
    )
    exit_code = summarise(results)
    _advise(results)
    logger.info("process list: %s", list_path)
    return exit_code


def load_process_list(config: PatchingConfig) -> ProcessList:
    """Return the slides to work on with their parameters: the given list, or all of the folder."""
    source = require_folder(config.source, flag="--source")
    defaults = read_preset(find_preset(config.preset)) if config.preset else SlideParams()
    if config.process_list is None:
        return ProcessList.of_slides(list_slides(source), defaults)
    in_save_dir = Path(config.save_dir) / config.process_list
    return ProcessList.read(in_save_dir if in_save_dir.exists() else Path(config.process_list), defaults)


def _report_steps(config: PatchingConfig) -> None:
    if not (config.seg or config.patch or config.stitch):
        logger.warning("nothing to make: add --seg, --patch or --stitch; only the process list is written")
    overlap = 1 - config.step_size_px / config.patch_size_px
    if config.patch and overlap:
        what = f"overlap by {overlap:.0%}" if overlap > 0 else f"leave gaps of {-overlap:.0%} of their side"
        logger.info("patches %s (patch_size %d, step_size %d)", what, config.patch_size_px, config.step_size_px)


def _process_slide(name: str, slides: ProcessList, config: PatchingConfig) -> Result:
    slide_id = slide_id_of(name)
    _refuse_shared_id(name, slides)
    if config.auto_skip and config.coords_path(slide_id).is_file():
        skipped = _skip_if_complete(name, slide_id, config)
        if skipped is not None:
            return skipped
    with _failing_as("failed_open"):
        slide = Slide(find_slide(Path(config.source), name))
    with slide:
        params = _resolve_levels(slide, slides.params(name))
        slides.update(name, seg_level=str(params.seg_level), vis_level=str(params.vis_level))
        return _make_outputs(name, slide, params, slides, config)


def _refuse_shared_id(name: str, slides: ProcessList) -> None:
    """Two files whose names differ by the extension alone would write the same outputs: the first has them."""
    first = next(other for other in slides.names if slide_id_of(other) == slide_id_of(name))
    if first != name:
        raise ItemError(f"same slide id as {first}; rename one of the two", "failed_open")


def _skip_if_complete(name: str, slide_id: str, config: PatchingConfig) -> Result | None:
    try:
        existing = read_coords(config.coords_path(slide_id))
    except ItemError as error:
        logger.warning("%s; making it again", error)
        return None
    made = (existing.patch_size_px, existing.patch_level)
    reason = ""
    if made != (config.read_size_px, config.patch_level):
        reason = f"exists with patch_size {made[0]} at level {made[1]}; --no_auto_skip makes it again"
        logger.warning("%s: %s", name, reason)
    return Result(name, "already_exist", reason)


def _resolve_levels(slide: Slide, params: SlideParams) -> SlideParams:
    with _failing_as("failed_seg"):
        levels = {
            field: resolve_level(slide, getattr(params, field), SEGMENTATION_DOWNSAMPLE, name=field)
            for field in ("seg_level", "vis_level")
        }
    return params.model_copy(update=levels)


def _make_outputs(name: str, slide: Slide, params: SlideParams, slides: ProcessList, config: PatchingConfig) -> Result:
    slide_id = slide_id_of(name)
    contours: list[Contour] = []
    if config.seg or config.patch:
        with _failing_as("failed_seg"):
            contours = segment_slide(slide, params)
            slides.update(name, n_contours=str(len(contours)))
            if config.seg:
                picture = draw_mask(slide, contours, params.vis_level, params.line_thickness)
                save_picture(config.mask_path(slide_id), picture)
        if not contours:
            return _empty(name, "no_tissue", no_tissue_reason(params), config)
    with _failing_as("failed_patch"):
        if config.patch:
            patches = _lay_grid(slide, contours, params, config)
            slides.update(name, n_patches=str(len(patches)))
            if not len(patches):
                return _empty(name, "no_patches", "no patch passes contour_fn; try four_pt or a smaller patch", config)
            write_coords(config.coords_path(slide_id), patches)
        if config.stitch:
            _stitch(slide, slide_id, config)
    return Result(name, "processed")


def _empty(name: str, status: str, reason: str, config: PatchingConfig) -> Result:
    if config.patch:  # coordinates of an earlier run would no longer be true
        config.coords_path(slide_id_of(name)).unlink(missing_ok=True)
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
        save_path=str(Path(config.save_dir) / "patches"),
        custom_downsample=config.custom_downsample,
        patch_size_level0=grid.patch_size_level0[0],
        mpp=slide.mpp,
        made_with={**params.as_text(), "step_size": str(config.read_step_px)},
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


def _advise(results: Sequence[Result]) -> None:
    """Name the slides that came out empty and what to change for them."""
    for status in EMPTY_STATUSES:
        empty = [result for result in results if result.status == status]
        if empty:
            names = ", ".join(result.item_id for result in empty)
            logger.warning("%d of %d slides %s: %s. %s", len(empty), len(results), status, names, empty[0].reason)
