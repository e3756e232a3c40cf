"""Bags of patches with features: as feature extraction left them, as this program kept them, or encoded now.

What this program kept is used again only when it was made from the same slide, patches and encoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from datasets.encoder_facts import differing_facts
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
from models.encoders.build import HowToRun, build_encoder
from models.encoders.encoder import Encoder
from models.encoders.registry import find_encoder
from stages.encoding import SlideEncoder
from stages.heatmap_config import HeatmapConfig
from stages.heatmap_models import AttentionModel
from utils.errors import ItemError, UsageError
from utils.fingerprint import array_sha256, fingerprint
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading

FINGERPRINT = "fingerprint"
FEW_PATCHES = 256  # are read here: to start processes takes longer


@dataclass(frozen=True)
class Bag:
    """The patches of a slide with their features, float32 (N, D)."""

    patches: PatchCoords
    features: np.ndarray

    @property
    def coords(self) -> np.ndarray:
        """Level-0 corners (N, 2)."""
        return self.patches.coords


class BagSource:
    """Where bags come from; its encoder is built when first needed.

    Args:
        config: the configuration of the experiment.
        models: that take the bags.
        device: where to compute.

    Raises:
        UsageError: a model was not trained on features of the configured encoder.
    """

    def __init__(self, config: HeatmapConfig, models: Sequence[AttentionModel], device: torch.device) -> None:
        self._config = config
        self._models = models
        self._device = device
        self._named = {"encoder": find_encoder(config.encoder_arguments.model_name).plain_name}
        self._refuse_other_encoder(self._named)  # before its weights are sought

    @cached_property
    def encoder(self) -> Encoder:
        """The patch encoder.

        Raises:
            UsageError: its weights cannot be had, or a model was trained on features of another encoder or length.
        """
        settings = self._config.encoder_arguments
        encoder = build_encoder(
            settings.model_name,
            checkpoint=settings.encoder_ckpt,
            target_patch_size=settings.target_img_size,
            device=self._device,
            run=HowToRun(trust_remote_code=settings.trust_remote_code),
        )
        self._refuse_other_encoder(encoder.facts)
        for model in self._models:
            if encoder.dim != model.embed_dim:
                raise UsageError(
                    f"encoder {encoder.name} makes {encoder.dim} numbers, but {model.checkpoint} was trained on "
                    f"{model.embed_dim}; set encoder_arguments.model_name to the encoder of training"
                )
        return encoder

    def _refuse_other_encoder(self, configured: Mapping[str, str]) -> None:
        for model in self._models:
            why = model.why_not_trained_on(configured, "encoder_arguments make")
            if why:
                raise UsageError(f"{why}; configure the first")

    @property
    def encoder_name(self) -> str:
        """The name of the configured encoder."""
        return self._named["encoder"]

    def bag(self, slide_path: Path, patches: PatchCoords, cache: Path) -> Bag:
        """Return patches with their features, as kept in ``cache`` (h5, and pt beside it) or encoded now."""
        made_from = fingerprint(**patches_fingerprints(slide_path, patches), encoder=self.encoder.fingerprint)
        if read_provenance(cache).get(FINGERPRINT) == made_from:
            return Bag(patches, read_features_h5(cache).features)
        with self.encode(slide_path, [patches]) as slides:
            (features,) = slides.next_slide().features
        made = provenance(self.encoder.facts | self.encoder.run_facts, patches)
        write_features_pt(cache.with_suffix(".pt"), features)
        # last: by its fingerprint both are taken for complete
        write_features_h5(cache, Features(features, patches.coords, {**made, FINGERPRINT: made_from}))
        return Bag(patches, features)

    def stored_bag(self, feat_dir: Path, slide_id: str, asked: PatchReading) -> Bag:
        """Return what feature extraction left of a slide.

        Args:
            feat_dir: the feature folder.
            slide_id: the slide.
            asked: how the configuration reads patches; says how large they are where the file does not.

        Raises:
            ItemError: there are none, or they were made by another encoder than those of training and of the fine map,
                or from patches of another size, or have another length than a model's.
        """
        path = h5_path(feat_dir, slide_id)
        stored = read_features_h5(path)
        self._refuse_unlike(path, stored.made_from, asked)
        for model in self._models:
            why = model.why_not_trained_on(stored.made_from, f"those in {path}")
            if why:
                raise ItemError(why)
            if stored.features.shape[1] != model.embed_dim:
                raise ItemError(
                    f"{path} has {stored.features.shape[1]} numbers, {model.checkpoint} takes {model.embed_dim}"
                )
        return Bag(_patches_of(stored, asked), stored.features)

    def encode(self, slide_path: Path, sets: Sequence[PatchCoords]) -> SlideEncoder:
        """Return what encodes sets of patches of a slide, one set after the other."""
        batch_size = self._config.exp_arguments.batch_size
        data = self._config.data_arguments
        jobs = [SlidePatches(slide_path, patches, data.reader, data.max_memory_gb) for patches in sets]
        is_short = sum(map(len, sets)) <= FEW_PATCHES
        return SlideEncoder(jobs, [self.encoder], batch_size, num_workers=0 if is_short else None)

    def _refuse_unlike(self, path: Path, made_from: Mapping[str, str], reading: PatchReading) -> None:
        """Refuse features that cannot be ranked beside those of the fine map; older files say less."""
        asked = self._configured_encoder | reading.as_text()
        read = made_from
        if read.get("patch_level") == "":  # coordinates of TRIDENT leave level and size to the reader
            read = {name: value for name, value in read.items() if name not in ("patch_level", "patch_size")}
        unlike = [*differing_facts(asked, made_from), *reading.contradicted_by(read)]
        if unlike:
            name = unlike[0]
            raise ItemError(f"{path} was made with {name} {made_from[name]}, the configuration says {asked[name]}")

    @property
    def _configured_encoder(self) -> dict[str, str]:
        """The facts of the encoder; its name alone where no heatmap is computed: its weights may be elsewhere then."""
        if not self._config.heatmap_arguments.calc_heatmap:
            return self._named
        return self.encoder.facts


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


def _patches_of(stored: Features, asked: PatchReading) -> PatchCoords:
    """Return the patches of stored features; what their file does not say is taken from ``asked``."""
    return PatchCoords(stored.coords, asked.with_texts(stored.made_from))
