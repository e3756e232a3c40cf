"""One pool of processes that read patches, for a whole run: the next slides are opened while one is encoded.

Blocks come in the order of the slides. Their pixels lie in memory that all processes share and that is used again and
again, so that no patch is copied from one process to another; how much there is bounds how far is read ahead.
"""

import logging
import math
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from datasets.block_reader import BlockReader, BlockTask, Prepare
from datasets.patches import BlockInfo, SlidePatches
from datasets.sources import Sources
from utils.errors import UsageError
from utils.limits import NO_LIMITS, Limits
from utils.memory_limit import limit_memory
from utils.processes import WorkerProcess, end_with_parent, worker_context

logger = logging.getLogger(__name__)

BLOCK_BYTES = 64 * 2**20
BLOCKS_PER_READER = 2  # one being read, one waiting
BLOCKS_BESIDE = 2  # one being encoded, one ready
SHARED_MEMORY = Path("/dev/shm")
USABLE_PART = 0.5  # of the shared memory that is free
DIED = "the process that read it died; most likely memory ran out, or a library crashed"


@dataclass(frozen=True)
class ReadBlock:
    """A block that was read, or that could not be.

    Attributes:
        slide_number: the slide's place in the run.
        info: what was read of it, and what not.
        pixels: uint8 RGB (N, S, S, 3), valid until the next block is asked for.
    """

    slide_number: int
    info: BlockInfo
    pixels: torch.Tensor


class ReaderPool:
    """Reads the patches of a run; iterate over it once, inside a ``with``.

    Args:
        jobs: the slides, in order.
        prepares: what is made of each patch where it is read, besides its pixels.
        batch_size: patches in a block at most; fewer of large ones, of which ``BLOCK_BYTES`` hold no more.
        num_workers: processes that read; 0 reads in this one.
        sources: from where the slides are read.
        context: how processes are started.
        n_sharing: how many pools share the memory of the machine.
        limits: what reading may take, in seconds of each block; a process that takes more is ended, which costs the
            slide. Without effect where no process but this one reads.
        wanted: for each slide the places of ``prepares`` that are needed; None: all are.
        take: asked once for each slide, in order, before it is read: whether it is to be read at all.

    Raises:
        UsageError: there is too little shared memory for a single patch at a time.
    """

    def __init__(
        self,
        jobs: Sequence[SlidePatches],
        prepares: Sequence[Prepare] = (),
        *,
        batch_size: int,
        num_workers: int,
        sources: Sources | None = None,
        context: BaseContext | None = None,
        n_sharing: int = 1,
        limits: Limits = NO_LIMITS,
        wanted: Sequence[Sequence[int]] | None = None,
        take: Callable[[int], bool] | None = None,
    ) -> None:
        self.wait_s = 0.0  # spent waiting for blocks
        self._jobs = jobs
        self._sources = sources or Sources([job.path for job in jobs])
        largest_patch_bytes = max((math.prod(job.patch_shape) for job in jobs), default=1)
        n_blocks = num_workers * BLOCKS_PER_READER + BLOCKS_BESIDE if num_workers else 1
        block_bytes = min(BLOCK_BYTES, batch_size * largest_patch_bytes)
        if num_workers:
            block_bytes = _shareable(block_bytes, n_blocks * n_sharing, largest_patch_bytes)
        self._block_bytes = max(block_bytes, largest_patch_bytes)
        self._batch_size = batch_size
        self._prepares = wanted if wanted is not None else [range(len(prepares))] * len(jobs)
        memory = [torch.empty(self._block_bytes, dtype=torch.uint8) for _ in range(n_blocks)]
        if num_workers:
            memory = [block.share_memory_() for block in memory]
        self._memory = memory
        self._free = deque(range(n_blocks))
        self._given_up: set[int] = set()
        self._limits = limits
        self._take = take
        self._is_wanted: list[bool] = []  # of the slides that were asked for
        context = context or worker_context()
        self._readers: list[_Reader | _Here] = [
            _Reader(prepares, memory, context, limits.memory_gib) for _ in range(num_workers)
        ]
        self._readers = self._readers or [_Here(prepares, memory)]

    def __enter__(self) -> "ReaderPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.close()

    def patches_per_block(self, slide_number: int) -> int:
        """Return how many patches of a slide are read together."""
        return max(1, min(self._batch_size, self._block_bytes // math.prod(self._jobs[slide_number].patch_shape)))

    def is_wanted(self, slide_number: int) -> bool:
        """Tell whether a slide is read; ``take`` is asked now, for the slides before it too."""
        while len(self._is_wanted) <= slide_number:
            number = len(self._is_wanted)
            self._is_wanted.append(self._take is None or self._take(number))
            self._sources.decided(number, self._is_wanted[number])
        return self._is_wanted[slide_number]

    def _decide_ahead(self, slide_number: int) -> None:
        """Ask for slides after one until as many are wanted as can be made ready ahead."""
        while (asked := len(self._is_wanted)) < len(self._jobs):
            if sum(self._is_wanted[slide_number + 1 :]) >= self._sources.n_ahead:
                return
            self.is_wanted(asked)

    def give_up(self, slide_number: int) -> None:
        """Read no more of a slide."""
        self._given_up.add(slide_number)

    def done(self, slide_number: int) -> None:
        """Say that nothing of a slide is waited for any more."""
        self._sources.done(slide_number)

    def __iter__(self) -> Iterator[ReadBlock]:
        """Yield the blocks in the order of the slides; of one that was given up, not all."""
        waiting = _Lookahead(self._blocks())
        under_way: deque[_UnderWay] = deque()
        while True:
            self._send(waiting, under_way)
            if not under_way:
                return
            block = under_way.popleft()
            info = self._wait_for(block, under_way)
            pixels = _pixels(self._memory[block.place], block.task)[: info.n_read]
            yield ReadBlock(block.slide_number, info, pixels)
            self._free.append(block.place)

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        for slide_number, job in enumerate(self._jobs):
            if not self.is_wanted(slide_number):
                continue
            self._decide_ahead(slide_number)
            for numbers in job.blocks(self.patches_per_block(slide_number)):
                if slide_number not in self._given_up:
                    yield slide_number, numbers

    def _send(self, waiting: "_Lookahead", under_way: "deque[_UnderWay]") -> None:
        """Hand out blocks as long as there is memory; wait for a slide to be staged only if nothing is under way."""
        while self._free and (following := waiting.peek()) is not None:
            slide_number, numbers = following
            if under_way and not self._sources.is_ready(slide_number):
                return
            waiting.skip()
            job, path = self._jobs[slide_number], self._sources.path(slide_number)
            task = BlockTask.of(slide_number, job, numbers, path, self._prepares[slide_number])
            reader = self._reader_for(slide_number, under_way)
            place = self._free.popleft()
            under_way.append(_UnderWay(task, place, reader, reader.submit(task, place)))

    def _reader_for(self, slide_number: int, under_way: "deque[_UnderWay]") -> "_Reader | _Here":
        """Return the reader with the least to do; of a plain image, which each would decode whole, always the same."""
        if self._jobs[slide_number].is_decoded_whole:
            return self._readers[slide_number % len(self._readers)]
        return min(self._readers, key=lambda reader: sum(block.reader is reader for block in under_way))

    def _wait_for(self, block: "_UnderWay", under_way: "deque[_UnderWay]") -> BlockInfo:
        start_s = time.monotonic()
        try:
            return block.told.result(self._limits.seconds)
        except BrokenProcessPool:
            return self._start_again(block, under_way, DIED)
        except FutureTimeoutError:
            waited = f"nothing came from its reader for {self._limits.seconds:g} s, which was ended"
            return self._start_again(block, under_way, f"{waited}; --slide_timeout allows more")
        finally:
            self.wait_s += time.monotonic() - start_s

    def _start_again(self, culprit: "_UnderWay", under_way: "deque[_UnderWay]", reason: str) -> BlockInfo:
        """Start a process anew that died or hangs, and ask it again for what it had still to do of other slides."""
        self.give_up(culprit.slide_number)
        culprit.reader.start_again()
        for block in under_way:
            if block.reader is culprit.reader and block.slide_number == culprit.slide_number:
                block.told = _Told(lambda: BlockInfo(error=reason))
            elif block.reader is culprit.reader:
                block.told = block.reader.submit(block.task, block.place)
        return BlockInfo(error=reason)


class _Told:
    """What a block's reading will tell, found out when it is asked for."""

    def __init__(self, find_out: Callable[[], BlockInfo]) -> None:
        self._find_out = find_out

    def result(self, timeout_s: float | None = None) -> BlockInfo:
        """Find it out, in this process, however long that takes."""
        return self._find_out()


@dataclass
class _UnderWay:
    """A block that a reader has been asked for, the place of its pixels, and what will be told of it."""

    task: BlockTask
    place: int
    reader: "_Reader | _Here"
    told: "Future[BlockInfo] | _Told"

    @property
    def slide_number(self) -> int:
        return self.task.slide_number


class _Lookahead:
    """The blocks still to be handed out, of which the next can be looked at."""

    def __init__(self, blocks: Iterator[tuple[int, np.ndarray]]) -> None:
        self._blocks = blocks
        self._next: tuple[int, np.ndarray] | None = None

    def peek(self) -> tuple[int, np.ndarray] | None:
        if self._next is None:
            self._next = next(self._blocks, None)
        return self._next

    def skip(self) -> None:
        self._next = None


class _Here:
    """Reads in this process, when the result is asked for."""

    def __init__(self, prepares: Sequence[Prepare], memory: Sequence[torch.Tensor]) -> None:
        self._blocks, self._memory = BlockReader(prepares), memory

    def submit(self, task: BlockTask, place: int) -> _Told:
        return _Told(lambda: self._blocks.read(task, _pixels(self._memory[place], task).numpy()))

    def start_again(self) -> None:
        """There is no process that could die."""

    def close(self) -> None:
        self._blocks.close()


class _Reader:
    """A process that reads."""

    def __init__(
        self,
        prepares: Sequence[Prepare],
        memory: Sequence[torch.Tensor],
        context: BaseContext,
        memory_gib: float | None,
    ) -> None:
        self._process = WorkerProcess(context, _start_reading, (tuple(prepares), list(memory), memory_gib))

    def submit(self, task: BlockTask, place: int) -> "Future[BlockInfo]":
        return self._process.submit(_read, task, place)

    def start_again(self) -> None:
        self._process.start_again()

    def close(self) -> None:
        self._process.close()


# Of a process that reads, set when it starts: what is sent with each block would be copied each time.
_blocks = BlockReader()
_memory: list[torch.Tensor] = []


def _start_reading(prepares: tuple[Prepare, ...], memory: list[torch.Tensor], memory_gib: float | None) -> None:
    global _blocks, _memory
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for the blocks
    torch.set_num_threads(1)  # there is a process for each processor
    if memory_gib is not None:
        limit_memory(memory_gib)
    _blocks, _memory = BlockReader(prepares), memory


def _read(task: BlockTask, place: int) -> BlockInfo:
    return _blocks.read(task, _pixels(_memory[place], task).numpy())


def _pixels(memory: torch.Tensor, task: BlockTask) -> torch.Tensor:
    shape = len(task.numbers), *task.job.patch_shape
    return memory[: math.prod(shape)].view(shape)


def _shareable(block_bytes: int, n_blocks: int, patch_bytes: int) -> int:
    """Return how large a block may be, so that all of them fit in the memory that processes can share.

    Raises:
        UsageError: a block would not even hold one patch.
    """
    if not SHARED_MEMORY.is_dir():
        return block_bytes
    free_bytes = shutil.disk_usage(SHARED_MEMORY).free
    fitting = int(USABLE_PART * free_bytes / n_blocks)
    if fitting >= block_bytes:
        return block_bytes
    advice = "in a container pass --shm-size=8g to it, or take fewer --num_workers"
    if fitting < patch_bytes:
        raise UsageError(f"{SHARED_MEMORY} has {free_bytes >> 20} MiB free, too little to read slides with: {advice}")
    logger.warning("%s has %d MiB free: only %d patches are read at once; %s",
                   SHARED_MEMORY, free_bytes >> 20, fitting // patch_bytes, advice)  # fmt: skip
    return fitting
