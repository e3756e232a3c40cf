"""The curves of a fold, under the tags that users of CLAM look for; read by ``tensorboard --logdir=.``."""

import math
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

from stages.epoch import PassFigures


class FoldLog:
    """Writes the curves of one fold, or nothing at all.

    Args:
        folder: where the logs go; None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._writer = SummaryWriter(str(folder), flush_secs=15) if folder is not None else None

    def __enter__(self) -> "FoldLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def epoch(self, epoch: int, train: PassFigures, val: PassFigures, val_auc: float) -> None:
        """Write the figures of one epoch."""
        self._scalars("train", epoch, loss=train.loss, error=train.error, clustering_loss=train.instance_loss)
        self._scalars("val", epoch, loss=val.loss, auc=val_auc, error=val.error, inst_loss=val.instance_loss)
        self._class_accuracies("train/class_{}_acc", epoch, train)
        self._class_accuracies("val/class_{}_acc", epoch, val)

    def final(self, val: PassFigures, val_auc: float, test: PassFigures, test_auc: float) -> None:
        """Write the figures of the parameters that are kept."""
        self._scalars("final", 0, val_error=val.error, val_auc=val_auc, test_error=test.error, test_auc=test_auc)
        self._class_accuracies("final/test_class_{}_acc", 0, test)

    def _class_accuracies(self, tag: str, epoch: int, figures: PassFigures) -> None:
        for number, (right, total) in enumerate(figures.class_counts):
            self._scalar(tag.format(number), right / total if total else math.nan, epoch)

    def _scalars(self, group: str, epoch: int, **values: float) -> None:
        for name, value in values.items():
            self._scalar(f"{group}/{name}", value, epoch)

    def _scalar(self, tag: str, value: float, epoch: int) -> None:
        if self._writer is not None and not math.isnan(value):  # what is undefined has no point on the curve
            self._writer.add_scalar(tag, value, epoch)
