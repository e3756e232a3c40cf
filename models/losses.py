"""Losses of bags and instances.

The smooth top-1 SVM is that of Berrada, Zisserman, Kumar 2018, "Smooth loss functions for deep top-k classification",
for k = 1.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from models.bag_output import STREAMS, BagOutput
from utils.lookup import require_choice

LOSSES = ("ce", "svm")

LARGE_RATIO = 1000.0  # scores whose exponentials differ by this factor are as good as hard


class SmoothTop1SVM(nn.Module):
    """Multi-class SVM whose maximum is smoothed with a temperature.

    For scores s, target y and margins m_j = alpha for j != y, else 0:
    smooth = tau * log sum_j exp((m_j + s_j) / tau) - s_y, hard = max_j (m_j + s_j) - s_y. The hard loss is taken for
    rows whose two largest scores differ by at least tau * ln 1000. It has no state, so checkpoints do not depend on it.

    Args:
        n_classes: number of classes; the scores' second dimension.
        alpha: margin.
        tau: temperature.
    """

    def __init__(self, n_classes: int, alpha: float = 1.0, tau: float = 1.0) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.alpha = alpha
        self.tau = tau

    def forward(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of scores (N, n_classes) against classes (N,)."""
        true_score = scores.gather(1, target[:, None])[:, 0]
        is_true = nn.functional.one_hot(target, self.n_classes).bool()
        with_margin = torch.where(is_true, scores, scores + self.alpha)
        smooth = self.tau * torch.logsumexp(with_margin / self.tau, dim=1) - true_score
        hard = with_margin.amax(dim=1) - true_score
        return torch.where(self._is_clear(scores), hard, smooth).sum() / len(scores)

    def _is_clear(self, scores: torch.Tensor) -> torch.Tensor:
        first, second = scores.detach().topk(2, dim=1)[0].T
        return first - second >= self.tau * math.log(LARGE_RATIO)


def build_loss(name: str, n_classes: int) -> nn.Module:
    """Return the loss ``ce`` or ``svm`` for a number of classes, or raise a UsageError."""
    require_choice(name, list(LOSSES), kind="loss")
    return SmoothTop1SVM(n_classes) if name == "svm" else nn.CrossEntropyLoss()


def loss_of_bags(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], outputs: Sequence[BagOutput], targets: torch.Tensor
) -> torch.Tensor:
    """Return the loss of a model's answers: of their logits, or the mean of its streams' losses where it has several.

    Args:
        loss: of (W, C) logits against W targets.
        outputs: the answers for W bags.
        targets: what the loss takes.
    """
    streams = zip(*(output.extras.get(STREAMS, [output.logits]) for output in outputs), strict=True)
    losses = [loss(torch.cat(logits).float(), targets) for logits in streams]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()
