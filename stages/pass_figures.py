"""What a pass over bags showed."""

from dataclasses import dataclass, field

import numpy as np
import torch

from metrics.classification import auc, class_counts, error_rate
from models.bag_output import BagOutput

NAN = float("nan")


@dataclass
class PassFigures:
    """What a pass over N bags with C outputs showed.

    Numbers stay on the device until the first one is asked for, so that no step waits for them.

    Attributes:
        n_classes: C.
    """

    n_classes: int
    _bag_losses: list[torch.Tensor] = field(default_factory=list)
    _instance_losses: list[torch.Tensor] = field(default_factory=list)
    _targets: list[torch.Tensor] = field(default_factory=list)
    _logits: list[torch.Tensor] = field(default_factory=list)
    _probabilities: list[torch.Tensor] = field(default_factory=list)
    _predicted: list[torch.Tensor] = field(default_factory=list)

    def add(self, bag_loss: torch.Tensor, target: torch.Tensor, outputs: list[BagOutput]) -> None:
        """Note what a model said of the bags of one step.

        Args:
            bag_loss: mean loss of these bags.
            target: (W, ...), on the CPU.
            outputs: of W bags.
        """
        self._bag_losses.append(bag_loss.detach())
        self._targets.append(target)
        for output in outputs:
            self.add_output(output)

    def add_output(self, output: BagOutput) -> None:
        """Note what a model said of a bag of which nothing is known."""
        self._logits.append(output.logits.detach())
        self._probabilities.append(output.probabilities.detach())
        self._predicted.append(output.predicted.detach())
        if "instance_loss" in output.extras:
            self._instance_losses.append(output.extras["instance_loss"].detach())

    @property
    def loss(self) -> float:
        """Mean bag loss; NaN without bags."""
        return _mean(self._bag_losses)

    @property
    def instance_loss(self) -> float:
        """Mean instance loss; NaN without clustering."""
        return _mean(self._instance_losses)

    @property
    def targets(self) -> np.ndarray:
        """What was to be predicted, (N, ...)."""
        return torch.cat(self._targets).numpy() if self._targets else np.empty(0)

    @property
    def labels(self) -> np.ndarray:
        """Classes (N,), where the targets are classes."""
        return self.targets.astype(int)

    @property
    def logits(self) -> np.ndarray:
        """Outputs (N, C) float32."""
        return self._table(self._logits)

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities (N, C) float32."""
        return self._table(self._probabilities)

    @property
    def predicted(self) -> np.ndarray:
        """Predicted classes (N,)."""
        return torch.cat(self._predicted).flatten().cpu().numpy() if self._predicted else np.empty(0, int)

    @property
    def error(self) -> float:
        """Part of bags predicted wrong; NaN without bags."""
        return error_rate(self.labels, self.predicted)

    @property
    def class_counts(self) -> list[tuple[int, int]]:
        """For each class: bags predicted right, bags."""
        return class_counts(self.labels, self.predicted, self.n_classes)

    def auc(self, what: str, *, micro: bool = False, warn: bool = True) -> float:
        """Area under the ROC curve; NaN where undefined, with a warning that names ``what``."""
        return auc(self.labels, self.probabilities, micro=micro, what=what, warn=warn)

    def _table(self, rows: list[torch.Tensor]) -> np.ndarray:
        return torch.cat(rows).float().cpu().numpy() if rows else np.empty((0, self.n_classes), np.float32)


def _mean(values: list[torch.Tensor]) -> float:
    return float(np.mean(torch.stack(values).double().cpu().numpy())) if values else NAN
