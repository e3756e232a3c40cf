"""The pictures of a slide's layers: block maps, heatmaps at the asked level, and small ones to look through."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.finished_picture import FinishedPicture, save_painted
from stages.heatmap_config import HeatmapArguments
from stages.heatmap_outcome import predicted_values
from stages.heatmap_paths import THUMBNAIL, HeatmapPaths
from stages.layer_scores import ShownValues, shown_spread, shown_values, threshold_of
from stages.shown_layers import ShownLayer
from utils.pictures import made_smaller, save_picture
from wsi_core.attention_file import PatchScores
from wsi_core.contours import Contour
from wsi_core.grid import Region
from wsi_core.heatmap import HEATMAP_DOWNSAMPLE, HeatmapPainter, HeatmapStyle
from wsi_core.heatmap_legend import Legend
from wsi_core.heatmap_memory import reduction_within
from wsi_core.resolution import Resolution
from wsi_core.slide import Slide

logger = logging.getLogger(__name__)

OVERLAY_PX = 1024
OVERVIEW_GIB = 1.0  # what a small picture may take while it is painted
# The block map and its picture are the same for every style of heatmap.
BLOCKMAP_STYLE = HeatmapStyle(cmap="jet", alpha=0.4)


@dataclass(frozen=True)
class LayerPictures:
    """Draws the layers of one slide.

    Attributes:
        slide: the slide.
        contours: its tissue, in level-0 pixels.
        patch_size_level0: side of a patch.
        region: the heatmaps show this part alone; None: all.
        level: the level of the heatmaps.
        resolution: of the slide; None where it is not known.
        paths: where the files go.
    """

    slide: Slide
    contours: list[Contour]
    patch_size_level0: int
    region: Region | None
    level: int
    resolution: Resolution | None
    paths: HeatmapPaths

    def save_block_map(self, layer: ShownLayer, scores: PatchScores) -> None:
        """Draw the patches that the slide is predicted from."""
        shown = layer.percentiles_of_folds.mean(axis=0) / 100
        save_picture(self.paths.blockmap(layer.tag, ".png"), self._overview(scores.coords, shown, BLOCKMAP_STYLE))

    def save_overlays(self, scores: Mapping[ShownLayer, PatchScores]) -> None:
        """Draw a small picture of each layer's finest map."""
        for layer, of_layer in scores.items():
            shown, style = self._shown(layer, of_layer)
            picture = self._overview(of_layer.coords, shown.values, style)
            save_picture(self.paths.overlay(layer.tag), made_smaller(picture, OVERLAY_PX))

    def overlays(self, layers: Sequence[ShownLayer]) -> list[tuple[str, Path]]:
        """Return these small pictures, each with words for it, the slide by itself first."""
        words = {layer: " ".join(filter(None, (layer.model.name, layer.class_name))) for layer in layers}
        drawn = [(words[layer] or "attention", self.paths.overlay(layer.tag)) for layer in layers]
        return [("slide", self.paths.raw(THUMBNAIL)), *drawn]

    def save_original(self) -> None:
        """Save the slide without colours, at the level of the heatmaps, where that is asked for."""
        if not self._show.save_orig:
            return
        made = self._planned(region=None)
        nothing, none = np.empty((0, 2), np.int64), np.empty(0)
        with HeatmapPainter(
            self.slide, [], nothing, none, self.patch_size_level0, made.level, HeatmapStyle()
        ) as painter:
            self._save(self.paths.original(made.level, made.extension), painter, made)

    def save_heatmaps(self, scores: Mapping[ShownLayer, PatchScores]) -> None:
        """Draw each layer at the level that is asked for, and of an ensemble how far its folds differ."""
        made = self._planned(self.region)
        for layer, of_layer in scores.items():
            shown, style = self._shown(layer, of_layer)
            self._save_heatmap(layer, layer.tag, of_layer.coords, shown, style, made)
            if of_layer.spread is not None:
                spread, plain = shown_spread(of_layer), replace(style, binarize=False)
                self._save_heatmap(layer, f"{layer.tag}_spread", of_layer.coords, spread, plain, made)

    @property
    def _show(self) -> HeatmapArguments:
        return self.paths.config.heatmap_arguments

    def _shown(self, layer: ShownLayer, scores: PatchScores) -> tuple[ShownValues, HeatmapStyle]:
        """Return scores on the scale of colours, and the style of a heatmap of them."""
        show = self._show
        shown = shown_values(scores, layer, show)
        style = HeatmapStyle(
            cmap=show.cmap,
            alpha=show.alpha,
            blank_canvas=show.blank_canvas,
            blur=show.blur,
            overlap=self.paths.config.patching_arguments.overlap,
            binarize=show.binarize,
            binary_thresh=threshold_of(show, shown, scores),
        )
        return shown, style

    def _overview(self, coords: np.ndarray, values: np.ndarray, style: HeatmapStyle) -> np.ndarray:
        level = self.slide.best_level(HEATMAP_DOWNSAMPLE)
        size = self.patch_size_level0
        with HeatmapPainter(self.slide, self.contours, coords, values, size, level, style) as painter:
            return painter.whole(reduction_within(self.slide, level, OVERVIEW_GIB))

    def _planned(self, region: Region | None) -> FinishedPicture:
        max_memory_gb = self.paths.config.data_arguments.max_memory_gb
        return FinishedPicture.planned(self.slide, self.level, self._show, max_memory_gb, region)

    def _save_heatmap(
        self,
        layer: ShownLayer,
        tag: str,
        coords: np.ndarray,
        shown: ShownValues,
        style: HeatmapStyle,
        made: FinishedPicture,
    ) -> None:
        # a level that was not asked for shows in the name; -1 stands for any
        level = made.level if made.level != self.level else self._show.vis_level
        path = self.paths.heatmap(tag, level, made.extension)
        size, region, roi = self.patch_size_level0, self.region, self._show.roi_patches
        with HeatmapPainter(
            self.slide, self.contours, coords, shown.values, size, made.level, style, region, roi
        ) as painter:
            self._save(path, painter, made, self._legend(layer, shown) if self._show.legend else None)

    def _save(self, path: Path, painter: HeatmapPainter, made: FinishedPicture, legend: Legend | None = None) -> None:
        save_painted(
            path,
            painter,
            made,
            custom_downsample=self._show.custom_downsample,
            legend=legend,
            mpp_level0_xy=None if self.resolution is None else self.resolution.mpp_xy,
        )

    def _legend(self, layer: ShownLayer, shown: ShownValues) -> Legend:
        model, config = layer.model, self.paths.config
        said = predicted_values(model.outcome, layer.prediction.folds).mean
        lines = [
            f"model: {model.described}",
            "predicted: " + ", ".join(f"{name} {value:.3f}" for name, value in said.items()),
            f"encoder: {config.encoder_arguments.model_name}",
        ]
        if layer.class_name:
            lines.insert(1, f"attention for: {layer.class_name}")
        return Legend(self._show.cmap, shown.low, shown.high, f"{self.paths.slide_id}: {shown.title}", lines)
