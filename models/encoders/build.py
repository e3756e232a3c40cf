"""Encoders by name."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.encoders.encoder import Encoder
from models.encoders.registry import find_encoder
from models.encoders.spec import NO_RESIZE, EncoderSpec
from models.encoders.transform import Geometry, Normalise, StainChange, Transform
from utils.errors import UsageError

logger = logging.getLogger(__name__)

MAX_INPUT_PX = 8192


@dataclass(frozen=True)
class HowToRun:
    """How a network is run; changes features by rounding at most.

    Attributes:
        dtype: number format, "fp32", "bf16", "fp16" or "auto": float32 on a processor, and on a GPU the encoder's.
        runtime: library, "torch", "onnxruntime", "openvino" or "auto": the fastest installed one with equal features.
        compiled: whether torch compiles the network.
        trust_remote_code: whether code of the hub may run, for encoders that consist of such.
        patch_px: side of the patches that will come; None: they differ, or it is not known.
        n_patches: how many will come; None: not known.
    """

    dtype: str = "auto"
    runtime: str = "torch"
    compiled: bool = False
    trust_remote_code: bool = False
    patch_px: int | None = None
    n_patches: int | None = None


def build_encoder(
    name: str,
    *,
    checkpoint: str | None = None,
    target_patch_size: int | None = None,
    device: torch.device | str = "cpu",
    run: HowToRun | None = None,
    stain: StainChange | None = None,
) -> Encoder:
    """Build an encoder, ready to use.

    Args:
        name: one of the registry's, ``timm:NAME`` or ``hf-hub:OWNER/NAME``.
        checkpoint: local weights, a file or a downloaded folder; None: the environment variable's or the hub's.
        target_patch_size: short side in pixels that patches are resized to; -1: as they are; None: the encoder's.
        device: where networks compute.
        run: how they are run.
        stain: normalises the stains of patches first.

    Raises:
        UsageError: unknown name, wrong size, or weights that cannot be had or do not fit.
    """
    spec = find_encoder(name)
    if target_patch_size not in (None, NO_RESIZE) and not 1 <= target_patch_size <= MAX_INPUT_PX:
        raise UsageError(
            f"target patch size {target_patch_size}: 1 to {MAX_INPUT_PX} pixels, or -1 for patches as they are"
        )
    if spec.family == "handcrafted":
        return _build_handcrafted(spec, checkpoint, target_patch_size, run or HowToRun(), stain)
    return _build_network(spec, checkpoint, target_patch_size, torch.device(device), run or HowToRun(), stain)


def _build_network(
    spec: EncoderSpec,
    checkpoint: str | None,
    target_patch_size: int | None,
    device: torch.device,
    run: HowToRun,
    stain: StainChange | None,
) -> Encoder:
    from models.encoders.batches import CPU_BATCH, NetworkLaunch
    from models.encoders.network import build_network, require_buildable  # timm takes seconds to import
    from models.encoders.runtimes.choice import Request, make_forward
    from models.encoders.weights import find_weights, revision_of, weights_sha256

    require_buildable(spec, trust_remote_code=run.trust_remote_code)  # before gigabytes are fetched, or asked for
    weights = find_weights(spec, checkpoint)
    built = build_network(spec, weights, trust_remote_code=run.trust_remote_code)
    spec = replace(built.spec, revision=revision_of(weights))
    geometry = Geometry.of(spec, target_patch_size)
    assert spec.mean is not None and spec.std is not None
    dtype = dtype_of(run.dtype, spec, device)
    request = Request(built.network, device, dtype, _input_px(geometry, run), spec.dim, run.compiled, run.n_patches)
    forward, runtime = make_forward(request, run.runtime)
    launch = NetworkLaunch(forward, Transform(geometry, Normalise(spec.mean, spec.std, device), stain), device)
    _say_how(spec, geometry, weights, dtype, runtime)
    sha256, stain_norm, batch = weights_sha256(weights), _stain_text(stain), CPU_BATCH if device.type == "cpu" else None
    return Encoder(spec, geometry, sha256, launch, dtype=dtype, runtime=runtime, stain_norm=stain_norm, batch=batch)


def _build_handcrafted(
    spec: EncoderSpec, checkpoint: str | None, target_patch_size: int | None, run: HowToRun, stain: StainChange | None
) -> Encoder:
    from models.encoders.handcrafted import Descriptor, as_features  # scikit-image takes a second to import

    if checkpoint is not None:
        raise UsageError("handcrafted has no weights: leave --encoder_ckpt out")
    if run.compiled or run.dtype not in ("auto", "fp32") or run.runtime not in ("auto", "torch"):
        logger.warning("handcrafted has no network: --compile, --dtype and --runtime change nothing of it")
    geometry = Geometry.of(spec, target_patch_size)
    logger.info("encoder %s: %d numbers of stain and texture, no weights", spec.name, spec.dim)
    describe, stain_norm = Descriptor(geometry, stain), _stain_text(stain)
    return Encoder(spec, geometry, "", as_features, describe, runtime="numpy", stain_norm=stain_norm, batch=1)


def dtype_of(asked: str, spec: EncoderSpec, device: torch.device) -> str:
    """Return the number format that a network computes in, where "auto" may be asked for."""
    if asked != "auto":
        return asked
    return "fp32" if device.type == "cpu" else spec.autocast


def _input_px(geometry: Geometry, run: HowToRun) -> tuple[int, int] | None:
    """Return the width and height that the network gets, None where they are not known before."""
    if geometry.crop_px is None and geometry.resize_px == NO_RESIZE and run.patch_px is None:
        return None
    side_px = run.patch_px or 1  # whatever it is, a square is resized to the same
    return geometry.input_px(side_px, side_px)


def _stain_text(stain: StainChange | None) -> str:
    return "" if stain is None else stain.describe


def _say_how(spec: EncoderSpec, geometry: Geometry, weights: Path, dtype: str, runtime: str) -> None:
    size = "as they are" if geometry.resize_px == NO_RESIZE else f"resized to {geometry.resize_px} px"
    cropped = "" if geometry.crop_px in (None, geometry.resize_px) else f", {geometry.crop_px} px cut from the middle"
    logger.info("encoder %s: %d numbers, patches %s%s, %s by %s, weights %s",
                spec.name, spec.dim, size, cropped, dtype, runtime, weights)  # fmt: skip
