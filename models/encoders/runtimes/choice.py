"""Which library runs a network: the one asked for, or the fastest installed one that gives the same features."""

import importlib.util
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from models.encoders.batches import Forward
from models.encoders.runtimes.torch_runtime import torch_forward
from utils.errors import UsageError, one_line

logger = logging.getLogger(__name__)

PACKAGES = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("openvino",)}

TRIAL_BATCH = 8
MAX_DIFFERENCE = 1e-5  # of features in float32, relative to the largest
MIN_COSINE = 0.999  # of features in lower precision to those in float32
# Converting a network takes seconds and its memory three times over: not for few patches, nor for a giant network.
MIN_PATCHES = 1000
MAX_PARAMETERS = 4e8


@dataclass(frozen=True)
class Request:
    """A network and how to run it.

    Attributes:
        network: float32, in evaluation mode, on the CPU.
        device: where it is to compute.
        dtype: "fp32", "bf16" or "fp16".
        input_px: width and height of its input; None: they differ.
        dim: how many numbers a picture should give; None: any.
        compiled: whether torch is to compile it.
        n_patches: how many there will be, None if that is not known.
    """

    network: nn.Module
    device: torch.device
    dtype: str
    input_px: tuple[int, int] | None
    dim: int | None = None
    compiled: bool = False
    n_patches: int | None = None


def make_forward(request: Request, runtime: str) -> tuple[Forward, str]:
    """Return a function that runs the network, and the name of the library it uses.

    Raises:
        UsageError: the library asked for is not installed, or cannot run this network here, or the network cannot take
            patches of this size.
    """
    if runtime == "auto":
        return _fastest(request)
    if runtime == "torch":
        return _by_torch(request), runtime
    obstacle = _obstacle(runtime, request)
    if obstacle:
        raise UsageError(f"--runtime {runtime} {obstacle}")
    _run_once(request.network, request)
    try:
        return _converted(runtime, request), runtime
    except _FAILURES as error:
        raise UsageError(f"--runtime {runtime} cannot run this encoder ({one_line(error)}): pass torch") from error


# What the converters raise at networks with operations that they do not know, and networks at sizes they are not for.
_FAILURES = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError, AssertionError,
)  # fmt: skip


def _obstacle(runtime: str, request: Request) -> str:
    """Say why a library other than torch cannot run a network here, and what to do; "" where nothing is known."""
    missing = [package for package in PACKAGES[runtime] if importlib.util.find_spec(package) is None]
    if missing:
        return f"needs {' and '.join(missing)}: pip install {' '.join(missing)}"
    if request.compiled:
        return "is not compiled by torch: leave --compile out, or pass --runtime torch"
    if request.device.type != "cpu":
        return f"computes on processors; on {request.device} pass torch or auto"
    if request.input_px is None:
        return "needs patches of one size: pass --target_patch_size, or --runtime torch"
    if runtime == "onnxruntime" and request.dtype != "fp32":
        return f"computes in fp32, not {request.dtype}: pass openvino or torch"
    if runtime == "openvino":
        from models.encoders.runtimes.openvino_runtime import native_dtypes

        if request.dtype not in native_dtypes():
            return f"computes in {' and '.join(native_dtypes())} on this processor, not {request.dtype}: pass torch"
    return ""


def _by_torch(request: Request) -> Forward:
    try:
        forward = torch_forward(request.network, request.device, request.dtype, compiled=request.compiled)
        if request.input_px is not None:
            _run_once(forward, request)
        return forward
    except torch.cuda.OutOfMemoryError as error:
        raise UsageError(
            f"the encoder does not fit in the free memory of {request.device}: choose another GPU with "
            "CUDA_VISIBLE_DEVICES or --gpus, or fewer encoders at once"
        ) from error


@torch.inference_mode()
def _run_once(forward: Forward, request: Request) -> None:
    """Encode a picture before a slide is opened: what fails here fails on all slides. Compiles, where that is asked."""
    assert request.input_px is not None
    n_pictures = TRIAL_BATCH if request.compiled else 1  # torch compiles anew for a batch of one
    try:
        features = forward(_trial(request)[:n_pictures].to(request.device))
    except torch.cuda.OutOfMemoryError:
        raise
    except _FAILURES as error:
        reason = one_line(error).partition(" Set TORCHDYNAMO_VERBOSE")[0]
        if request.compiled:
            raise UsageError(f"--compile: torch cannot compile this encoder here, leave it out ({reason})") from error
        width_px, height_px = request.input_px
        raise UsageError(
            f"the encoder cannot take pictures of {width_px} x {height_px} px in {request.dtype} ({reason}): choose "
            "another size with --target_patch_size, or leave it out"
        ) from error
    if request.dim is not None and features.shape != (n_pictures, request.dim):
        shape = " x ".join(str(length) for length in features.shape[1:])
        raise UsageError(
            f"the encoder gives {shape or 'no'} numbers for a picture, not the {request.dim} it is known for"
        )


def _converted(runtime: str, request: Request) -> Forward:
    example = _trial(request)[:2]
    if runtime == "openvino":
        from models.encoders.runtimes.openvino_runtime import openvino_forward

        return openvino_forward(request.network, example, request.dtype)
    from models.encoders.runtimes.onnx_runtime import onnx_forward

    return onnx_forward(request.network, example)


def _fastest(request: Request) -> tuple[Forward, str]:
    by_torch = _by_torch(request)
    candidates = list(_candidates(request))
    if not candidates:
        return by_torch, "torch"
    batch = _trial(request)
    with torch.inference_mode():
        exact = request.network(batch).float()
        timed = [(_seconds(by_torch, batch), by_torch, "torch")]
        for name, make in candidates:
            forward = _if_equal(name, make, batch, exact, request.dtype)
            if forward is not None:
                timed.append((_seconds(forward, batch), forward, name))
    seconds, forward, name = min(timed, key=lambda entry: entry[0])
    logger.info("run by %s, the fastest of %s here: %.0f patches/s", name, ", ".join(n for _, _, n in timed),
                len(batch) / seconds)  # fmt: skip
    return forward, name


def _candidates(request: Request) -> Iterator[tuple[str, Callable[[], Forward]]]:
    """Yield the other libraries that are installed and suit the network and the number of patches."""
    few = request.n_patches is not None and request.n_patches < MIN_PATCHES
    if request.compiled or few:
        return
    if sum(parameter.numel() for parameter in request.network.parameters()) > MAX_PARAMETERS:
        return
    for runtime in PACKAGES:
        if not _obstacle(runtime, request):
            yield runtime, lambda runtime=runtime: _converted(runtime, request)  # type: ignore[misc]


def _if_equal(
    name: str, make: Callable[[], Forward], batch: torch.Tensor, exact: torch.Tensor, dtype: str
) -> Forward | None:
    """Return what a library makes of the network if it gives the features of torch, None if not or if it cannot."""
    try:
        forward = make()
        features = forward(batch).float()
    except _FAILURES as error:
        logger.debug("%s cannot run this encoder: %s", name, one_line(error))
        return None
    if is_equal(features, exact, dtype):
        return forward
    logger.warning("%s gives other features than torch, so it is not used", name)
    return None


def is_equal(features: torch.Tensor, exact: torch.Tensor, dtype: str) -> bool:
    """Tell whether features (B, D) are those of the plain network in float32, as far as their number format goes."""
    if features.shape != exact.shape or not torch.isfinite(features).all():
        return False
    if dtype == "fp32":
        return bool((features - exact).abs().max() <= MAX_DIFFERENCE * max(1.0, float(exact.abs().max())))
    return bool(torch.nn.functional.cosine_similarity(features, exact).min() >= MIN_COSINE)


def _seconds(forward: Forward, batch: torch.Tensor) -> float:
    forward(batch)  # the first batch pays for what is set up
    start_s = time.perf_counter()
    forward(batch)
    return time.perf_counter() - start_s


def _trial(request: Request) -> torch.Tensor:
    """Return numbers such as normalised pixels are, always the same."""
    assert request.input_px is not None
    width_px, height_px = request.input_px
    batch = torch.randn(TRIAL_BATCH, 3, height_px, width_px, generator=torch.Generator().manual_seed(0))
    return batch.contiguous(memory_format=torch.channels_last)
