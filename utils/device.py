"""Where tensors are computed: the first visible CUDA device, else the processor."""

import logging
from collections.abc import Mapping

import torch

logger = logging.getLogger(__name__)


def pick_device() -> torch.device:
    """Return CUDA where there is one (``CUDA_VISIBLE_DEVICES`` decides which), else the CPU, and say so."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    logger.info("computing on %s (%s), torch %s", device, name, torch.__version__)
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies in bfloat16; a processor that only imitates it is slower so than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    facts: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # early versions of torch do not know
    return facts.get("architecture") != "x86_64" or bool(facts["avx512_bf16"] or facts["amx_bf16"])
