"""What every encoder is, once built: bytes of patches in, features out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.encoders.spec import EncoderSpec
from models.encoders.transform import Geometry
from utils.fingerprint import fingerprint


@dataclass(frozen=True)
class Launched:
    """Features under way: a GPU still computes them while the next patches are fetched.

    Attributes:
        parts: features on their way to the CPU, in order.
        is_there: waits until they have arrived.
    """

    parts: Sequence[torch.Tensor]
    is_there: Callable[[], object] = lambda: None

    def wait(self) -> torch.Tensor:
        """Return the features, float32 (B, D) on the CPU."""
        self.is_there()
        return self.parts[0] if len(self.parts) == 1 else torch.cat(tuple(self.parts))


@dataclass(frozen=True)
class Encoder:
    """A built encoder.

    Attributes:
        spec: its facts.
        geometry: how patches are resized and cropped.
        weights_sha256: of the file of weights; empty where there are none.
        launch: starts encoding a batch: of pixels, uint8 RGB (B, H, W, 3), or of what ``prepare`` made of them.
        prepare: uint8 RGB (H, W, 3) of a patch -> array, run in the processes that read slides, so it can be pickled;
            None: takes the pixels.
        dtype: number format the network computes in.
        runtime: library that runs it.
        stain_norm: how stains are normalised first; empty: not at all.
        batch: how many patches it makes use of at once; None: any number.
    """

    spec: EncoderSpec
    geometry: Geometry
    weights_sha256: str
    launch: Callable[[torch.Tensor], Launched]
    prepare: Callable[[np.ndarray], np.ndarray] | None = None
    dtype: str = "fp32"
    runtime: str = "torch"
    stain_norm: str = ""
    batch: int | None = None

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
        """What a feature means, as texts: features that differ in one of these do not go together."""
        return {
            "encoder": self.spec.plain_name,
            "weights_sha256": self.weights_sha256,
            "pooling": self.spec.pooling,
            "normalisation": _normalisation(self.spec),
            "target_patch_size": str(self.geometry.resize_px),
            "interpolation": self.geometry.interpolation,
            "crop": str(self.geometry.cuts_px or ""),
            "stain_norm": self.stain_norm,
        }

    @property
    def run_facts(self) -> dict[str, str]:
        """How it was computed, which changes features by rounding at most, and where the weights come from."""
        return {"dtype": self.dtype, "runtime": self.runtime, "revision": self.spec.revision}

    @property
    def fingerprint(self) -> str:
        """Changes with the facts."""
        return fingerprint(**self.facts)

    def encode(self, batch: torch.Tensor) -> torch.Tensor:
        """Return features, float32 (B, D) on the CPU."""
        return self.launch(batch).wait()


def _normalisation(spec: EncoderSpec) -> str:
    if spec.mean is None or spec.std is None:
        return ""
    return "/".join(",".join(f"{value:g}" for value in values) for values in (spec.mean, spec.std))
