"""Reads blocks of patches: what a process of the pool does, and what the program does itself with no such process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.patches import BadPatch, BlockInfo, SlidePatches
from utils.errors import ItemError, UsageError, one_line
from wsi_core.coords_file import read_images
from wsi_core.patch_reading import PatchReading
from wsi_core.squares import SquareReader

Prepare = Callable[[np.ndarray], np.ndarray]

READ_BYTES = 64 * 2**20  # held at once of squares that are made smaller


@dataclass(frozen=True)
class BlockTask:
    """A block to read; small, as it is sent to another process.

    Attributes:
        slide_number: the slide's place in the run.
        job: the slide, with the patches of this block alone.
        numbers: the places of those patches in the file of coordinates, int64 (N,).
        max_bad: how many of the slide's patches may be unreadable.
        prepares: places of what is to be made of each patch.
    """

    slide_number: int
    job: SlidePatches
    numbers: np.ndarray
    max_bad: int
    prepares: tuple[int, ...]

    @classmethod
    def of(
        cls, slide_number: int, job: SlidePatches, numbers: np.ndarray, path: Path, prepares: Sequence[int]
    ) -> "BlockTask":
        """Return the task of some patches of a slide that is read from ``path``."""
        patches = replace(job.patches, coords=job.patches.coords[numbers])
        return cls(slide_number, replace(job, path=path, patches=patches), numbers, job.max_bad, tuple(prepares))


class BlockReader:
    """Reads blocks, and keeps the slide open as long as they are of the same one.

    Args:
        prepares: what to make of each patch besides keeping its pixels: uint8 RGB (H, W, 3) -> an array of one shape.
    """

    def __init__(self, prepares: Sequence[Prepare] = ()) -> None:
        self._prepares = tuple(prepares)
        self._open: tuple[int, SquareReader] | None = None
        self._reading: PatchReading | None = None

    def read(self, task: BlockTask, pixels: np.ndarray) -> BlockInfo:
        """Read a block; what goes wrong is told, so that it costs this slide only.

        Args:
            task: the block.
            pixels: uint8 (N or more, S, S, 3), gets the patches that could be read.
        """
        try:
            bad = self._read_pixels(task, pixels)
            kept = np.setdiff1d(np.arange(len(task.numbers)), [index for index, _ in bad])
            prepared = tuple(
                np.stack([self._prepares[place](p) for p in pixels[: len(kept)]])
                for place in task.prepares
                if len(kept)
            )
        except UsageError:
            raise  # the command is wrong, not this slide
        except Exception as error:  # whatever a strange file makes libraries raise, the next slide is read
            self.close()
            return BlockInfo(error=one_line(error))
        level = task.job.patches.reading.level if self._reading is None else self._reading.level
        told = tuple(BadPatch(int(task.numbers[index]), level or 0, reason) for index, reason in bad)
        return BlockInfo(task.numbers[kept], prepared, told)

    def close(self) -> None:
        """Release the slide."""
        if self._open is not None:
            self._open[1].close()
        self._open = None

    def _read_pixels(self, task: BlockTask, pixels: np.ndarray) -> list[tuple[int, str]]:
        """Fill in the patches; return the places in the block of those that are unreadable, and why they are."""
        if task.job.patches.has_images:
            first, last = int(task.numbers[0]), int(task.numbers[-1])
            pixels[: len(task.numbers)] = read_images(task.job.path, first, last + 1)
            return []
        self._slide(task)  # a slide that cannot be opened is told as that
        try:
            self._read_squares(task, slice(None), pixels)
            return []
        except ItemError:
            self.close()
            return self._one_by_one(task, pixels)

    def _one_by_one(self, task: BlockTask, pixels: np.ndarray) -> list[tuple[int, str]]:
        """Find out which patches are unreadable, up to one more than may be."""
        bad: list[tuple[int, str]] = []
        for index in range(len(task.numbers)):
            try:
                self._read_squares(task, slice(index, index + 1), pixels[index - len(bad) :])
            except ItemError as error:
                self.close()  # after a read error OpenSlide refuses this handle for good
                bad.append((index, one_line(error)))
                if len(bad) > task.max_bad:
                    too_many = f"more than {task.max_bad} patches" if task.max_bad else "a patch"
                    raise ItemError(f"{too_many} cannot be read (--max_bad_patches); {one_line(error)}") from error
        return bad

    def _read_squares(self, task: BlockTask, part: slice, pixels: np.ndarray) -> None:
        slide = self._slide(task)
        reading = self._reading
        assert reading is not None and reading.level is not None
        corners, side_px = task.job.patches.coords[part], reading.read_size_px
        pixels = pixels[: len(corners)]
        is_kept = side_px == reading.target_size_px
        n_at_once = max(1, min(len(corners), READ_BYTES // (3 * side_px**2)))
        room = pixels if is_kept else np.empty((n_at_once, side_px, side_px, 3), np.uint8)
        n_read = 0
        for squares in slide.read_in_parts(corners, reading.level, room):
            if not is_kept:
                _resize(squares, pixels[n_read:])
            n_read += len(squares)

    def _slide(self, task: BlockTask) -> SquareReader:
        if self._open is None or self._open[0] != task.slide_number:
            self.close()
            squares = SquareReader(task.job.open())
            self._open = (task.slide_number, squares)
            self._reading = task.job.patches.reading.on(squares.slide)
        return self._open[1]


def _resize(squares: np.ndarray, pixels: np.ndarray) -> None:
    """Fill in squares, uint8 (N, S, S, 3), in the size of ``pixels``: bicubic over all of theirs, as the original."""
    size = pixels.shape[2], pixels.shape[1]
    for number, square in enumerate(squares):
        pixels[number] = np.asarray(Image.fromarray(square).resize(size))
