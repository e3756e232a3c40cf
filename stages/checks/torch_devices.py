"""torch and the devices it computes on; on each a matrix is really multiplied."""

from collections.abc import Iterator
from pathlib import Path

import torch

from stages.checks.finding import Finding
from utils.errors import one_line

SIDE = 512
GIB = 1024**3
NVIDIA = Path("/dev/nvidiactl")  # there is a driver, so there is a GPU


def look() -> Iterator[Finding]:
    """Yield torch, and what each of its devices says to a small task."""
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    yield Finding("torch", "ok", f"{torch.__version__}, built with {build}, {torch.get_num_threads()} threads")
    yield of_device(torch.device("cpu"), f"multiplies; bfloat16 {'yes' if _has_bfloat16() else 'no'}")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            device = torch.device("cuda", number)
            yield of_device(device, torch.cuda.get_device_name(device))
    else:
        yield without_cuda(NVIDIA.exists())
    if torch.backends.mps.is_available():
        yield of_device(torch.device("mps"), "Apple GPU; the programs compute on CUDA or the processor")


def of_device(device: torch.device, name: str) -> Finding:
    """Multiply on a device and compare with what must come out."""
    advice = "restart the machine or job; nvidia-smi tells its state; CUDA_VISIBLE_DEVICES leaves a device out"
    try:
        product = torch.ones(SIDE, SIDE, device=device) @ torch.ones(SIDE, SIDE, device=device)
        right = bool((product == SIDE).all())
        memory = _memory(device)
    except (RuntimeError, AssertionError) as error:  # the second where torch is built without CUDA
        return Finding(str(device), "fail", f"{name}: {one_line(error)}", advice)
    if not right:
        return Finding(str(device), "fail", f"{name}: a product of matrices is wrong", advice)
    return Finding(str(device), "ok", f"{name}{memory}")


def without_cuda(has_driver: bool) -> Finding:
    """Say why there is no CUDA."""
    if not has_driver:
        return Finding("CUDA", "ok", "no GPU: the processor computes")
    if torch.version.cuda is None:
        return Finding("CUDA", "warn", "a GPU is there, but this torch is built without CUDA",
                       "pip install torch from https://pytorch.org for the driver that nvidia-smi names")  # fmt: skip
    return Finding("CUDA", "warn", f"a GPU is there, but torch cannot use it with CUDA {torch.version.cuda}",
                   "compare with nvidia-smi: a newer driver, or CUDA_VISIBLE_DEVICES is empty")  # fmt: skip


def _has_bfloat16() -> bool:
    from utils.device import has_bfloat16

    return has_bfloat16(torch.device("cpu"))


def _memory(device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    free, whole = torch.cuda.mem_get_info(device)
    return f", {free / GIB:.1f} of {whole / GIB:.1f} GiB free"
