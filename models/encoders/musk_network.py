"""MUSK, whose network lies in a package of its own that adds it to timm (Xiang et al., 2025).

https://doi.org/10.1038/s41586-024-08378-w
"""

from typing import Any

import timm
import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.packages import import_for
from models.encoders.spec import EncoderSpec


def _create(spec: EncoderSpec) -> nn.Module:
    import_for(spec, "musk.modeling")
    return timm.create_model(spec.architecture)


def _run(network: Any, batch: torch.Tensor, spec: EncoderSpec) -> torch.Tensor:
    pictures, _texts = network(image=batch, out_norm=False, return_global=True, **dict(spec.options))
    return pictures


MUSK = Family(_create, _run, packages=("musk.modeling",))
