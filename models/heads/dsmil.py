"""DSMIL: every instance is looked at from the most convincing one of each class.

Li, Li, Eliceiri 2021, "Dual-stream multiple instance learning network for whole slide image classification with
self-supervised contrastive learning", CVPR. The first stream scores each instance; the instance of the largest score
of a class is its critical one. The second stream weights the instances by the likeness of their query to the critical
instance's. The prediction is the mean of the two streams' logits. The paper minimises the mean of the two streams'
losses, which is not the loss of that mean: ``extras`` has the logits of both, and ``models.losses.loss_of_bags`` takes
them.

Here an embedding comes first, as in the other heads.
"""

from typing import Any

import torch
from torch import nn

from models.bag_output import STREAMS, BagOutput
from models.heads.base import EmbeddingHead, State, shown_by, size_name, width_of
from models.settings import ModelSettings

# size -> (embedding of an instance, query)
SIZES = {"small": (512, 128), "big": (512, 384)}


class DSMIL(EmbeddingHead):
    """Two streams: the largest score of an instance, and attention to the critical instance.

    Args:
        embed_dim: length of a feature.
        n_classes: number of outputs, C; each has a critical instance.
        width: length of an embedding.
        query: length of a query.
        drop_out: rate after the embedding.
    """

    def __init__(self, embed_dim: int, n_classes: int, width: int, query: int, drop_out: float) -> None:
        super().__init__(embed_dim, n_classes, width, drop_out)
        self.instance_classifier = nn.Linear(width, n_classes)
        self.query = nn.Linear(width, query)
        self.value = nn.Linear(width, width)
        self.classifier = nn.Conv1d(n_classes, n_classes, kernel_size=width)  # every output sees all C embeddings

    def forward(self, h: torch.Tensor) -> BagOutput:
        """Answer for one bag (N, embed_dim); the raw attention (C, N) is what the bag stream's softmax takes."""
        embedded = self.embedding(h)
        best, critical = self.instance_classifier(embedded).max(dim=0)  # (C,), (C,)
        query = self.query(embedded)  # (N, Q)
        raw = query[critical] @ query.T / query.shape[1] ** 0.5  # (C, N)
        bag = raw.softmax(dim=1) @ self.value(embedded)  # (C, width)
        streams = [best[None], self.classifier(bag[None])[:, :, 0]]
        return BagOutput.of(torch.stack(streams).mean(dim=0), raw, {STREAMS: streams})


def build(settings: ModelSettings) -> DSMIL:
    """Return an untrained model."""
    return DSMIL(settings.embed_dim, settings.n_classes, *SIZES[settings.model_size], settings.drop_out)


def recognise(state: State) -> dict[str, Any] | None:
    """Return what the parameters show of the settings; None where they are another head's."""
    if "instance_classifier.weight" not in state:
        return None
    size = size_name(SIZES, (width_of(state), state["query.weight"].shape[0]))
    return {"model_type": "dsmil", "model_size": size, **shown_by(state)}
