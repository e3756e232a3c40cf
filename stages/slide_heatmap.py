"""The heatmaps of one slide.

A coarse grid without overlap gives the predictions and the block maps; a fine grid with overlap gives the heatmaps.
With ``features_dir`` the coarse patches are those that features were extracted on, so a prediction is that of
``eval.py``.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from datasets.features_file import h5_path
from stages.bag_source import Bag, BagSource, patches_fingerprints
from stages.fine_attention import fine_attention
from stages.heatmap_config import HeatmapConfig
from stages.heatmap_models import AttentionModel, SlidePrediction
from stages.heatmap_opening import Opening
from stages.heatmap_outcome import PredictedValues, predicted_values, prediction_cells
from stages.heatmap_paths import CONTOURS, THUMBNAIL, HeatmapPaths
from stages.heatmap_report import SlideEntry
from stages.heatmap_tissue import (
    HeatmapTissue,
    patching_folder,
    segmented_tissue,
    selected_and_drawn,
    tissue_of_patching,
)
from stages.layer_pictures import LayerPictures
from stages.layer_scores import block_scores, fine_scores, kept_scale
from stages.outcomes.classification import Classification
from stages.runner import Result
from stages.shown_layers import ShownLayer, shown_layers
from stages.slide_exports import SlideExports
from utils.atomic import finished_files
from utils.errors import ItemError, one_line
from utils.fingerprint import array_sha256
from utils.names import slide_id_of
from wsi_core.attention_file import PatchScores, read_scores, write_scores
from wsi_core.contours import Contour
from wsi_core.coords_file import PatchCoords
from wsi_core.grid import Grid, Region, patch_coords
from wsi_core.heatmap import HEATMAP_DOWNSAMPLE, in_region
from wsi_core.heatmap_layers import Layer, ModelPrediction, SlideLayers, layers_path, write_layers
from wsi_core.heatmap_list import HeatmapRow
from wsi_core.overview import Overviews
from wsi_core.params import SlideParams
from wsi_core.patch_request import PlannedPatches
from wsi_core.resolution import Resolution, resolution_of
from wsi_core.segmentation import resolve_level
from wsi_core.slide import Slide
from wsi_core.tissue_scale import TissueScale

logger = logging.getLogger(__name__)

NO_PATCHES = "no_patches"


@dataclass(frozen=True)
class DrawnSlide:
    """What came of a slide.

    Attributes:
        result: its status.
        cells: of its row in the table of results: ``bag_size`` and those of ``prediction_cells``.
        entry: of the report; None where there is nothing to show.
    """

    result: Result
    cells: dict[str, str] = field(default_factory=dict)
    entry: SlideEntry | None = None


@dataclass(frozen=True)
class Job:
    """A slide to draw.

    Attributes:
        row: its row of the process list.
        params: its parameters of segmentation.
        config: the configuration.
        opening: the trained models, and where the bags of patches come from.
        path: its file; where there is none, what is wrong with that.
        overwrite: whether to compute again what an earlier run kept.
    """

    row: HeatmapRow
    params: SlideParams
    config: HeatmapConfig
    opening: Opening
    path: Path | ItemError
    overwrite: bool = False

    @property
    def models(self) -> Sequence[AttentionModel]:
        """The trained models."""
        return self.opening.models

    @property
    def source(self) -> BagSource:
        """Where the bags of patches come from."""
        return self.opening.source

    @cached_property
    def paths(self) -> HeatmapPaths:
        """Where its files go."""
        return HeatmapPaths(self.config, slide_id_of(self.row.name), self.row.label)


def draw(job: Job) -> Result:
    """Make all files of one slide; the result carries the ``DrawnSlide``.

    Raises:
        ItemError: see ``draw_slide``, or there is no such slide.
    """
    if isinstance(job.path, ItemError):
        raise job.path
    if job.overwrite:
        for kept in finished_files(job.paths.raw_folder, "*.h5"):
            kept.unlink()
    made = draw_slide(job.path, job)
    return replace(made.result, made=made)


def draw_slide(path: Path, job: Job) -> DrawnSlide:
    """Make all files of one slide.

    Raises:
        ItemError: the slide cannot be read, or its region or stored features do not serve.
    """
    config, row = job.config, job.row
    layers_path(job.paths.raw_folder, job.paths.slide_id).unlink(missing_ok=True)  # of an earlier run
    with config.open_slide(path) as slide:
        region = row.region(slide.size_level0) if config.heatmap_arguments.use_roi else None
        shown_level = resolve_level(slide, config.heatmap_arguments.vis_level, HEATMAP_DOWNSAMPLE, name="vis_level")
        mpp = config.patching_arguments.mpp
        resolution = resolution_of(slide.properties, name=row.name, in_row=row.resolution.mpp, in_command=mpp)
        request = config.patching_arguments.request.for_row(row.resolution)
        overviews = Overviews(slide)
        tissue = _tissue(slide, job, overviews, request.tissue_scale(resolution))
        contours = selected_and_drawn(tissue, slide, overviews, job.params, job.paths)
        if not contours:
            return DrawnSlide(Result(row.name, "no_tissue", tissue.nothing_left()))
        planned = request.on(slide, resolution)
        patch_size_level0 = planned.reading.size_level0
        pictures = LayerPictures(slide, contours, patch_size_level0, region, shown_level, resolution, job.paths)
        return _SlideHeatmap(job, slide, contours, region, planned, resolution, pictures).run()


def _tissue(slide: Slide, job: Job, overviews: Overviews, scale: TissueScale) -> HeatmapTissue:
    data, slide_id = job.config.data_arguments, job.paths.slide_id
    save_dir = patching_folder(data.patches_dir, data.features_dir)
    known = None
    if save_dir is not None and data.features_dir is not None:
        known = tissue_of_patching(save_dir, h5_path(data.features_dir, slide_id), slide, slide_id)
    return known or segmented_tissue(slide, overviews, job.params, scale)


@dataclass(frozen=True)
class _SlideHeatmap:
    """One slide while it is drawn; what is costly is computed when first needed."""

    job: Job
    slide: Slide
    contours: list[Contour]
    region: Region | None
    planned: PlannedPatches
    resolution: Resolution | None
    pictures: LayerPictures

    def run(self) -> DrawnSlide:
        """Make the files in the order of their cost, so that the cheap ones are there to look at early."""
        name = self.job.row.name
        if not len(self.coarse.coords):
            return DrawnSlide(Result(name, NO_PATCHES, "no patch lies in the tissue; use smaller patches"))
        for layer in self.layers:
            scores = block_scores(layer, self.coarse.coords)
            write_scores(self.paths.blockmap(layer.tag), scores)
            self.pictures.save_block_map(layer, scores)
        exports = SlideExports(self.slide, self.coarse, self.layers, self.paths)
        exports.write()
        fine: dict[ShownLayer, PatchScores] = {}
        result = Result(name, "processed")
        try:
            self.pictures.save_original()
            fine = self._fine_scores()
            self.pictures.save_heatmaps(fine)
        except ItemError as error:  # the predictions are known all the same
            result = Result(name, error.status, one_line(error), failed=error.status != NO_PATCHES)
        manifest = self._manifest(with_fine=bool(fine))
        self.pictures.save_overlays(fine if fine and self.region is None else self._coarse_scores())
        write_layers(self.paths.raw_folder, manifest)
        overlays = self.pictures.overlays(self.layers)
        entry = SlideEntry(
            manifest.slide_id, manifest.label, manifest.predictions, overlays, exports.sheet, result.reason
        )
        return DrawnSlide(result, self._cells(), entry)

    @property
    def paths(self) -> HeatmapPaths:
        """Where the files go."""
        return self.job.paths

    @property
    def config(self) -> HeatmapConfig:
        """The configuration."""
        return self.job.config

    @cached_property
    def coarse(self) -> Bag:
        """The patches without overlap, with features."""
        stored, source = self.config.data_arguments.features_dir, self.job.source
        if stored is not None:
            return source.stored_bag(Path(stored), self.paths.slide_id, self.planned.reading)
        return source.bag(self.slide.path, self._grid_coords(overlap=0), self.paths.raw(".h5"))

    @cached_property
    def predictions(self) -> dict[AttentionModel, SlidePrediction]:
        """What the models say of the slide."""
        return {model: model.predict(self.coarse.features) for model in self.job.models}

    @cached_property
    def values(self) -> dict[AttentionModel, PredictedValues]:
        """The same by the names of what they predict."""
        return {model: predicted_values(model.outcome, said.folds) for model, said in self.predictions.items()}

    @cached_property
    def layers(self) -> list[ShownLayer]:
        """The attention that is shown."""
        return [
            layer
            for model, said in self.predictions.items()
            for layer in shown_layers(model, said, self.config, self._label())
        ]

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

    def _fine_patches(self) -> PatchCoords:
        """Return the overlapping patches, of a region those that belong to it.

        Raises:
            ItemError: there is none.
        """
        overlap, which = self.config.patching_arguments.overlap, self.config.heatmap_arguments.roi_patches
        if self.region is None or which == "inside":
            patches = self._grid_coords(overlap, self.region)
        else:  # of the whole slide's grid, as those that the border cuts begin outside
            patches = self._grid_coords(overlap)
            belong = in_region(patches.coords, patches.patch_size_level0, self.region, which)
            patches = replace(patches, coords=patches.coords[belong])
        if not len(patches):
            raise ItemError("no patch of the fine grid lies in the region", NO_PATCHES)
        return patches

    def _fine_scores(self) -> dict[ShownLayer, PatchScores]:
        """Return percentiles or raw scores of the overlapping patches, as kept or computed now.

        Raises:
            ItemError: they are not to be computed, and no earlier run left them or it made them from something else.
        """
        patches = self._fine_patches()
        made_from = {layer: self._fine_made_from(layer, patches) for layer in self.layers}
        kept = {layer: read_scores(self.paths.fine_scores(layer.tag)) for layer in self.layers}
        if not self.config.heatmap_arguments.calc_heatmap:
            return {layer: self._checked(layer, kept[layer], made_from[layer]) for layer in self.layers}
        for facts in made_from.values():
            facts["encoder"] = self.job.source.encoder.fingerprint
        fine = {layer: one for layer, one in kept.items() if one is not None and one.made_from == made_from[layer]}
        missing = {layer.model: layer.prediction for layer in self.layers if layer not in fine}
        if missing:
            raw = fine_attention(self.job.source, self.slide.path, patches, self.coarse, missing)
            for layer in self.layers:
                if layer not in fine:
                    of_layer = raw[layer.model][:, layer.branch]
                    scores = fine_scores(layer, of_layer, patches.coords, self.config.heatmap_arguments)
                    fine[layer] = replace(scores, made_from=made_from[layer])
                    write_scores(self.paths.fine_scores(layer.tag), fine[layer])
        return {layer: fine[layer] for layer in self.layers}

    def _coarse_scores(self) -> dict[ShownLayer, PatchScores]:
        """Return the scores of the patches without overlap on the scale of those with it."""
        show, coords = self.config.heatmap_arguments, self.coarse.coords
        return {layer: fine_scores(layer, layer.raw_of_folds, coords, show) for layer in self.layers}

    def _fine_made_from(self, layer: ShownLayer, patches: PatchCoords) -> dict[str, str]:
        """Return what the scores depend on; the encoder, whose weights may be elsewhere, is not looked at here."""
        show = self.config.heatmap_arguments
        return {
            **patches_fingerprints(self.slide.path, patches),
            "checkpoint": layer.model.fingerprint,
            "predicted class": layer.class_name,
            "use_ref_scores": str(show.keeps_percentiles),
            "scale": kept_scale(layer, show),
            "reference scores": array_sha256(layer.raw_of_folds),  # patches that are among them too have theirs
        }

    def _checked(self, layer: ShownLayer, kept: PatchScores | None, made_from: dict[str, str]) -> PatchScores:
        """Return kept scores if they are those that would be computed now, as far as the file says."""
        path = self.paths.fine_scores(layer.tag)
        if kept is None:
            raise ItemError(f"calc_heatmap is false and {path} is missing", "no_heatmap")
        other = [name for name, value in made_from.items() if kept.made_from.get(name, value) != value]
        if other == ["slide"]:  # of the same tissue: most likely a copy, which is as new as its copying
            logger.warning("%s was made before %s was written", path, self.slide.path)
        elif other:
            raise ItemError(
                f"calc_heatmap is false, but {path} was made from other {', '.join(other)}; set calc_heatmap: true",
                "no_heatmap",
            )
        if not kept.made_from:
            logger.warning("%s does not say what it was made from; taken as it is", path)
        return kept

    def _cells(self) -> dict[str, str]:
        cells = {"bag_size": str(len(self.coarse.coords))}
        for model, values in self.values.items():
            cells |= prediction_cells(model.outcome, values, model.name)
        return cells

    def _manifest(self, *, with_fine: bool) -> SlideLayers:
        files = self.paths
        return SlideLayers(
            slide_id=files.slide_id,
            slide_file=self.slide.path.name,
            label=self._label(),
            size_level0=self.slide.size_level0,
            mpp=None if self.resolution is None else self.resolution.mpp,
            patch_size_level0=self.coarse.patches.patch_size_level0,
            contours=files.raw(CONTOURS).name,
            thumbnail=files.raw(THUMBNAIL).name,
            overlay=files.overlay(self.layers[0].tag).name,
            predictions=tuple(self._said_by(model) for model in self.job.models),
            layers=tuple(
                Layer(
                    model=layer.model.shown_name,
                    class_name=layer.class_name,
                    blockmap=files.blockmap(layer.tag).name,
                    fine=files.fine_scores(layer.tag).name if with_fine else "",
                )
                for layer in self.layers
            ),
        )

    def _label(self) -> str:
        """Return the name of the slide's class, or the label as it stands where nothing has names."""
        names, number = self.config.class_names, self.config.class_number(self.job.row.label)
        return names[number] if number is not None else self.paths.class_label

    def _said_by(self, model: AttentionModel) -> ModelPrediction:
        values, predicted = self.values[model], self.predictions[model].predicted
        outcome = model.outcome
        return ModelPrediction(
            model=model.shown_name,
            head=model.head.name,
            n_folds=model.n_folds,
            predicted=outcome.class_names[predicted] if isinstance(outcome, Classification) else "",
            values=values.mean,
            spread=values.spread or {},
        )


def attention_center_shift(overlap: float) -> float:
    """Return how far the four tested points lie from a patch's centre, as a part of half the patch.

    Patches that overlap more may reach further over the tissue's edge only if their outer parts are tissue too.
    """
    if overlap < 0.25:
        return 0.375
    return 0.5 if overlap < 0.95 else 0.625
