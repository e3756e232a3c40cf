"""Where tensors are computed: the first visible CUDA device, else the processor; and how much memory is left there."""

import logging
from collections.abc import Mapping

import torch

from utils.memory import memory_limit, memory_of_machine

logger = logging.getLogger(__name__)


def pick_device() -> torch.device:
    """Return CUDA where there is one (``CUDA_VISIBLE_DEVICES`` decides which), else the CPU, and say so."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    logger.info("computing on %s (%s), torch %s", device, name, torch.__version__)
    return device


def free_bytes(device: torch.device) -> int | None:
    """Return how much memory of a device can be had now; None where the system does not say."""
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserved
    stated = [memory_of_machine(), memory_limit()]  # without swapping, and where a container or job has a limit
    return min((free for _, free in filter(None, stated)), default=None)


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies in bfloat16; a processor that only imitates it is slower so than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    facts: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # early versions of torch do not know
    return facts.get("architecture") != "x86_64" or bool(facts["avx512_bf16"] or facts["amx_bf16"])
