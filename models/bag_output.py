"""What every model returns for a bag, in the order that code written for CLAM unpacks."""

from typing import Any, NamedTuple

import torch


class BagOutput(NamedTuple):
    """The answer for one bag of N instances and C classes.

    Attributes:
        logits: (1, C).
        probabilities: (1, C).
        predicted: (1, 1), the most probable class.
        attention: raw scores of the instances, (1, N) for one branch or (C, N) for a branch a class.
        extras: ``instance_loss``, ``inst_labels``, ``inst_preds`` and ``features`` where asked for.
    """

    logits: torch.Tensor
    probabilities: torch.Tensor
    predicted: torch.Tensor
    attention: torch.Tensor
    extras: dict[str, Any]
