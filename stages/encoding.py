"""Encode patches: batches read by worker processes in, features of one slide after the other out."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from datasets.patches import PatchBatch, PatchBatches, SlidePatches, batch_loader
from models.encoders.encoder import Encoder
from utils.errors import ItemError

MAX_WORKERS = 8


def default_workers() -> int:
    """Return the number of worker processes: one for each processor this process may use, up to 8."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, usable)


class SlideEncoder:
    """Encodes slides one after the other while worker processes read ahead.

    Args:
        slides: the slides of the run, in order.
        encoder: turns patches into features.
        batch_size: patches encoded at once.
        num_workers: processes that read; 0 reads in this one.
    """

    def __init__(
        self,
        slides: Sequence[SlidePatches],
        encoder: Encoder,
        batch_size: int,
        num_workers: int | None = None,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        batches = PatchBatches(slides, batch_size, encoder.prepare)
        self._slides = slides
        self._encoder = encoder
        self._batches: Iterator[PatchBatch] = iter(batch_loader(batches, workers))
        self._next_slide = 0

    def next_slide(self) -> np.ndarray:
        """Return the features, float32 (N, D), of the next slide's patches.

        Raises:
            ItemError: the slide could not be read; calling again goes on with the one after it.
        """
        n_patches = len(self._slides[self._next_slide].patches)
        batches = self.next_slide_in_batches()  # before anything can fail, so that the next call is of the next slide
        features = np.empty((n_patches, self._encoder.dim), np.float32)
        done = 0
        for encoded in batches:
            features[done : done + len(encoded)] = encoded
            done += len(encoded)
        return features

    def next_slide_in_batches(self) -> Iterator[np.ndarray]:
        """Return the features of the next slide's patches, float32 (up to ``batch_size``, D) at a time.

        Raises:
            ItemError: the slide could not be read, which may be known after some of its batches.
        """
        self._next_slide += 1
        return self._batches_of(self._next_slide - 1)

    def _batches_of(self, number: int) -> Iterator[np.ndarray]:
        patches = self._slides[number].patches
        done, error = 0, ""
        with tqdm(total=len(patches), unit="patch", leave=False, dynamic_ncols=True) as bar:
            for batch in self._batches:
                if batch.slide_number < number:
                    continue  # left over from a slide that failed half-way
                error = error or batch.error
                if not error:
                    encoded = self._encoder.encode(batch.prepared).numpy()
                    yield encoded
                    done += len(encoded)
                    bar.update(len(encoded))
                if batch.is_last:
                    break
        if not error and done < len(patches):
            error = f"only {done} of {len(patches)} patches came from the processes that read them"
        if error:
            raise ItemError(error, "failed_read")
