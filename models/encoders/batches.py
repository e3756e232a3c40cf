"""Batches of pixels through a network: moved to its device, cut to what suits it, halved where memory runs out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from models.encoders.encoder import Launched
from models.encoders.transform import Transform

logger = logging.getLogger(__name__)

Forward = Callable[[torch.Tensor], torch.Tensor]
# What stays in the processor's caches; larger batches are no faster there.
CPU_BATCH = 16


@dataclass
class NetworkLaunch:
    """Runs a network on batches of bytes.

    Attributes:
        forward: float32 (B, 3, h, w) -> (B, D).
        transform: uint8 (B, H, W, 3) -> the network's input.
        device: where both compute.
        at_most: patches that go through the network at once; becomes smaller when memory runs out.
    """

    forward: Forward
    transform: Transform
    device: torch.device
    at_most: int = field(default=0)

    def __post_init__(self) -> None:
        self.at_most = self.at_most or (CPU_BATCH if self.device.type == "cpu" else 2**30)

    @torch.inference_mode()
    def __call__(self, batch: torch.Tensor) -> Launched:
        """Start encoding uint8 (B, H, W, 3); its memory may be used again when this returns."""
        if self.device.type == "cpu":
            return Launched(self._parts(batch))
        parts = [part.to("cpu", non_blocking=True) for part in self._parts(batch.pin_memory())]
        arrived = torch.cuda.Event()
        arrived.record(torch.cuda.current_stream(self.device))
        return Launched(parts, arrived.synchronize)

    def _parts(self, batch: torch.Tensor) -> list[torch.Tensor]:
        parts, done = [], 0
        while done < len(batch):
            part = batch[done : done + self.at_most]
            features = self._encoded(part)
            if features is None:
                self._halve(len(part))
            else:
                parts.append(features)
                done += len(part)
        return parts

    def _encoded(self, part: torch.Tensor) -> torch.Tensor | None:
        """Return the features of some patches, None where there is no memory for so many."""
        try:
            on_device = part.to(self.device, non_blocking=True)
            return self.forward(self.transform(on_device)).float()
        except torch.cuda.OutOfMemoryError:
            if len(part) == 1:
                raise
        return None  # the error is gone, and the memory that it held on to

    def _halve(self, n_patches: int) -> None:
        self.at_most = n_patches // 2
        torch.cuda.empty_cache()
        logger.warning("memory of %s ran out: from now on %d patches at once", self.device, self.at_most)
