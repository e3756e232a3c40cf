"""Image towers of open_clip, without the text tower beside them."""

from typing import Any

import torch
from torch import nn

from models.encoders.family import Family
from models.encoders.packages import import_for
from models.encoders.spec import EncoderSpec

COCA = "coca_"


class ImageTower(nn.Module):
    """An image tower under the name that it has in the whole model."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (B, D) of a batch (B, 3, H, W); CoCa's tower also gives tokens for its captions."""
        output = self.visual(batch)
        return output[0] if isinstance(output, tuple) else output


def _create(spec: EncoderSpec) -> nn.Module:
    if dict(spec.options).get("timm"):
        trunk = import_for(spec, "open_clip.timm_model").TimmModel
        return ImageTower(trunk(spec.architecture, spec.dim, image_size=spec.input_size_px, pool="", proj="linear"))
    return ImageTower(_whole_model(spec).visual)


def _whole_model(spec: EncoderSpec) -> Any:
    open_clip = import_for(spec, "open_clip")
    config = dict(open_clip.get_model_config(spec.architecture))
    config.pop("custom_text", None)
    config["vision_cfg"] = {**config["vision_cfg"], **dict(spec.options)}
    return (open_clip.CoCa if spec.architecture.startswith(COCA) else open_clip.CLIP)(**config)


OPEN_CLIP = Family(_create, all_in_weights=True, packages=("open_clip",))
