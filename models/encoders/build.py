"""Encoders by name."""

import logging

import torch

from models.encoders.encoder import Encoder
from models.encoders.handcrafted import Descriptor, as_features
from models.encoders.registry import NO_RESIZE, EncoderSpec, find_encoder
from models.encoders.transform import Normalise, ResizeShortSide
from models.encoders.weights import find_weights, weights_sha256
from utils.errors import UsageError

logger = logging.getLogger(__name__)


def build_encoder(
    name: str,
    *,
    checkpoint: str | None = None,
    target_patch_size: int | None = None,
    device: torch.device | str = "cpu",
) -> Encoder:
    """Build an encoder, ready to use.

    Args:
        name: one of the registry's.
        checkpoint: local file of weights; None: the environment variable's or the hub's.
        target_patch_size: short side in pixels that patches are resized to; -1: as they are; None: the encoder's.
        device: where networks compute.

    Raises:
        UsageError: unknown name, wrong size, or weights that cannot be had or do not fit.
    """
    spec = find_encoder(name)
    size_px = spec.input_size_px if target_patch_size is None else target_patch_size
    if size_px < 1 and size_px != NO_RESIZE:
        raise UsageError(f"target patch size {size_px}: pixels, or -1 for patches as they are")
    if spec.family == "handcrafted":
        return _build_handcrafted(spec, checkpoint, size_px)
    from models.encoders.network import NetworkEncode, build_network  # timm takes seconds to import

    device = torch.device(device)
    weights = find_weights(spec, checkpoint)
    built = build_network(spec, weights)
    spec = built.spec
    assert spec.mean is not None and spec.std is not None
    encode = NetworkEncode(built.network.to(device), Normalise(spec.mean, spec.std, device), device)
    logger.info("encoder %s: %d numbers, patches resized to %s px, weights %s", name, spec.dim, size_px, weights)
    return Encoder(spec, size_px, weights_sha256(weights), ResizeShortSide(size_px), encode)


def _build_handcrafted(spec: EncoderSpec, checkpoint: str | None, size_px: int) -> Encoder:
    if checkpoint is not None:
        raise UsageError("handcrafted has no weights: leave --encoder_ckpt out")
    logger.info("encoder %s: %d numbers of stain and texture, no weights", spec.name, spec.dim)
    return Encoder(spec, size_px, "", Descriptor(ResizeShortSide(size_px)), as_features)
