"""From patches of one slide to attention: features, prediction and scores, each computed once and kept.

A kept file is used again only when it was made from the same slide, patches, encoder and model.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from models.checkpoint import bag_prediction, load_model
from models.encoders.build import Encoder, build_encoder

from stages.encoding import encode_patches
from stages.heatmap_config import HeatmapConfig
from utils.errors import UsageError
from utils.fingerprint import array_sha256, file_sha256, fingerprint
from wsi_core.coords_file import PatchCoords


@dataclass(frozen=True)
class Prediction:
    """What the model says of a bag: class probabilities (C,) and the attention (N,) of the predicted class, raw."""

    probabilities: np.ndarray
    attention: np.ndarray

    @property
    def predicted(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())


class AttentionModel:
    """The trained model and its encoder, loaded when first needed.

    Args:
        config: the configuration of the experiment.
        device: where to compute.

    Raises:
        UsageError: the checkpoint or the encoder's weights are missing or do not fit.
    """

    def __init__(self, config: HeatmapConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        settings = config.model_arguments
        self._model = load_model(
            Path(settings.ckpt_path),
            model_type=settings.model_type,
            model_size=settings.model_size,
            drop_out=settings.drop_out,
            n_classes=config.exp_arguments.n_classes,
            embed_dim=settings.embed_dim,
            device=device,
        )

    @cached_property
    def encoder(self) -> Encoder:
        """The patch encoder."""
        settings = self._config.encoder_arguments
        return build_encoder(
            settings.model_name,
            checkpoint=settings.encoder_ckpt,
            target_patch_size=settings.target_img_size,
            device=self._device,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the checkpoint."""
        settings = self._config.model_arguments
        return fingerprint(checkpoint=file_sha256(settings.ckpt_path), model_type=settings.model_type)

    def check_encoder(self) -> None:
        """Refuse an encoder whose features have another length than the model was trained on.

        Raises:
            UsageError: names both.
        """
        if self.encoder.dim != self._model.embed_dim:
            raise UsageError(
                f"{self._config.encoder_arguments.model_name} makes features of length {self.encoder.dim}, but "
                f"{self._config.model_arguments.ckpt_path} was trained on {self._model.embed_dim}"
            )

    def features(self, slide_path: Path, patches: PatchCoords) -> np.ndarray:
        """Encode patches; float32 (N, D)."""
        return encode_patches(slide_path, patches, self.encoder, self._config.exp_arguments.batch_size)

    def predict(self, features: np.ndarray) -> Prediction:
        """Run the model on a bag (N, D)."""
        result = bag_prediction(self._model, torch.from_numpy(features))
        rows = result.attention
        attention = rows[result.predicted if len(rows) > 1 else 0]
        return Prediction(np.asarray(result.probabilities), np.asarray(attention))

    def patches_fingerprint(self, slide_path: Path, patches: PatchCoords) -> str:
        """Changes with the slide file, the patches and the encoder."""
        stat = slide_path.stat()
        return fingerprint(
            slide=[slide_path.name, stat.st_size, stat.st_mtime_ns],
            coords=array_sha256(patches.coords),
            read=[patches.patch_size_px, patches.patch_level, patches.custom_downsample],
            encoder=self.encoder.fingerprint,
        )
