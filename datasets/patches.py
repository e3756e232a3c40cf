"""Patches of many slides, read in other processes: the one place where slides are read for encoding.

A worker opens a slide itself and keeps it open while its batches last, so nothing that is open crosses a process
boundary (spawn works), and one pool of workers serves a whole run: the next slides are read while one is encoded.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from utils.errors import ItemError, one_line
from utils.processes import worker_context
from wsi_core.coords_file import PatchCoords, read_images
from wsi_core.patch_reading import read_patch
from wsi_core.slide import DEFAULT_MAX_MEMORY_GB, DEFAULT_READER, ReaderName, Slide

Prepare = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SlidePatches:
    """A slide and the patches to read of it.

    Attributes:
        path: the slide; the file of coordinates where that holds the images of the patches.
        patches: the patches.
        reader: the library that reads the slide.
        max_memory_gb: what a plain image may take when it is decoded.
    """

    path: Path
    patches: PatchCoords
    reader: ReaderName = DEFAULT_READER
    max_memory_gb: float = DEFAULT_MAX_MEMORY_GB

    def open(self) -> Slide:
        """Open the slide.

        Raises:
            ItemError: it cannot be read.
        """
        background = self.patches.reading.background
        return Slide(self.path, reader=self.reader, max_memory_gb=self.max_memory_gb, background=background)


@dataclass(frozen=True)
class PatchBatch:
    """Some consecutive patches of one slide.

    Attributes:
        slide_number: the slide's place in the run.
        is_last: whether the slide has no more.
        prepared: the patches, stacked; empty where they could not be read.
        error: why not, in one line.
    """

    slide_number: int
    is_last: bool
    prepared: torch.Tensor
    error: str = ""


class PatchBatches(Dataset):
    """The batches of a run, slide by slide; one item is one batch.

    Args:
        slides: what to read.
        batch_size: patches in a batch; the last of a slide may be smaller.
        prepare: uint8 RGB (H, W, 3) of a patch → array of one shape for all.
    """

    def __init__(self, slides: Sequence[SlidePatches], batch_size: int, prepare: Prepare) -> None:
        self._slides = list(slides)
        self._prepare = prepare
        self._batch_size = batch_size
        self._starts = [
            (number, start) for number, job in enumerate(slides) for start in range(0, len(job.patches), batch_size)
        ]
        self._open: tuple[int, Slide] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": None}

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> PatchBatch:
        """Read a batch; what goes wrong is told in it, so that it costs this slide only."""
        number, start = self._starts[index]
        job = self._slides[number]
        stop = min(start + self._batch_size, len(job.patches))
        is_last = stop == len(job.patches)
        try:
            images = [self._prepare(image) for image in self._images(number, start, stop)]
        except ItemError as error:  # after a read error OpenSlide refuses this handle for good
            self._close()
            return PatchBatch(number, is_last, torch.empty(0), one_line(error))
        return PatchBatch(number, is_last, torch.from_numpy(np.stack(images)))

    def _images(self, number: int, start: int, stop: int) -> Iterable[np.ndarray]:
        """Return the pixels of patches ``start`` to before ``stop``, uint8 RGB (S, S, 3) each."""
        job = self._slides[number]
        if job.patches.has_images:
            return read_images(job.path, start, stop)
        slide = self._slide(number)
        corners = job.patches.coords[start:stop]
        return (read_patch(slide, job.patches.reading, (int(x), int(y))) for x, y in corners)

    def _slide(self, number: int) -> Slide:
        if self._open is None or self._open[0] != number:
            self._close()
            self._open = (number, self._slides[number].open())
        return self._open[1]

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def batch_loader(batches: PatchBatches, num_workers: int) -> DataLoader:
    """Return the batches in order, read ahead by worker processes.

    Args:
        batches: what to read.
        num_workers: processes at most; 0 reads in this one, as does a single batch, which cannot be read ahead.
    """
    workers = min(num_workers, len(batches)) if len(batches) > 1 else 0
    return DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        multiprocessing_context=worker_context() if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
