"""The patches of one slide: its outlines, mask, coordinates and stitch.

Coordinates that are there already are kept, as days of work hang on them; the pictures asked for are made all the same.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from stages.kept_patches import (
    CHOSEN_SEG_LEVEL,
    DROPPED,
    N_CONTOURS,
    how_they_differ,
    kept_patches,
    made_with,
    without_what_exists,
)
from stages.patch_quality import drop_bad_patches
from stages.patching_config import PatchingConfig
from stages.runner import Result
from stages.slide_job import SlideJob, failing_as
from stages.slide_tissue import Tissue, find_tissue_of
from utils.errors import ItemError, one_line
from utils.pictures import save_picture
from wsi_core.contours import Contour
from wsi_core.coords_file import PatchCoords, read_coords, write_coords
from wsi_core.drawing import draw_mask, draw_stitch
from wsi_core.grid import Grid, patch_coords
from wsi_core.outlines.geojson_file import is_edited, write_geojson
from wsi_core.overview import Overviews
from wsi_core.params import SlideParams
from wsi_core.patch_reading import PatchReading, read_patch
from wsi_core.patch_request import PlannedPatches
from wsi_core.resolution import Resolution
from wsi_core.segmentation import SEGMENTATION_DOWNSAMPLE, select, why_no_tissue, why_none_selected
from wsi_core.slide import Slide
from wsi_core.slide_folder import PATCHES
from wsi_core.tissue_scale import TissueScale

logger = logging.getLogger(__name__)

STITCH_DOWNSAMPLE = 64


def patch_slide(job: SlideJob) -> Result:
    """Make what is asked of one slide.

    Returns:
        What became of it, with cells for its row of the process list: levels, resolution and counts.

    Raises:
        ItemError: the slide cannot be opened.
    """
    if job.fault:
        raise ItemError(job.fault, "failed_open")
    kept = kept_patches(job)
    if kept is None:
        return _patch(job, job.config)
    reason = how_they_differ(kept, job)
    cells = _cells_of(kept)
    todo = without_what_exists(job.config, job.slide_id)
    if not (todo.seg or todo.stitch):
        return Result(job.name, "already_exist", reason, cells=cells)
    made = _patch(job, todo)
    # also where a trial finds nothing the coordinates are there
    status = made.status if made.failed else "already_exist"
    return replace(
        made, status=status, reason="; ".join(filter(None, (made.reason, reason))), cells={**cells, **made.cells}
    )


def _cells_of(kept: PatchCoords) -> dict[str, str]:
    """Return what a file of coordinates tells, for the process list."""
    return {
        "base_mpp": "" if kept.mean_mpp is None else f"{kept.mean_mpp:g}",
        "n_contours": kept.made_with.get(N_CONTOURS, ""),
        **reading_cells(kept.reading),
        "dropped": kept.made_with.get(DROPPED, ""),
        "n_patches": str(len(kept)),
    }


def _patch(job: SlideJob, todo: PatchingConfig) -> Result:
    with job.open() as slide:
        return SlidePatching(slide, job, todo).run()


@dataclass(frozen=True)
class SlidePatching:
    """One open slide while it is worked on; what is costly is computed when first needed.

    Attributes:
        slide: the slide.
        job: what is asked of it.
        todo: the run, less what is there already.
    """

    slide: Slide
    job: SlideJob
    todo: PatchingConfig

    def run(self) -> Result:
        """Make what is asked for; what was found out before a failure is told with it."""
        cells: dict[str, str] = {}
        try:
            status, reason = self._run(cells)
        except ItemError as error:
            return Result(self.job.name, error.status, one_line(error) + self._what_is_kept(), failed=True, cells=cells)
        return Result(self.job.name, status, reason, cells=cells)

    def _run(self, cells: dict[str, str]) -> tuple[str, str]:
        cells.update({name: self.params.as_text()[name] for name in ("seg_level", "vis_level")})
        if self.resolution is not None:
            cells["base_mpp"] = f"{self.resolution.mpp:g}"
        if self.todo.seg or self.todo.patch:
            contours = self._segment()
            cells["n_contours"] = str(len(contours))
            if not contours:
                cells.update({"n_patches": "0"} if self.todo.patch else {})
                return self._empty("no_tissue", self.why_no_tissue)
        with failing_as("failed_patch"):
            if self.todo.patch:
                cells.update(reading_cells(self.planned.reading))
                coords, cells["dropped"] = self.good_coords
                cells["n_patches"] = str(len(coords))
                self.todo.stitch_path(self.job.slide_id).unlink(missing_ok=True)  # it shows patches of an earlier run
                if not len(coords):
                    return self._empty("no_patches", self.why_no_patches(cells["dropped"]))
                self._write_coords(coords, cells["dropped"])
            if self.todo.stitch:
                self._stitch()
        return "processed", ""

    @cached_property
    def params(self) -> SlideParams:
        """The parameters, with levels that the slide has."""
        return self.job.params_on(self.slide, self.scale)

    @cached_property
    def resolution(self) -> Resolution | None:
        """Micrometres per pixel, where they are known."""
        return self.job.resolution_of(self.slide)

    @property
    def scale(self) -> TissueScale:
        """The scale at which tissue is looked for."""
        return self.job.request.tissue_scale(self.resolution)

    @cached_property
    def overviews(self) -> Overviews:
        """Small pictures of the slide."""
        return Overviews(self.slide)

    @cached_property
    def tissue(self) -> Tissue:
        """Where tissue is."""
        with failing_as("failed_seg"):
            return find_tissue_of(self.slide, self.overviews, self.job, self.params, self.scale)

    @cached_property
    def contours(self) -> list[Contour]:
        """The tissue that is looked at: after ``keep_ids`` and ``exclude_ids``."""
        with failing_as("failed_seg"):
            return select(self.tissue.contours, self.params)

    @cached_property
    def planned(self) -> PlannedPatches:
        """How patches are read on this slide, and how far apart they are."""
        with failing_as("failed_patch"):
            return self.job.request.on(self.slide, self.resolution)

    @cached_property
    def coords(self) -> np.ndarray:
        """The patches before any is left out for its quality, int64 (N, 2)."""
        grid = Grid(
            patch_size_level0=self.planned.patch_size_level0,
            step_level0=self.planned.step_level0,
            slide_size_level0=self.slide.size_level0,
            contour_fn=self.params.contour_fn,
            use_padding=self.params.use_padding,
            origin=self.todo.grid_origin,
        )
        return patch_coords(self.contours, grid, self.tissue.regions)

    @cached_property
    def good_coords(self) -> tuple[np.ndarray, str]:
        """The patches that are kept, and how many were left out for which reason."""
        return drop_bad_patches(self.slide, self.coords, self.planned, self.contours, self.todo.quality)

    def _segment(self) -> list[Contour]:
        """Find tissue, and draw it: all that was found where an id to keep is none of it."""
        found = self.tissue.contours
        try:
            contours = self.contours
        except ItemError:
            self._draw(found)
            raise
        self._draw(contours)
        return contours

    def _draw(self, contours: list[Contour]) -> None:
        if not self.todo.seg:
            return
        overview = self.overviews.at(self.params.vis_level)
        picture = draw_mask(overview, contours, self.params.line_thickness, self.tissue.regions)
        save_picture(self.todo.mask_path(self.job.slide_id), picture)
        if not (self.todo.mask_dir or self.todo.no_seg):
            self._write_outlines(self.tissue.contours)

    def _write_outlines(self, contours: list[Contour]) -> None:
        path = self.todo.outlines_path(self.job.slide_id)
        if is_edited(path):
            logger.warning("%s was edited and is kept; --mask_dir %s takes it for tissue", path, path.parent)
        else:
            write_geojson(path, contours)

    @property
    def why_no_tissue(self) -> str:
        """What to change where no contour is left."""
        if self.tissue.contours:
            return why_none_selected(self.tissue.contours)
        if self.job.config.mask_dir:
            return "the outlines of --mask_dir are empty"
        overview = self.scale.overview(self.overviews, self.params.seg_level)
        return why_no_tissue(overview, self.params, self.scale.area_unit_level0)

    def why_no_patches(self, dropped: str) -> str:
        """Say what to change where there is tissue and no patch is left; ``dropped`` is what the filters took."""
        if len(self.coords):
            return f"no patch of {len(self.coords)} is good enough ({dropped}); relax these limits"
        where = " and in the regions of --roi" if self.tissue.regions is not None else ""
        return f"no patch passes contour_fn{where}; try four_pt or a smaller patch"

    def _what_is_kept(self) -> str:
        path = self.todo.coords_path(self.job.slide_id)
        return f"; {path.parent.name}/{path.name} is of an earlier run" if self.todo.patch and path.is_file() else ""

    def _empty(self, status: str, reason: str) -> tuple[str, str]:
        if self.todo.patch:  # what an earlier run made would no longer be true
            self.todo.coords_path(self.job.slide_id).unlink(missing_ok=True)
            self.todo.stitch_path(self.job.slide_id).unlink(missing_ok=True)
        return status, reason

    def _write_coords(self, coords: np.ndarray, dropped: str) -> None:
        reading = self.planned.reading
        assert reading.level is not None
        request = self.job.request
        patches = PatchCoords(
            coords=coords,
            reading=reading,
            downsample_xy=self.slide.level_downsamples[reading.level],
            level_size=self.slide.level_dimensions[reading.level],
            slide_size=self.slide.size_level0,
            name=self.job.slide_id,
            save_path=os.path.join(self.todo.save_dir, PATCHES),  # noqa: PTH118  as typed: a Path would drop ./
            overlap_px=request.patch_size_px - request.step_size_px,
            mpp=None if self.resolution is None else self.resolution.mpp_xy,
            mpp_source="" if self.resolution is None else self.resolution.source,
            made_with={
                **made_with(self.job),
                "seg_level": str(self.params.seg_level),
                CHOSEN_SEG_LEVEL: str(self.scale.level_on(self.slide, -1, SEGMENTATION_DOWNSAMPLE)),
                N_CONTOURS: str(len(self.contours)),
                DROPPED: dropped,
            },
        )
        images = self._images(patches) if self.todo.save_patches else None
        write_coords(self.todo.coords_path(self.job.slide_id), patches, images)

    def _images(self, patches: PatchCoords) -> Iterator[np.ndarray]:
        return (read_patch(self.slide, patches.reading, (int(x), int(y))) for x, y in patches.coords)

    def _stitch(self) -> None:
        patches = read_coords(self.todo.coords_path(self.job.slide_id))
        overview = self.overviews.at(self.slide.best_level(STITCH_DOWNSAMPLE))
        picture = draw_stitch(overview, patches.coords, patches.patch_size_level0)
        save_picture(self.todo.stitch_path(self.job.slide_id), picture)


def reading_cells(reading: PatchReading) -> dict[str, str]:
    """Return, for the process list, how patches of a slide are read; TRIDENT's files leave the level open."""
    if reading.level is None:
        return {}
    return {
        "read_level": str(reading.level),
        "read_size": str(reading.read_size_px),
        "resize_factor": f"{reading.resize_factor:.4g}",
    }
