"""Ask a trained model about one bag: the one path that evaluation and heatmaps share."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class BagPrediction:
    """The answer for a bag of N instances and C outputs.

    Attributes:
        logits: float32 (C,); their meaning is the task's.
        probabilities: float32 (C,), where outputs are classes.
        predicted: the most probable class, or the largest output.
        attention: raw scores of the instances, float32 (1, N) for one branch or (C, N) for a branch a class.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    predicted: int
    attention: np.ndarray

    @property
    def predicted_attention(self) -> np.ndarray:
        """Raw scores (N,) of the branch of ``predicted``, or of the only one."""
        return attention_of_class(self.attention, self.predicted)


def attention_of_class(attention: np.ndarray, label: int) -> np.ndarray:
    """Return the branch (N,) of a class, or the only one."""
    return attention[label if len(attention) > 1 else 0]


@torch.inference_mode()
def bag_prediction(model: nn.Module, features: torch.Tensor) -> BagPrediction:
    """Run a model in evaluation mode on the features (N, D) of a bag."""
    device = next(model.parameters()).device
    output = model(features.to(device))
    return BagPrediction(
        logits=output.logits[0].cpu().numpy(),
        probabilities=output.probabilities[0].cpu().numpy(),
        predicted=int(output.predicted),
        attention=output.attention.cpu().numpy(),
    )
