"""Where the features of a run go: one folder for each encoder, written in the background while slides are encoded."""

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from datasets.encoder_facts import encoder_difference, encoder_name
from datasets.features_file import (
    Features,
    SkippedPatch,
    features_shape,
    h5_path,
    is_complete,
    provenance,
    pt_path,
    read_features_h5,
    read_provenance,
    write_features,
)
from models.encoders.encoder import Encoder
from stages.encoding import EncodedSlide
from utils.atomic import finished_files
from utils.errors import ItemError, UsageError, one_line
from wsi_core.coords_file import PatchCoords

Action = Callable[[], object]

logger = logging.getLogger(__name__)

SLIDE_POOLED_DIR = "slide_mean"
SLIDE_POOLED = {"slide_pool": "mean"}


@dataclass(frozen=True)
class EncoderOutput:
    """The folder of one encoder's features.

    Attributes:
        encoder: makes them.
        folder: holds ``h5_files`` and ``pt_files``.
        slide_pool: whether the mean of each slide's features is written as well.
        known_ours: slides whose features have been seen to be by this encoder, so that they need not be opened again.
    """

    encoder: Encoder
    folder: Path
    slide_pool: bool = False
    known_ours: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def pooled_folder(self) -> Path:
        """Where the means are: a folder of features of its own, with one patch a slide."""
        return self.folder / SLIDE_POOLED_DIR

    def is_complete(self, slide_id: str, patches: PatchCoords) -> bool:
        """Tell whether the features of these very patches are there, by this encoder."""
        is_there = is_complete(self.folder, slide_id, patches, self.encoder.dim, self.encoder.facts)
        if is_there:
            self.known_ours.add(slide_id)
        return is_there

    def write(self, slide_id: str, patches: PatchCoords, encoded: EncodedSlide, features: np.ndarray) -> None:
        """Write a slide's features, float32 (N, D)."""
        made_from = provenance(self.encoder.facts | self.encoder.run_facts, patches)
        skipped = [
            SkippedPatch(int(x), int(y), patch.level, patch.reason)
            for patch in encoded.bad
            for x, y in [patches.coords[patch.number]]
        ]
        made = Features(features, patches.coords[encoded.numbers], made_from, tuple(skipped))
        for path in (pt_path(self.pooled_folder, slide_id), h5_path(self.pooled_folder, slide_id)):
            path.unlink(missing_ok=True)  # the mean of other features must not outlive them, however this run ends
        write_features(self.folder, slide_id, made)
        if self.slide_pool:
            self._write_pooled(slide_id, made)

    def add_pooled(self, slide_id: str) -> None:
        """Write the mean of features that are there already, where it is missing."""
        if not self.slide_pool:
            return
        made_from = read_provenance(h5_path(self.folder, slide_id)) | SLIDE_POOLED
        is_there = pt_path(self.pooled_folder, slide_id).exists()
        if not is_there or read_provenance(h5_path(self.pooled_folder, slide_id)) != made_from:
            self._write_pooled(slide_id, read_features_h5(h5_path(self.folder, slide_id)))

    def _write_pooled(self, slide_id: str, made: Features) -> None:
        centre = np.rint(made.coords.mean(axis=0, keepdims=True)).astype(np.int64)
        mean = made.features.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        write_features(self.pooled_folder, slide_id, Features(mean, centre, {**made.made_from, **SLIDE_POOLED}))

    def refuse_other_encoders(self, listed: Collection[str], made_again: set[str]) -> None:
        """Keep the folder to one encoder: look at all that is in it, also of slides that the table does not name.

        Args:
            listed: the slides that the table names.
            made_again: those of which this run replaces what is there.

        Raises:
            UsageError: it holds features of another encoder that this run will not replace; names both.
        """
        present = {path.stem: path for path in finished_files(pt_path(self.folder, "any").parent, "*.pt")}
        present = {slide_id: path for slide_id, path in present.items() if slide_id not in listed}  # others are remade
        present |= {path.stem: path for path in finished_files(h5_path(self.folder, "any").parent, "*.h5")}
        for slide_id in sorted(present.keys() - made_again - self.known_ours, key=lambda one: (one in listed, one)):
            difference = other_encoder(present[slide_id], self.encoder.facts, self.encoder.dim)
            if difference:
                way_out = (
                    "replace those of the listed slides with --overwrite, or make all of them anew with --no_auto_skip"
                    if slide_id in listed
                    else f"remove those of slides that the table does not name, such as {slide_id}"
                )
                raise UsageError(
                    f"{self.folder} holds features of another encoder, such as {slide_id}, than this run makes: "
                    f"{difference}; take another --feat_dir, or {way_out}"
                )


def other_encoder(path: Path, facts: Mapping[str, str], dim: int) -> str:
    """Return both encoders where an h5 or pt is of another one than that of these facts, else "".

    Files that do not say their encoder, such as those of the original, are told by how many numbers they hold.
    """
    made_from = read_provenance(path) if path.suffix == ".h5" else {}
    if "encoder" in made_from:
        return encoder_difference(made_from, facts)
    try:
        _, n_numbers = features_shape(path)
    except ItemError:  # there are none
        return ""
    return (
        "" if n_numbers == dim else f"{encoder_name(made_from)} ({n_numbers} numbers) and {encoder_name(facts)} ({dim})"
    )


def folder_of(feat_dir: Path, name: str, n_encoders: int) -> Path:
    """Return where an encoder's features go: the folder itself, or one below it where there are several encoders."""
    return feat_dir if n_encoders == 1 else feat_dir / re.sub(r"[^\w.@-]+", "_", name)


def _nothing() -> None:
    """Do nothing."""


class BackgroundWriter:
    """Writes while the next slide is encoded; use it inside a ``with``, which waits for what is still to be written."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._last: tuple[str, Future[None]] | None = None
        self._failures: dict[str, str] = {}

    def __enter__(self) -> "BackgroundWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)

    def submit(
        self, slide_id: str, writes: Sequence[Action], once_written: Action = _nothing, at_the_end: Action = _nothing
    ) -> None:
        """Write a slide's files, after those before; no more than one slide waits in memory.

        Args:
            slide_id: the slide.
            writes: write a file each.
            once_written: done when all are there.
            at_the_end: done in any case.
        """
        self._wait()
        future = self._thread.submit(_do_all, writes, once_written, at_the_end)
        future.add_done_callback(partial(_tell_failure, slide_id))
        self._last = slide_id, future

    def failures(self) -> dict[str, str]:
        """Wait for all, and return the slides that could not be written, and why."""
        self._wait()
        return self._failures

    def _wait(self) -> None:
        """Wait, and keep of an error its text alone: itself it would hold the slide's features until the run ends."""
        if self._last is None:
            return
        (slide_id, future), self._last = self._last, None
        error = future.exception()
        if error is not None:
            self._failures[slide_id] = one_line(error)


def _tell_failure(slide_id: str, future: "Future[None]") -> None:
    """Say at once that a slide could not be written: a full disk should not be learnt of in the morning."""
    error = future.exception()
    if error is not None:
        logger.error("%s: failed_write: %s", slide_id, one_line(error))


def _do_all(writes: Sequence[Action], once_written: Action, at_the_end: Action) -> None:
    try:
        with ExitStack() as stack:  # what one encoder cannot write does not keep the others from it
            for write in reversed(writes):
                stack.callback(write)
        once_written()
    finally:
        at_the_end()
