"""The heatmap of one slide.

A coarse grid without overlap gives the prediction and the block map; a fine grid with overlap gives the heatmap. With
``features_dir`` the coarse patches are those that features were extracted on, so the prediction is that of ``eval.py``.
"""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from models.inference import BagPrediction
from stages.attention import AttentionModel, Bag, patches_fingerprints
from stages.heatmap_config import HeatmapConfig, Sample
from stages.heatmap_outcome import prediction_cells
from stages.heatmap_paths import HeatmapPaths
from stages.runner import Result
from utils.errors import ItemError, one_line
from utils.fingerprint import array_sha256
from utils.names import slide_id_of
from utils.pictures import save_picture
from wsi_core.attention_file import PatchScores, read_scores, write_scores
from wsi_core.contours import Contour
from wsi_core.coords_file import PatchCoords
from wsi_core.drawing import draw_mask
from wsi_core.grid import Grid, Region, patch_coords
from wsi_core.heatmap import HEATMAP_DOWNSAMPLE, HeatmapStyle, draw_heatmap
from wsi_core.heatmap_list import HeatmapRow
from wsi_core.overview import Overviews
from wsi_core.params import SlideParams
from wsi_core.patch_reading import read_patch
from wsi_core.patch_request import PlannedPatches
from wsi_core.patch_sampling import sample_patches
from wsi_core.percentiles import percentiles_among, to_percentiles
from wsi_core.resolution import resolution_of
from wsi_core.segmentation import find_tissue, resolve_level, select, why_no_tissue, why_none_selected
from wsi_core.slide import Slide
from wsi_core.tissue_scale import TissueScale

logger = logging.getLogger(__name__)

# The block map and its picture are the same for every style of heatmap.
BLOCKMAP_STYLE = HeatmapStyle(cmap="jet", alpha=0.4)


def draw_slide(
    path: Path, row: HeatmapRow, params: SlideParams, config: HeatmapConfig, model: AttentionModel
) -> tuple[Result, dict[str, str]]:
    """Make all files of one slide.

    Args:
        path: the slide.
        row: its row of the process list.
        params: its parameters of segmentation.
        config: the configuration.
        model: the trained model.

    Returns:
        What became of it, and the cells that the results table gets: ``bag_size`` and those of ``prediction_cells``.

    Raises:
        ItemError: the slide cannot be read, or its region or stored features do not serve.
    """
    with config.open_slide(path) as slide:
        region = row.region(slide.size_level0) if config.heatmap_arguments.use_roi else None
        shown_level = resolve_level(slide, config.heatmap_arguments.vis_level, HEATMAP_DOWNSAMPLE, name="vis_level")
        patching = config.patching_arguments
        resolution = resolution_of(slide.properties, name=row.name, in_row=row.resolution.mpp, in_command=patching.mpp)
        request = patching.request.for_row(row.resolution)
        paths = HeatmapPaths(config, slide_id_of(row.name), row.label)
        scale = request.tissue_scale(resolution)
        contours, nothing_left = _find_tissue(slide, params, scale, mask=paths.raw("_mask.png"))
        if not contours:
            return Result(row.name, "no_tissue", nothing_left), {}
        planned = request.on(slide, resolution)
        return _SlideHeatmap(slide, row, contours, region, shown_level, planned, paths, config, model).run()


def _find_tissue(slide: Slide, params: SlideParams, scale: TissueScale, mask: Path) -> tuple[list[Contour], str]:
    """Return the tissue that is selected, which is drawn, or, without any, what to say; a wrong id draws all."""
    seg_level = scale.level_on(slide, params.seg_level, HEATMAP_DOWNSAMPLE)
    mask_level = resolve_level(slide, params.vis_level, HEATMAP_DOWNSAMPLE, name="vis_level")
    overviews = Overviews(slide)
    contours = found = find_tissue(scale.overview(overviews, seg_level), params, scale.area_unit_level0)
    try:
        contours = select(found, params)
    finally:
        if contours:
            save_picture(mask, draw_mask(overviews.at(mask_level), contours, params.line_thickness))
    if contours:
        return contours, ""
    if found:
        return [], why_none_selected(found)
    return [], why_no_tissue(scale.overview(overviews, seg_level), params, scale.area_unit_level0)


@dataclass(frozen=True)
class _SlideHeatmap:
    """One slide while it is drawn; what is costly is computed when first needed."""

    slide: Slide
    row: HeatmapRow
    contours: list[Contour]
    region: Region | None
    shown_level: int
    planned: PlannedPatches
    paths: HeatmapPaths
    config: HeatmapConfig
    model: AttentionModel

    def run(self) -> tuple[Result, dict[str, str]]:
        """Make the files in the order of their cost, so that the cheap ones are there to look at early."""
        if not len(self.coarse.coords):
            return Result(self.row.name, "no_patches", "no patch lies in the tissue; use smaller patches"), {}
        self._save_block_map()
        for sample in self.config.sample_arguments.samples:
            if sample.sample:
                self._save_samples(sample)
        cells = self._prediction_cells()
        try:
            return self._draw(), cells
        except ItemError as error:  # the prediction is known all the same
            return Result(self.row.name, error.status, one_line(error), failed=True), cells

    def _draw(self) -> Result:
        if self.config.heatmap_arguments.save_orig:
            size_px = self.slide.level_dimensions[self.shown_level]
            self._save(self.paths.original(self.shown_level), self.slide.read((0, 0), self.shown_level, size_px))
        fine = self._fine_scores()
        if not len(fine.coords):
            return Result(self.row.name, "no_patches", "no patch of the fine grid lies in the region")
        self._save(self.paths.heatmap, self._paint(fine))
        return Result(self.row.name, "processed")

    @cached_property
    def coarse(self) -> Bag:
        """The patches without overlap, with features."""
        stored = self.config.data_arguments.features_dir
        if stored is not None:
            return self.model.stored_bag(Path(stored), self.paths.slide_id, self._grid_coords(overlap=0))
        return self.model.bag(self.slide.path, self._grid_coords(overlap=0), self.paths.raw(".h5"))

    @cached_property
    def prediction(self) -> BagPrediction:
        """What the model says of the slide."""
        return self.model.predict(self.coarse.features)

    def _grid_coords(self, overlap: float, region: Region | None = None) -> PatchCoords:
        """Lay the attention grid: four_pt_hard, padded, with points that move outwards as patches overlap more."""
        planned = self.planned
        read_size_px = planned.reading.read_size_px
        step_px = max(1, int(read_size_px * (1 - overlap)))
        step_x, step_y = (step / read_size_px * step_px for step in planned.step_level0)
        grid = Grid(
            patch_size_level0=planned.patch_size_level0,
            step_level0=(step_x, step_y),
            slide_size_level0=self.slide.size_level0,
            contour_fn="four_pt_hard",
            center_shift=attention_center_shift(overlap) if self.config.heatmap_arguments.use_center_shift else 0,
            region=region,
        )
        return PatchCoords(patch_coords(self.contours, grid), planned.reading)

    def _save_block_map(self) -> None:
        scores = PatchScores(
            self.coarse.coords, self.prediction.predicted_attention, {"checkpoint": self.model.fingerprint}
        )
        write_scores(self.paths.raw("_blockmap.h5"), scores)
        level = self.slide.best_level(HEATMAP_DOWNSAMPLE)
        size = self.coarse.patches.patch_size_level0
        shown = to_percentiles(scores.scores) / 100
        picture = draw_heatmap(self.slide, self.contours, scores.coords, shown, size, level, BLOCKMAP_STYLE)
        save_picture(self.paths.raw("_blockmap.png"), picture)

    def _save_samples(self, sample: Sample) -> None:
        chosen, percentiles = sample_patches(
            self.prediction.predicted_attention,
            sample.k,
            sample.mode,
            seed=sample.seed,
            score_range=(sample.score_start, sample.score_end),
        )
        for rank, (index, score) in enumerate(zip(chosen, percentiles, strict=True)):
            x, y = (int(v) for v in self.coarse.coords[index])
            path = self.paths.sampled_patch(sample, self.prediction.predicted, rank, (x, y), score)
            save_picture(path, read_patch(self.slide, self.coarse.patches.reading, (x, y)))

    def _prediction_cells(self) -> dict[str, str]:
        return {
            "bag_size": str(len(self.coarse.coords)),
            **prediction_cells(self.model.outcome, self.prediction),
        }

    def _fine_scores(self) -> PatchScores:
        """Return percentiles, or raw scores without ``use_ref_scores``, of the overlapping patches.

        Raises:
            ItemError: they are not to be computed, and no earlier run left them or it made them from something else.
        """
        patches = self._grid_coords(self.config.patching_arguments.overlap, self.region)
        made_from = self._fine_made_from(patches)
        kept = read_scores(self.paths.fine_scores)
        if not self.config.heatmap_arguments.calc_heatmap:
            return self._checked(kept, made_from)
        made_from["encoder"] = self.model.encoder.fingerprint
        if kept is not None and kept.made_from == made_from:
            return kept
        attention = self.model.attention(self.slide.path, patches, self.coarse, self.prediction)
        scores = PatchScores(patches.coords, self._ranked(attention), made_from)
        write_scores(self.paths.fine_scores, scores)
        return scores

    def _fine_made_from(self, patches: PatchCoords) -> dict[str, str]:
        """Return what the scores depend on; the encoder, whose weights may be elsewhere, is not looked at here."""
        ranked = self.config.heatmap_arguments.use_ref_scores
        refers = ranked or not self.model.head.context_free
        return {
            **patches_fingerprints(self.slide.path, patches),
            "checkpoint": self.model.fingerprint,
            "predicted class": str(self.prediction.predicted),
            "use_ref_scores": str(ranked),
            "reference scores": array_sha256(self.prediction.predicted_attention) if refers else "",
        }

    def _checked(self, kept: PatchScores | None, made_from: dict[str, str]) -> PatchScores:
        """Return kept scores if they are those that would be computed now, as far as the file says."""
        if kept is None:
            raise ItemError(f"calc_heatmap is false and {self.paths.fine_scores} is missing", "no_heatmap")
        other = [name for name, value in made_from.items() if kept.made_from.get(name, value) != value]
        if other == ["slide"]:  # of the same tissue: most likely a copy, which is as new as its copying
            logger.warning("%s was made before %s was written", self.paths.fine_scores, self.slide.path)
        elif other:
            raise ItemError(
                f"calc_heatmap is false, but {self.paths.fine_scores} was made from other {', '.join(other)}; "
                "set calc_heatmap: true",
                "no_heatmap",
            )
        if not kept.made_from:
            logger.warning("%s does not say what it was made from; taken as it is", self.paths.fine_scores)
        return kept

    def _ranked(self, attention: np.ndarray) -> np.ndarray:
        """Return float32, as it is kept: the picture is the same whether scores were computed or kept."""
        if not self.config.heatmap_arguments.use_ref_scores:
            return attention
        return percentiles_among(attention, self.prediction.predicted_attention).astype(np.float32)

    def _paint(self, fine: PatchScores) -> np.ndarray:
        show = self.config.heatmap_arguments
        percentiles = fine.scores if show.use_ref_scores else to_percentiles(fine.scores)
        style = HeatmapStyle(
            cmap=show.cmap,
            alpha=show.alpha,
            blank_canvas=show.blank_canvas,
            blur=show.blur,
            overlap=self.config.patching_arguments.overlap,
            binarize=show.binarize,
            binary_thresh=show.binary_thresh,
        )
        size = self._grid_coords(0).patch_size_level0
        return draw_heatmap(
            self.slide, self.contours, fine.coords, percentiles / 100, size, self.shown_level, style, self.region
        )

    def _save(self, path: Path, picture: np.ndarray) -> None:
        """Save a finished picture, made smaller by ``custom_downsample``."""
        factor = self.config.heatmap_arguments.custom_downsample
        if factor > 1:
            size = (max(1, picture.shape[1] // factor), max(1, picture.shape[0] // factor))
            picture = np.asarray(Image.fromarray(picture).resize(size))
        save_picture(path, picture)


def attention_center_shift(overlap: float) -> float:
    """Return how far the four tested points lie from a patch's centre, as a part of half the patch.

    Patches that overlap more may reach further over the tissue's edge only if their outer parts are tissue too.
    """
    if overlap < 0.25:
        return 0.375
    return 0.5 if overlap < 0.95 else 0.625
