"""What every model returns for a bag, in the order that code written for CLAM unpacks."""

from typing import Any, NamedTuple

import torch

STREAMS = "stream_logits"


class BagOutput(NamedTuple):
    """The answer for one bag of N instances and C outputs.

    Attributes:
        logits: (1, C); their meaning is the task's: of classes, one number, or hazards of time bins.
        probabilities: (1, C), where outputs are classes.
        predicted: (1, 1), the most probable class.
        attention: raw scores of the instances, (1, N) for one branch or (C, N) for a branch a class. Their softmax
            over N is the attention; all zero where a model has none.
        extras: ``instance_loss``, ``inst_labels``, ``inst_preds`` and ``features`` where asked for;
            ``stream_logits``, a list of (1, C), where the loss of a bag is the mean of several streams' losses.
    """

    logits: torch.Tensor
    probabilities: torch.Tensor
    predicted: torch.Tensor
    attention: torch.Tensor
    extras: dict[str, Any]

    @classmethod
    def of(cls, logits: torch.Tensor, attention: torch.Tensor, extras: dict[str, Any] | None = None) -> "BagOutput":
        """Return the answer that follows from logits (1, C) and raw attention (branches, N)."""
        return cls(logits, logits.softmax(dim=1), logits.topk(1, dim=1)[1], attention, extras or {})


def log_share(parts: torch.Tensor) -> torch.Tensor:
    """Return raw scores (branches, N) whose softmax over N is in proportion to ``parts``, which are not below 0."""
    return parts.clamp(min=torch.finfo(parts.dtype).tiny).log()
