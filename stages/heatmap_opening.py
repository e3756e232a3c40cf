"""What all slides of a heatmap run share: the trained models, and where bags come from; opened once in each process."""

from functools import cached_property, lru_cache

import torch

from stages.bag_source import BagSource
from stages.heatmap_config import HeatmapConfig
from stages.heatmap_models import AttentionModel, open_models
from utils.device import pick_device


class Opening:
    """Models and encoder of a configuration; sent to another process it is the configuration alone.

    Args:
        config: the configuration.
        device: where to compute.
    """

    def __init__(self, config: HeatmapConfig, device: torch.device) -> None:
        self._config = config
        self._device = device

    @cached_property
    def models(self) -> list[AttentionModel]:
        """The trained models, or a UsageError."""
        return open_models(self._config, self._device)

    @cached_property
    def source(self) -> BagSource:
        """Where bags of patches come from, or a UsageError."""
        return BagSource(self._config, self.models, self._device)

    def __reduce__(self) -> tuple:
        """Be opened anew where it is sent to."""
        return _of_this_process, (self._config.model_dump_json(),)


@lru_cache(1)
def _of_this_process(config: str) -> Opening:
    return Opening(HeatmapConfig.model_validate_json(config), pick_device())
