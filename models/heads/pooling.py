"""Mean and maximum of the instances' embeddings: what attention has to be better than."""

from typing import Any, ClassVar

import torch
from torch import nn

from models.bag_output import BagOutput, log_share
from models.heads.base import EmbeddingHead, State, shown_by, size_name, width_of
from models.settings import ModelSettings

SIZES = {"small": 512, "big": 1024}  # embedding of an instance


class MeanPool(EmbeddingHead):
    """The mean of the embeddings, then a linear classifier. All instances count the same.

    Args: as for ``EmbeddingHead``.
    """

    has_attention: ClassVar[bool] = False

    def __init__(self, embed_dim: int, n_classes: int, width: int, drop_out: float) -> None:
        super().__init__(embed_dim, n_classes, width, drop_out)
        # the name tells a checkpoint from that of MaxPool, which has the same shapes
        self.classifier_of_mean = nn.Linear(width, n_classes)

    def forward(self, h: torch.Tensor) -> BagOutput:
        """Answer for one bag (N, embed_dim); the raw scores (1, N) are zero."""
        logits = self.classifier_of_mean(self.embedding(h).mean(dim=0, keepdim=True))
        return BagOutput.of(logits, h.new_zeros(1, len(h)))


class MaxPool(EmbeddingHead):
    """The maximum over the instances of each number of the embedding, then a linear classifier.

    Args: as for ``EmbeddingHead``.
    """

    def __init__(self, embed_dim: int, n_classes: int, width: int, drop_out: float) -> None:
        super().__init__(embed_dim, n_classes, width, drop_out)
        self.classifier_of_max = nn.Linear(width, n_classes)

    def forward(self, h: torch.Tensor) -> BagOutput:
        """Answer for one bag (N, embed_dim); an instance's raw score (1, N) is the log of its part in the maxima."""
        largest, whose = self.embedding(h).max(dim=0)  # (width,), (width,)
        part = h.new_zeros(len(h)).index_add(0, whose, largest.detach())
        return BagOutput.of(self.classifier_of_max(largest[None]), log_share(part[None]))


def build(settings: ModelSettings) -> EmbeddingHead:
    """Return an untrained model."""
    pool = MeanPool if settings.model_type == "mean_pool" else MaxPool
    return pool(settings.embed_dim, settings.n_classes, SIZES[settings.model_size], settings.drop_out)


def recognise(state: State) -> dict[str, Any] | None:
    """Return what the parameters show of the settings; None where they are another head's."""
    for kind in ("mean", "max"):
        classifier = f"classifier_of_{kind}"
        if f"{classifier}.weight" in state:
            size = size_name(SIZES, width_of(state))
            return {"model_type": f"{kind}_pool", "model_size": size, **shown_by(state, classifier)}
    return None
