"""Networks run by torch: channels last, batch norm folded into convolutions, lower precision and compiled on demand."""

import copy
import logging

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.fx.proxy import TraceError

from models.encoders.batches import Forward

logger = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def torch_forward(network: nn.Module, device: torch.device, dtype: str, *, compiled: bool = False) -> Forward:
    """Return a function that runs a network.

    Args:
        network: float32, in evaluation mode; is left as it is.
        device: where it is to compute.
        dtype: "fp32", "bf16" or "fp16".
        compiled: whether torch.compile makes it faster, which takes a minute.
    """
    network = _folded(network).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cpu" and dtype != "fp32":
        network = network.to(DTYPES[dtype])
    run = torch.compile(network) if compiled else network
    if device.type == "cpu":
        return lambda batch: run(batch.to(DTYPES[dtype]))
    if dtype == "fp32":  # for good: the default rounds the inputs of convolutions to 10 bits
        torch.backends.cudnn.allow_tf32 = False

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "fp32"):
            return run(batch)

    return forward


def _folded(network: nn.Module) -> nn.Module:
    """Return a copy in which each convolution does the work of the batch norm behind it."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return copy.deepcopy(network)
    try:
        return fuse(network)
    except (TraceError, TypeError, RuntimeError, KeyError, AttributeError) as error:  # control flow torch.fx cannot see
        logger.debug("batch norm stays apart: %s", error)
        return copy.deepcopy(network)
