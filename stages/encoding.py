"""Encode patches: blocks read by worker processes in, features of one slide after the other out.

Each patch is read once, for however many encoders. While a GPU works on a block the next one is fetched and sent.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from tqdm import tqdm

from datasets.block_reader import Prepare
from datasets.patches import BadPatch, BlockInfo, SlidePatches
from datasets.reader_pool import ReadBlock, ReaderPool
from datasets.sources import Sources
from models.encoders.encoder import Encoder, Launched
from stages.joined_blocks import BlockJoiner, patches_at_once
from utils.errors import ItemError
from utils.limits import NO_LIMITS, Limits
from utils.processors import usable_processors

MAX_WORKERS = 8
STATUS_UNREAD = "failed_read"
STATUS_UNENCODED = "failed_encode"


def default_workers(n_devices: int = 1) -> int:
    """Return the number of worker processes for each device: one for each processor that may be used, up to 8."""
    return max(1, min(MAX_WORKERS, usable_processors() // n_devices))


@dataclass(frozen=True)
class EncodedBlock:
    """Features of some patches of a slide.

    Attributes:
        numbers: which patches, as places in the file of coordinates, int64 (N,).
        features: float32 (N, D) of each encoder that encodes the slide.
    """

    numbers: np.ndarray
    features: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class EncodedSlide:
    """Features of all patches of a slide that could be read, in the order of the file of coordinates.

    Attributes:
        numbers: which patches, int64 (N,).
        features: float32 (N, D) of each encoder that encodes the slide.
        bad: the patches that could not be read.
    """

    numbers: np.ndarray
    features: tuple[np.ndarray, ...]
    bad: tuple[BadPatch, ...]


class SlideEncoder:
    """Encodes slides one after the other while worker processes read ahead; use it inside a ``with``.

    Args:
        slides: the slides of the run, in order.
        encoders: turn patches into features.
        batch_size: patches encoded at once; of very large ones as many as ``patches_at_once`` says.
        num_workers: processes that read; 0 reads in this one; None: one for each processor.
        sources: from where the slides are read; None: from where they lie.
        wanted: for each slide the places of the encoders that encode it; None: all do.
        n_sharing: how many of these run on the machine at once.
        limits: what reading may take.
        take: asked for each slide, in order, whether it is to be encoded; None: all are.
    """

    def __init__(
        self,
        slides: Sequence[SlidePatches],
        encoders: Sequence[Encoder],
        batch_size: int,
        num_workers: int | None = None,
        sources: Sources | None = None,
        wanted: Sequence[Sequence[int]] | None = None,
        n_sharing: int = 1,
        limits: Limits = NO_LIMITS,
        take: Callable[[int], bool] | None = None,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        self.encode_s = 0.0  # spent encoding, as far as this process had to wait for it
        self._slides = slides
        self._batch_size = batch_size
        self._joiner = BlockJoiner()
        self._encoders = tuple(encoders)
        self._wanted = wanted if wanted is not None else [range(len(encoders))] * len(slides)
        prepares: list[Prepare] = [encoder.prepare for encoder in encoders if encoder.prepare is not None]
        self._pool = ReaderPool(
            slides,
            prepares,
            batch_size=batch_size,
            num_workers=workers,
            sources=sources,
            n_sharing=n_sharing,
            limits=limits,
            wanted=[self._prepares_of(number) for number in range(len(slides))],
            take=take,
        )
        self._blocks = iter(self._pool)
        self._next_slide = 0

    def __enter__(self) -> "SlideEncoder":
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    @property
    def wait_s(self) -> float:
        """Seconds spent waiting for patches."""
        return self._pool.wait_s

    def pass_over(self) -> bool:
        """Go on with the slide after the next one if that is not to be encoded; tell whether that is so."""
        if self._pool.is_wanted(self._next_slide):
            return False
        self._pool.done(self._next_slide)
        self._next_slide += 1
        return True

    def next_slide(self) -> EncodedSlide:
        """Return the features of the next slide.

        Raises:
            ItemError: the slide could not be read or encoded; calling again goes on with the one after it.
        """
        n_patches = len(self._slides[self._next_slide].patches)
        dims = [encoder.dim for encoder in self._encoders_of(self._next_slide)]
        bad: list[BadPatch] = []
        blocks = self.next_slide_in_blocks(bad)  # before anything can fail, so that the next call is of the next slide
        features = [np.empty((n_patches, dim), np.float32) for dim in dims]
        is_read = np.zeros(n_patches, bool)
        for block in blocks:
            is_read[block.numbers] = True
            for of_slide, of_block in zip(features, block.features, strict=True):
                of_slide[block.numbers] = of_block
        numbers = np.flatnonzero(is_read)
        if len(numbers) < n_patches:
            features = [of_slide[numbers] for of_slide in features]
        return EncodedSlide(numbers, tuple(features), tuple(sorted(bad, key=lambda patch: patch.number)))

    def next_slide_in_blocks(self, bad: list[BadPatch] | None = None) -> Iterator[EncodedBlock]:
        """Return the features of the next slide's patches, some at a time, in no order of the file of coordinates.

        Args:
            bad: gets the patches that cannot be read, up to the number that the slide allows.

        Raises:
            ItemError: the slide could not be read or encoded, which may be known after some of its blocks.
        """
        self._next_slide += 1
        return self._encoded(self._next_slide - 1, [] if bad is None else bad)

    def _encoded(self, number: int, bad: list[BadPatch]) -> Iterator[EncodedBlock]:
        under_way: tuple[np.ndarray, list[Launched]] | None = None
        encoders = self._encoders_of(number)
        try:
            for block in self._batches(number, bad):
                launched = block.info.numbers, self._launch(block)
                if under_way is not None:
                    yield self._finish(*under_way, encoders)
                under_way = launched
            if under_way is not None:
                yield self._finish(*under_way, encoders)
        finally:
            self._pool.give_up(number)  # of a slide that failed nothing more is read; one that is done has no more
            self._pool.done(number)

    def _batches(self, number: int, bad: list[BadPatch]) -> Iterator[ReadBlock]:
        """Yield the patches of a slide as they are encoded: joined where more is to be had at once than a block."""
        job, blocks = self._slides[number], self._read(number, bad)
        useful = [self._batch_size if encoder.batch is None else encoder.batch for encoder in self._encoders_of(number)]
        n_asked = min(self._batch_size, len(job.patches), max(useful, default=1))
        n_at_once = patches_at_once(n_asked, job.patch_shape[0])
        is_whole = n_at_once <= self._pool.patches_per_block(number)
        return blocks if is_whole else self._joiner.joined(blocks, n_at_once, job.patch_shape)

    def _read(self, number: int, bad: list[BadPatch]) -> Iterator[ReadBlock]:
        """Yield the blocks of a slide that hold patches, and keep count of the others."""
        job, n_seen = self._slides[number], 0
        n_patches = len(job.patches)
        if n_patches == 0:
            return
        with tqdm(total=n_patches, unit="patch", leave=False, dynamic_ncols=True) as bar:
            for block in self._blocks:
                if block.slide_number < number:
                    continue  # left over from a slide that failed half-way
                bad.extend(block.info.bad)
                _refuse_unreadable(block.info, bad, job)
                if block.info.n_read:
                    yield block
                n_seen += block.info.n_read + len(block.info.bad)
                bar.update(n_seen - bar.n)
                if n_seen == n_patches:
                    return
        raise ItemError(f"only {n_seen} of {n_patches} patches came from the processes that read them", STATUS_UNREAD)

    def _encoders_of(self, number: int) -> list[Encoder]:
        return [self._encoders[place] for place in self._wanted[number]]

    def _prepares_of(self, number: int) -> list[int]:
        """Return which of what encoders prepare where patches are read a slide needs, in the order of its encoders."""
        places = [place for place, encoder in enumerate(self._encoders) if encoder.prepare is not None]
        return [places.index(place) for place in self._wanted[number] if place in places]

    def _launch(self, block: ReadBlock) -> list[Launched]:
        prepared = iter(block.info.prepared)
        start_s = time.monotonic()
        launched = [
            encoder.launch(block.pixels if encoder.prepare is None else torch.from_numpy(next(prepared)))
            for encoder in self._encoders_of(block.slide_number)
        ]
        self.encode_s += time.monotonic() - start_s
        return launched

    def _finish(self, numbers: np.ndarray, launched: list[Launched], encoders: Sequence[Encoder]) -> EncodedBlock:
        start_s = time.monotonic()
        features = tuple(one.wait().numpy() for one in launched)
        self.encode_s += time.monotonic() - start_s
        for encoder, made in zip(encoders, features, strict=True):
            _refuse_infinite(made, encoder)
        return EncodedBlock(numbers, features)


def _refuse_infinite(features: np.ndarray, encoder: Encoder) -> None:
    if not np.isfinite(features).all():
        advice = "check its weights" if encoder.dtype == "fp32" else "pass --dtype fp32, or check its weights"
        raise ItemError(f"{encoder.name} gives NaN or infinite numbers in {encoder.dtype}: {advice}", STATUS_UNENCODED)


def _refuse_unreadable(info: BlockInfo, bad: Sequence[BadPatch], job: SlidePatches) -> None:
    if info.error:
        raise ItemError(info.error, STATUS_UNREAD)
    if len(bad) > min(job.max_bad, len(job.patches) - 1):  # of a slide without any there are no features
        raise ItemError(
            f"{len(bad)} of {len(job.patches)} patches cannot be read, {job.max_bad} may be; {bad[0].reason}",
            STATUS_UNREAD,
        )
