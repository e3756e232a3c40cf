"""What is written of a slide beside the pictures of its heatmaps: tables, shapes for QuPath, and sampled patches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.bag_source import Bag
from stages.heatmap_config import Sample
from stages.heatmap_paths import HeatmapPaths
from stages.shown_layers import ShownLayer
from utils.pictures import save_picture
from wsi_core.attention_table import AttentionLayer, write_attention_table
from wsi_core.patch_reading import read_patch
from wsi_core.patch_sampling import sample_patches
from wsi_core.patch_sheet import PatchRow, SampledPatch, patch_sheet
from wsi_core.qupath_patches import write_patches_geojson
from wsi_core.slide import Slide

TABLE, SHAPES, SHEET = "_attention.csv", "_attention.geojson", "_patches.png"


@dataclass(frozen=True)
class SlideExports:
    """Writes the exports of one slide, of the patches that it is predicted from.

    Attributes:
        slide: the slide.
        bag: the patches.
        layers: their attention.
        paths: where the files go.
    """

    slide: Slide
    bag: Bag
    layers: Sequence[ShownLayer]
    paths: HeatmapPaths

    def write(self) -> None:
        """Write all that the configuration asks for."""
        asked = self.paths.config.export_arguments
        if asked.attention_csv:
            write_attention_table(
                self.paths.made(TABLE), self.paths.slide_id, self.bag.coords, self._size_level0, self._table_layers()
            )
        if asked.qupath_geojson:
            write_patches_geojson(self.paths.made(SHAPES), self.bag.coords, self._size_level0, self._measurements())
        rows = [row for sample in self._samples for row in self._save_samples(sample)]
        if rows:
            save_picture(self.paths.made(SHEET), patch_sheet(rows))

    @property
    def sheet(self) -> Path | None:
        """The picture of all sampled patches, where there are any."""
        return self.paths.made(SHEET) if self._samples else None

    @property
    def _size_level0(self) -> int:
        return self.bag.patches.patch_size_level0

    @property
    def _samples(self) -> list[Sample]:
        return [sample for sample in self.paths.config.sample_arguments.samples if sample.sample]

    def _table_layers(self) -> list[AttentionLayer]:
        return [
            AttentionLayer(
                model=layer.model.shown_name,
                class_name=layer.class_name,
                raw=layer.raw_of_folds.mean(axis=0),
                percentile=layer.percentiles_of_folds.mean(axis=0),
                spread=layer.percentiles_of_folds.std(axis=0) if layer.model.n_folds > 1 else None,
            )
            for layer in self.layers
        ]

    def _measurements(self) -> Mapping[str, np.ndarray]:
        """Return the scores (N,) of each layer by the name that QuPath shows."""
        measured = {}
        for layer in self.layers:
            percentiles = layer.percentiles_of_folds
            several = len(self.layers) > 1
            of = f" ({', '.join(filter(None, (layer.model.shown_name, layer.class_name)))})" if several else ""
            measured[f"Attention percentile{of}"] = percentiles.mean(axis=0)
            measured[f"Attention raw{of}"] = layer.raw_of_folds.mean(axis=0)
            if len(percentiles) > 1:
                measured[f"Attention spread{of}"] = percentiles.std(axis=0)
        return measured

    def _save_samples(self, sample: Sample) -> list[PatchRow]:
        """Save the patches of a sample, by each model, and return them as rows of the sheet."""
        rows = []
        for layer in self._predicted_layers():
            scores = layer.raw_of_folds[0] if layer.model.n_folds == 1 else layer.percentiles_of_folds.mean(axis=0)
            chosen, percentiles = sample_patches(
                scores, sample.k, sample.mode, seed=sample.seed, score_range=(sample.score_start, sample.score_end)
            )
            patches = [self._sampled(index, score) for index, score in zip(chosen, percentiles, strict=True)]
            for rank, patch in enumerate(patches):
                predicted = layer.prediction.predicted
                place, score = patch.corner_level0, patch.percentile
                path = self.paths.sampled_patch(sample, layer.model.name, predicted, rank, place, score)
                save_picture(path, patch.image)
            title = ": ".join(filter(None, (layer.model.name, sample.name)))
            rows.append(PatchRow(title, patches))
        return rows

    def _predicted_layers(self) -> list[ShownLayer]:
        """Return the first layer of each model, which is that of the predicted class where it is shown."""
        first: dict[object, ShownLayer] = {}
        for layer in self.layers:
            first.setdefault(layer.model, layer)
        return list(first.values())

    def _sampled(self, index: int, percentile: float) -> SampledPatch:
        x, y = (int(v) for v in self.bag.coords[index])
        return SampledPatch(read_patch(self.slide, self.bag.patches.reading, (x, y)), float(percentile), (x, y))
