"""Networks run by OpenVINO, on the processor."""

import warnings

import numpy as np
import openvino
import torch
from openvino.preprocess import PrePostProcessor
from torch import nn

from models.encoders.batches import Forward

_PRECISION = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def native_dtypes() -> list[str]:
    """Return the number formats that this processor computes in; asked for another one, OpenVINO takes one of these."""
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [dtype for dtype in _PRECISION if dtype.upper() in capabilities]


def openvino_forward(network: nn.Module, example: torch.Tensor, dtype: str) -> Forward:
    """Return a function that runs a network on batches of the example's shape, however many patches they have.

    Args:
        network: float32, in evaluation mode.
        example: float32 (B, 3, h, w).
        dtype: one of ``native_dtypes``.
    """
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing, about constants
        model = openvino.convert_model(network, example_input=example.contiguous(), input=[(-1, *example.shape[1:])])
    model = _with_channels_last(model)
    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISION[dtype],
        "PERFORMANCE_HINT": "LATENCY",  # all threads work on one batch
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def forward(batch: torch.Tensor) -> torch.Tensor:
        features = next(iter(request.infer(batch.permute(0, 2, 3, 1).numpy(), share_outputs=True).values()))
        return torch.from_numpy(np.array(features))  # the next batch overwrites the original

    return forward


def _with_channels_last(model: openvino.Model) -> openvino.Model:
    """Let a network take (B, h, w, 3), as pictures lie in memory."""
    steps = PrePostProcessor(model)
    steps.input().tensor().set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()
