"""Bags that are read once and kept: in memory up to a bound, beyond it mapped from their files.

Every number is looked at while reading, so that NaN among the features is known before training starts.
"""

import logging
import math
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from tqdm import tqdm

from datasets.bags import BagSurvey
from datasets.features_file import map_features
from utils.device import free_bytes
from utils.errors import ItemError, PipelineError, UsageError
from utils.fingerprint import array_sha256, fingerprint

logger = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}
DEFAULT_CACHE_GB = 8.0
GIB = 2**30
BAR_AFTER_S = 1
NOT_FINITE = "NaN or infinite numbers"
SHARED_MEMORY = Path("/dev/shm")
PART_OF_SHARED_MEMORY = 0.9


@dataclass
class BagCache:
    """The bags of a cohort, by slide.

    Attributes:
        width: length D of a feature.
        kept: features (all patches of all bags in memory, D), one bag after the other.
        rows: first row in ``kept`` and number of patches of each bag in memory.
        paths: files of the bags that are not in memory.
        hashes: SHA-256 of the features of every bag, as they are in the files.
    """

    width: int
    kept: torch.Tensor
    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, slide_id: str) -> torch.Tensor:
        """Return the features (N, D) of a slide: a view where they are in memory, else read from its file.

        Raises:
            ItemError: its file has gone or is damaged.
        """
        if slide_id in self.rows:
            first, n_patches = self.rows[slide_id]
            return self.kept[first : first + n_patches]
        return map_features(self.paths[slide_id]).clone()  # the pages are read here, not where they are used

    def to(self, device: torch.device, n_sharing: int = 1) -> "BagCache":
        """Return the same bags with those in memory on a GPU, if there is room.

        Args:
            device: where to.
            n_sharing: processes that will do the same; each may take its part of half of what is free.
        """
        free = free_bytes(device) if device.type == "cuda" else None
        if free is None or self.kept.nbytes > free / 2 / n_sharing:
            return self
        return replace(self, kept=self.kept.to(device))

    def without_numbers(self) -> "BagCache":
        """Return the same without what is in memory; the hashes say which bags are meant."""
        return replace(self, kept=self.kept[:0].clone())

    @property
    def dtype_in_memory(self) -> str:
        """What decides how numbers are rounded: ``fp32``, or ``fp16`` and of which bags."""
        if self.kept.dtype == torch.float32:
            return "fp32"
        return f"fp16 of {fingerprint(bags=sorted(self.rows))[:8]}"


def read_bags(
    survey: BagSurvey, cache_gb: float = DEFAULT_CACHE_GB, dtype: str = "fp32", *, shared: bool = False
) -> BagCache:
    """Read all sound bags of a survey; those with numbers that are not finite are rejected there.

    Args:
        survey: which bags there are, and how large.
        cache_gb: memory to keep bags in, in GiB.
        dtype: ``fp32``, or ``fp16`` for twice as many.
        shared: other processes are to use the same memory, without a copy of their own.
    """
    kept_dtype = DTYPES[dtype]
    in_memory = _those_that_fit(survey, int(cache_gb * GIB) // (survey.width * kept_dtype.itemsize or 1))
    kept = torch.empty(sum(survey.n_patches[slide_id] for slide_id in in_memory), survey.width, dtype=kept_dtype)
    if shared:
        _share(kept)
    cache = BagCache(survey.width, kept)
    first = 0
    for slide_id, path in _with_bar(survey.paths):
        rows = kept[first : first + survey.n_patches[slide_id]] if slide_id in in_memory else None
        try:
            cache.hashes[slide_id] = _read_one(path, rows)
        except _UnusableError as error:
            survey.reject(slide_id, *error.args)
            continue
        if rows is None:
            cache.paths[slide_id] = path
        else:
            cache.rows[slide_id] = first, len(rows)
            first += len(rows)
    _log(cache)
    return cache


def _those_that_fit(survey: BagSurvey, n_rows: int) -> set[str]:
    fitting = set()
    for slide_id, n_patches in survey.n_patches.items():
        if n_patches <= n_rows:
            fitting.add(slide_id)
            n_rows -= n_patches
    return fitting


def _with_bar(paths: dict[str, Path]) -> tqdm:
    return tqdm(list(paths.items()), desc="features", unit="slide", delay=BAR_AFTER_S, dynamic_ncols=True)


class _UnusableError(PipelineError):
    """A bag cannot be used; says what is wrong, and details."""


def _read_one(path: Path, rows: torch.Tensor | None) -> str:
    """Read a bag, into ``rows`` where it is to be kept, and return its hash."""
    try:
        features = map_features(path)
    except ItemError as error:
        raise _UnusableError("not readable", str(error)) from error
    if not _is_finite(features):
        raise _UnusableError(NOT_FINITE)
    if rows is not None:
        rows.copy_(features)
        if not _is_finite(rows):
            raise _UnusableError("too large for --cache_dtype fp16")
    return array_sha256(features.numpy())


def _is_finite(features: torch.Tensor) -> bool:
    """Tell by the sum, the cheapest look at all numbers."""
    return bool(features.sum(dtype=torch.float32).isfinite())


def _log(cache: BagCache) -> None:
    logger.info("features: %d bags in memory (%.2f GiB)", len(cache.rows), cache.kept.nbytes / GIB)
    if cache.paths:
        logger.info("%d bags beyond --cache_gb are read from their files each time", len(cache.paths))


def _share(kept: torch.Tensor) -> None:
    """Move a tensor to memory that processes share, before it is filled, so that it is never there twice.

    Raises:
        UsageError: there is no room.
    """
    free = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else math.inf
    if kept.nbytes > PART_OF_SHARED_MEMORY * free:
        raise UsageError(
            f"--fold_workers: {kept.nbytes / GIB:.2f} GiB of features do not fit into {SHARED_MEMORY}, which processes "
            f"share and which has {free / GIB:.2f} GiB left: lower --cache_gb, take --fold_workers 1, or enlarge it "
            "(docker: --shm-size)"
        )
    kept.share_memory_()
