"""What every encoder is, once built: bytes of patches in, features out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from models.encoders.registry import EncoderSpec
from utils.fingerprint import fingerprint


@dataclass(frozen=True)
class Encoder:
    """A built encoder.

    Attributes:
        spec: its facts.
        target_patch_size_px: short side that patches are resized to; -1: as they are.
        weights_sha256: of the file of weights; empty where there are none.
        prepare: uint8 RGB (H, W, 3) of a patch → array; runs in the processes that read slides, so it can be pickled.
        encode: a batch of prepared patches, stacked → float32 (B, D) on the CPU.
    """

    spec: EncoderSpec
    target_patch_size_px: int
    weights_sha256: str
    prepare: Callable[[np.ndarray], np.ndarray]
    encode: Callable[[torch.Tensor], torch.Tensor]

    @property
    def name(self) -> str:
        """What ``--model_name`` takes."""
        return self.spec.name

    @property
    def dim(self) -> int:
        """Numbers in a feature."""
        return self.spec.dim

    @property
    def facts(self) -> dict[str, str]:
        """What a feature depends on beside the patch, as texts: the network, its weights, the size of its input."""
        return {
            "encoder": self.name,
            "weights_sha256": self.weights_sha256,
            "target_patch_size": str(self.target_patch_size_px),
        }

    @property
    def fingerprint(self) -> str:
        """Changes with the facts."""
        return fingerprint(**self.facts)
