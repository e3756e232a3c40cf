"""Networks run by ONNX Runtime, on the processor."""

import tempfile
import warnings
from pathlib import Path

import onnxruntime
import torch
from torch import nn

from models.encoders.batches import Forward

OPSET = 18


def onnx_forward(network: nn.Module, example: torch.Tensor) -> Forward:
    """Return a function that runs a network, in float32, on batches of the example's shape, however many patches.

    Args:
        network: float32, in evaluation mode.
        example: float32 (B, 3, h, w).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:  # a file: beyond 2 GiB weights lie beside the network
        path = Path(folder, "network.onnx")
        _export(network, example, path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(batch: torch.Tensor) -> torch.Tensor:
        (features,) = session.run(None, {"pixels": batch.contiguous().numpy()})
        return torch.from_numpy(features)

    return forward


def _export(network: nn.Module, example: torch.Tensor, path: Path) -> None:
    dynamic = {"pixels": {0: "patches"}, "features": {0: "patches"}}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing, about constants
        torch.onnx.export(
            network, (example.contiguous(),), str(path), input_names=["pixels"], output_names=["features"],
            dynamic_axes=dynamic, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
