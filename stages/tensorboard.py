"""The curves of a fold, under the tags that users of CLAM look for; read by ``tensorboard --logdir=.``.

Written at once: the ``SummaryWriter`` of tensorboardX waits forever for its thread where a full disk has ended that.
"""

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from stages.pass_figures import PassFigures

FLUSH_EVERY_S = 15.0
FINAL = ".final"


class FoldLog:
    """Writes the curves of one fold, or nothing at all.

    Args:
        folder: where the logs go; None writes nothing.
        first_epoch: the first to be logged; what an earlier training has logged of it and later ones is not shown.
    """

    def __init__(self, folder: Path | None, first_epoch: int = 0) -> None:
        self._folder = folder
        self._writer: EventsWriter | None = None
        self._flushed_at = time.monotonic()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = _writer(folder)
            self._add(step=first_epoch, session_log=SessionLog(status=SessionLog.START))

    def __enter__(self) -> "FoldLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def flush(self) -> None:
        """Write to disk what is logged by now."""
        self._flushed_at = time.monotonic()
        if self._writer is not None:
            self._writer.flush()

    def epoch(self, epoch: int, train: PassFigures, val: PassFigures, figures: Mapping[str, float]) -> None:
        """Write the figures of one epoch; ``figures`` are the headline ones of validation."""
        self._scalars("train", epoch, loss=train.loss, clustering_loss=train.instance_loss)
        self._scalars("val", epoch, loss=val.loss, inst_loss=val.instance_loss, **_as_logged(figures))
        if "acc" in figures:
            self._scalar("train/error", train.error, epoch)
            self._class_accuracies("train/class_{}_acc", epoch, train)
            self._class_accuracies("val/class_{}_acc", epoch, val)
        if time.monotonic() - self._flushed_at >= FLUSH_EVERY_S:
            self.flush()

    def final(self, val: Mapping[str, float], test: Mapping[str, float], tested: PassFigures) -> None:
        """Write the headline figures of the parameters that are kept, in place of those of a run that was stopped."""
        self._open_final_file()
        for side, figures in (("val", val), ("test", test)):
            self._scalars("final", 0, **{f"{side}_{name}": value for name, value in _as_logged(figures).items()})
        if "acc" in test:
            self._class_accuracies("final/test_class_{}_acc", 0, tested)

    def _open_final_file(self) -> None:
        """Go on in a file of its own: these figures are of epoch 0, which is not taken back when a run goes on."""
        if self._folder is None or self._writer is None:
            return
        self._writer.close()
        for old in self._folder.glob(f"*{FINAL}"):
            old.unlink()
        self._writer = _writer(self._folder, FINAL)

    def _class_accuracies(self, tag: str, epoch: int, figures: PassFigures) -> None:
        for number, (right, total) in enumerate(figures.class_counts):
            self._scalar(tag.format(number), right / total if total else math.nan, epoch)

    def _scalars(self, group: str, epoch: int, **values: float) -> None:
        for name, value in values.items():
            self._scalar(f"{group}/{name}", value, epoch)

    def _scalar(self, tag: str, value: float, epoch: int) -> None:
        if not math.isnan(value):  # what is undefined has no point on the curve
            self._add(step=epoch, summary=scalar(tag, value))

    def _add(self, **what: Any) -> None:
        if self._writer is not None:
            self._writer.write_event(Event(wall_time=time.time(), **what))


def _writer(folder: Path, kind: str = "") -> EventsWriter:
    """Return the writer of a new file, which TensorBoard reads after those that are there.

    tensorboardX names files by the second, and TensorBoard reads them in the order of their names: without more than
    that, a run that goes on in the second in which it was stopped would write over the file, or be read before it.
    """
    number = len(list(folder.glob("events.*")))
    return EventsWriter(str(folder / "events"), f".{number:04d}.{os.getpid()}{kind}")


def _as_logged(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures under the tags that users look for: errors in place of accuracies."""
    return {
        "error" if name == "acc" else name: 1 - value if name == "acc" else value for name, value in figures.items()
    }
