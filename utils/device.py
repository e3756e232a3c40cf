"""Where tensors are computed: the first visible CUDA device, else the processor; and how much memory is left there."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


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
    stated = [_available_to_all(), _left_to_container()]
    return min((number for number in stated if number is not None), default=None)


def _available_to_all() -> int | None:
    """Read MemAvailable: what Linux can give without swapping."""
    if not MEMINFO.is_file():
        return None
    found = re.search(r"^MemAvailable:\s*(\d+) kB", MEMINFO.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _left_to_container() -> int | None:
    """Read the limit of a container (cgroup v2) and what is used of it."""
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if not limit.is_file() or not used.is_file() or limit.read_text().strip() == "max":
        return None
    return int(limit.read_text()) - int(used.read_text())


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies in bfloat16; a processor that only imitates it is slower so than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    facts: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # early versions of torch do not know
    return facts.get("architecture") != "x86_64" or bool(facts["avx512_bf16"] or facts["amx_bf16"])
