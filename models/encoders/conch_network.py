"""CONCH, whose image encoder lies in a package of its own (Lu et al., 2024).

The package reads weights by torch's own loader and keeps silent about names that do not fit, so its network is made
here without weights, and filled as all others are. https://doi.org/10.1038/s41591-024-02856-4
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.packages import import_for
from models.encoders.spec import EncoderSpec

TEXT_PARTS = ("text", "text_decoder", "logit_scale")


def _create(spec: EncoderSpec) -> nn.Module:
    package = import_for(spec, "conch.open_clip_custom")
    path = Path(str(package.__file__)).parent / "model_configs" / f"{spec.architecture}.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("custom_text", None)
    network = package.CoCa(**config)
    for part in TEXT_PARTS:
        setattr(network, part, None)
    return network


def _run(network: Any, batch: torch.Tensor, spec: EncoderSpec) -> torch.Tensor:
    return network.encode_image(batch, normalize=False, **dict(spec.options))


CONCH = Family(_create, _run, packages=("conch.open_clip_custom",))
