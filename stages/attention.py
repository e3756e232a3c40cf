"""From patches of one slide to attention: features, prediction and scores, each computed once and kept.

What this program kept is used again only when it was made from the same slide, patches and encoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch

from datasets.encoder_facts import differing_facts, encoder_difference
from datasets.features_file import (
    Features,
    h5_path,
    provenance,
    read_features_h5,
    read_provenance,
    write_features_h5,
    write_features_pt,
)
from datasets.patches import SlidePatches
from models.checkpoint import load_model, read_checkpoint, settings_of
from models.checkpoint_facts import features_trained_on
from models.encoders.build import build_encoder
from models.encoders.encoder import Encoder
from models.encoders.registry import find_encoder
from models.heads.registry import find_head
from models.inference import BagPrediction, attention_of_class, bag_prediction
from stages.bag_memory import require_memory
from stages.encoding import SlideEncoder
from stages.fine_bags import place_in_bag
from stages.heatmap_config import HeatmapConfig
from stages.heatmap_outcome import outcome_of_model
from utils.errors import ItemError, UsageError
from utils.fingerprint import array_sha256, file_sha256, fingerprint
from wsi_core.coords_file import PatchCoords

FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class Bag:
    """The patches of a slide with their features, float32 (N, D)."""

    patches: PatchCoords
    features: np.ndarray

    @property
    def coords(self) -> np.ndarray:
        """Level-0 corners (N, 2)."""
        return self.patches.coords


class AttentionModel:
    """The trained model, and its encoder, which is built when first needed.

    Args:
        config: the configuration of the experiment.
        device: where to compute.

    Attributes:
        head: the facts of the model's head.
        outcome: what it predicts.

    Raises:
        UsageError: the checkpoint is missing, has no attention, or does not fit the configuration, such as an encoder
            that it was not trained on.
    """

    def __init__(self, config: HeatmapConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        settings = config.model_arguments
        self._model = load_model(
            Path(settings.ckpt_path),
            model_type=settings.model_type,
            model_size=settings.model_size,
            embed_dim=settings.embed_dim,
            drop_out=settings.drop_out,
            device=device,
        )
        self.head = find_head(settings_of(read_checkpoint(Path(settings.ckpt_path))).model_type)
        if not self._model.has_attention:
            raise UsageError(
                f"{settings.ckpt_path} is a {self.head.name}, which has no attention: all patches count the same, so "
                "there is nothing to draw; eval.py gives its predictions"
            )
        self.outcome = outcome_of_model(config, n_outputs=cast(int, self._model.n_classes))
        self._trained_on = features_trained_on(Path(settings.ckpt_path))
        self._named = {"encoder": find_encoder(config.encoder_arguments.model_name).name}
        self._refuse_other_encoder(self._named)  # before its weights are sought

    @cached_property
    def encoder(self) -> Encoder:
        """The patch encoder.

        Raises:
            UsageError: its weights cannot be had, or the model was trained on features of another encoder or length.
        """
        settings = self._config.encoder_arguments
        encoder = build_encoder(
            settings.model_name,
            checkpoint=settings.encoder_ckpt,
            target_patch_size=settings.target_img_size,
            device=self._device,
        )
        self._refuse_other_encoder(encoder.facts)
        if encoder.dim != self._model.embed_dim:
            raise UsageError(
                f"encoder {encoder.name} makes {encoder.dim} numbers, but {self._config.model_arguments.ckpt_path} "
                f"was trained on {self._model.embed_dim}; set encoder_arguments.model_name to the encoder of training"
            )
        return encoder

    def _refuse_other_encoder(self, configured: Mapping[str, str]) -> None:
        difference = encoder_difference(self._trained_on, configured)
        if difference:
            raise UsageError(
                f"{self._config.model_arguments.ckpt_path} was trained on other features than encoder_arguments make: "
                f"{difference}; configure the first"
            )

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the checkpoint."""
        return fingerprint(checkpoint=file_sha256(self._config.model_arguments.ckpt_path), model_type=self.head.name)

    def bag(self, slide_path: Path, patches: PatchCoords, cache: Path) -> Bag:
        """Return patches with their features, as kept in ``cache`` (h5, and pt beside it) or encoded now."""
        made_from = fingerprint(**patches_fingerprints(slide_path, patches), encoder=self.encoder.fingerprint)
        if read_provenance(cache).get(FINGERPRINT) == made_from:
            return Bag(patches, read_features_h5(cache).features)
        with self._encode(slide_path, [patches]) as slides:
            (features,) = slides.next_slide().features
        made = provenance(self.encoder.facts | self.encoder.run_facts, patches)
        write_features_h5(cache, Features(features, patches.coords, {**made, FINGERPRINT: made_from}))
        write_features_pt(cache.with_suffix(".pt"), features)
        return Bag(patches, features)

    def stored_bag(self, feat_dir: Path, slide_id: str, grid: PatchCoords) -> Bag:
        """Return what feature extraction left of a slide.

        Args:
            feat_dir: the feature folder.
            slide_id: the slide.
            grid: the patches of the configuration: say how large patches are where the file does not.

        Raises:
            ItemError: there are none, or they were made by another encoder than those of training and of the fine map,
                or from patches of another size, or have another length than the model's.
        """
        path = h5_path(feat_dir, slide_id)
        stored = read_features_h5(path)
        self._refuse_unlike(path, stored.made_from, grid)
        difference = encoder_difference(self._trained_on, stored.made_from)
        if difference:
            raise ItemError(
                f"{self._config.model_arguments.ckpt_path} was trained on other features than those in {path}: "
                f"{difference}"
            )
        if stored.features.shape[1] != self._model.embed_dim:
            raise ItemError(f"{path} has {stored.features.shape[1]} numbers, the model takes {self._model.embed_dim}")
        return Bag(_patches_of(stored, grid), stored.features)

    def _refuse_unlike(self, path: Path, made_from: Mapping[str, str], grid: PatchCoords) -> None:
        """Refuse features that cannot be ranked beside those of the fine map; older files say less."""
        asked = self._configured_encoder | grid.reading.as_text()
        read = made_from
        if read.get("patch_level") == "":  # coordinates of TRIDENT leave level and size to the reader
            read = {name: value for name, value in read.items() if name not in ("patch_level", "patch_size")}
        unlike = [*differing_facts(asked, made_from), *grid.reading.contradicted_by(read)]
        if unlike:
            name = unlike[0]
            raise ItemError(f"{path} was made with {name} {made_from[name]}, the configuration says {asked[name]}")

    @property
    def _configured_encoder(self) -> dict[str, str]:
        """The facts of the encoder; its name alone where no heatmap is computed: its weights may be elsewhere then."""
        if not self._config.heatmap_arguments.calc_heatmap:
            return self._named
        return self.encoder.facts

    def predict(self, features: np.ndarray) -> BagPrediction:
        """Run the model on a bag (N, D).

        Raises:
            ItemError: there is not enough memory for it.
        """
        require_memory(self._model, self.head, len(features), self._device)
        return bag_prediction(self._model, torch.from_numpy(features))

    def attention(self, slide_path: Path, patches: PatchCoords, bag: Bag, prediction: BagPrediction) -> np.ndarray:
        """Return raw attention, float32 (N,), of the patches of a fine map.

        Args:
            slide_path: the slide.
            patches: of the fine map: up to a hundred times those of the bag, or few of a region.
            bag: the patches that the slide is predicted from.
            prediction: what the model says of them; its branch is the one looked at.

        Raises:
            ItemError: a patch cannot be read, or there is not enough memory.
        """
        if not len(patches):
            return np.empty(0, np.float32)
        if self.head.context_free:
            return self._attention_in_blocks(slide_path, patches, prediction.predicted)
        return self._attention_in_bags(slide_path, patches, bag, prediction)

    def _attention_in_blocks(self, slide_path: Path, patches: PatchCoords, label: int) -> np.ndarray:
        """Score each patch by itself, so that no more than a batch of features is kept."""
        attention = np.empty(len(patches), np.float32)
        with self._encode(slide_path, [patches]) as slides:
            for block in slides.next_slide_in_blocks():
                raw = self.predict(block.features[0]).attention
                attention[block.numbers] = attention_of_class(raw, label)
        return attention

    def _attention_in_bags(
        self, slide_path: Path, patches: PatchCoords, bag: Bag, prediction: BagPrediction
    ) -> np.ndarray:
        """Score patches among those of the slide, as many at a time as ``stages.fine_bags`` says; see there."""
        placed = place_in_bag(patches.coords, bag.coords)
        attention = prediction.predicted_attention[placed.places]  # which is that of the bag's own patches
        rounds = placed.rounds()
        if not rounds:
            return attention
        with self._encode(slide_path, [replace(patches, coords=patches.coords[chosen]) for chosen in rounds]) as slides:
            for chosen in rounds:
                features = bag.features.copy()
                (features[placed.places[chosen]],) = slides.next_slide().features
                raw = attention_of_class(self.predict(features).attention, prediction.predicted)
                attention[chosen] = raw[placed.places[chosen]]
        return attention

    def _encode(self, slide_path: Path, sets: Sequence[PatchCoords]) -> SlideEncoder:
        batch_size = self._config.exp_arguments.batch_size
        data = self._config.data_arguments
        jobs = [SlidePatches(slide_path, patches, data.reader, data.max_memory_gb) for patches in sets]
        return SlideEncoder(jobs, [self.encoder], batch_size)


def patches_fingerprints(slide_path: Path, patches: PatchCoords) -> dict[str, str]:
    """Return what changes with the slide file, and what with its patches and how they are read."""
    stat = slide_path.stat()
    return {
        "slide": fingerprint(slide=[slide_path.name, stat.st_size, stat.st_mtime_ns]),
        "patches": fingerprint(
            coords=array_sha256(patches.coords),
            **patches.reading.as_text(),
        ),
    }


def _patches_of(stored: Features, grid: PatchCoords) -> PatchCoords:
    """Return the patches of stored features; what their file does not say is taken from ``grid``."""
    return PatchCoords(stored.coords, grid.reading.with_texts(stored.made_from))
