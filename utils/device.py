"""Where tensors are computed: the first visible CUDA device, else the processor."""

import logging

import torch

logger = logging.getLogger(__name__)


def pick_device() -> torch.device:
    """Return CUDA where there is one (``CUDA_VISIBLE_DEVICES`` decides which), else the CPU, and say so."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    logger.info("computing on %s (%s), torch %s", device, name, torch.__version__)
    return device
