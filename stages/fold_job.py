"""One fold as a job of its own: trained, evaluated, and all its files written; in this process or in another."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch

from datasets.bag_cache import BagCache, read_bags
from datasets.bags import BagSurvey
from datasets.split_file import SplitIds, write_split
from models.checkpoint import read_checkpoint
from models.checkpoint_facts import read_checkpoint_config, remove_checkpoint_facts, write_checkpoint_facts
from stages.fold import FoldPlace, FoldResult, Sides, TrainingSettings, train_fold
from stages.outcomes.outcome import Outcome
from stages.run_files import (
    FoldRecord,
    checkpoint_path,
    files_of_fold,
    log_folder,
    predictions_table,
    read_fold_predictions,
    read_fold_record,
    read_history,
    record_path,
    state_path,
    write_fold_predictions,
    write_fold_record,
    write_fold_results,
    write_history,
)
from stages.runner import Result
from utils.device import pick_device
from utils.errors import ItemError, UsageError, one_line
from utils.fingerprint import fingerprint
from utils.freed_memory import keep_freed_memory
from utils.wording import few

logger = logging.getLogger(__name__)

DONE, KEPT, STOPPED = "trained", "kept", "stopped"


@dataclass(frozen=True)
class FoldJob:
    """All that a fold needs.

    Attributes:
        fold: its number.
        sides: training, validation and test slides.
        bags: their features.
        outcome: what is predicted of them.
        settings: how to train.
        made_from: what the features were made from.
        task: what is learned, for the checkpoint's configuration.
        folder: of the run.
        device: where to compute.
        log_data: write tensorboard logs.
        threads: of the processor; None: as many as there are.
        n_at_once: folds that share the device.
    """

    fold: int
    sides: Sides
    bags: BagCache
    outcome: Outcome
    settings: TrainingSettings
    made_from: dict[str, str]
    task: dict[str, Any]
    folder: Path
    device: torch.device
    log_data: bool = False
    threads: int | None = None
    n_at_once: int = 1

    @cached_property
    def decisive(self) -> dict[str, Any]:
        """What decides the result, in values that JSON has."""
        hashes = [self.bags.hashes[slide_id] for side in self.sides for slide_id in side.slide_ids]
        sides = [[side.slide_ids, self.outcome.targets(side).tolist()] for side in self.sides]
        return {
            **asdict(self.settings),
            "features": fingerprint(hashes=hashes),
            "split": fingerprint(sides=sides),
            "outcome": self.outcome.describe(),
            "cache_dtype": self.bags.dtype_in_memory,
        }


def run_fold(job: FoldJob) -> Result:
    """Train a fold and write its files, go on with one that was interrupted, or keep the files of one that is done.

    What an earlier run left has been forgotten before, where it is not to be kept.
    """
    name = f"fold {job.fold}"
    keep_freed_memory()
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    record = _kept_record(job)
    if record is not None:
        state_path(job.folder, job.fold).unlink(missing_ok=True)  # where a run was killed before it could do so
        return _result(name, KEPT, record)
    place = _place(job)
    write_split(job.folder / f"splits_{job.fold}.csv", SplitIds(*(side.slide_ids for side in job.sides)))
    bags = job.bags.to(job.device, job.n_at_once)
    result = train_fold(job.sides, bags, job.outcome, job.settings, place, job.device)
    record = FoldRecord(job.decisive, _figures(result), result.stopped)
    _write(job, place, result, record)
    return _result(name, STOPPED if result.stopped else DONE, record)


@dataclass(frozen=True)
class BagFiles:
    """The bags of a run as their files, for a machine that has not read them.

    Attributes:
        width: length D of a feature.
        bags: slide, file and number of patches of each.
        cache_gb, cache_dtype: see ``read_bags``.
    """

    width: int
    bags: tuple[tuple[str, Path, int], ...]
    cache_gb: float
    cache_dtype: str

    @classmethod
    def of(cls, survey: BagSurvey, cache_gb: float, cache_dtype: str) -> "BagFiles":
        """Return the sound bags of a survey; their files by paths that hold from any folder."""
        bags = ((slide_id, path.absolute(), survey.n_patches[slide_id]) for slide_id, path in survey.paths.items())
        return cls(survey.width, tuple(bags), cache_gb, cache_dtype)


@lru_cache(1)  # a process of a cluster trains several folds
def _read(files: BagFiles) -> BagCache:
    paths = {slide_id: path for slide_id, path, _ in files.bags}
    n_patches = {slide_id: number for slide_id, _, number in files.bags}
    return read_bags(BagSurvey(files.width, paths, n_patches), files.cache_gb, files.cache_dtype)


def elsewhere(job: FoldJob, threads: int) -> FoldJob:
    """Return a job without the numbers of its bags, for ``run_fold_elsewhere`` on whichever machine."""
    return replace(job, bags=job.bags.without_numbers(), threads=threads)


def run_fold_elsewhere(job: FoldJob, files: BagFiles) -> Result:
    """Train a fold on a machine that shares nothing with the one that asks but folders.

    Raises:
        ItemError: features have changed since they were looked at.
    """
    bags = _read(files)
    changed = [slide_id for slide_id, sha256 in job.bags.hashes.items() if bags.hashes.get(slide_id) != sha256]
    if changed:
        raise ItemError(f"features of {few(changed)} changed while the run was under way: start it again")
    return run_fold(replace(job, bags=bags, device=pick_device()))


def _kept_record(job: FoldJob) -> FoldRecord | None:
    """Return what is said of a fold that is done and whose files can be read; forget one that lost some of them."""
    record = read_fold_record(job.folder, job.fold)
    if record is None or differing_settings(record, job):
        return None
    try:
        read_checkpoint(checkpoint_path(job.folder, job.fold))
        read_checkpoint_config(checkpoint_path(job.folder, job.fold))
        read_fold_predictions(job.folder, job.fold)
        read_history(job.folder, job.fold)
    except (UsageError, OSError, LookupError, ValueError) as error:
        logger.warning("fold %d is trained again: %s", job.fold, one_line(error))
        forget_fold(job.folder, job.fold)
        return None
    return record


def _place(job: FoldJob) -> FoldPlace:
    return FoldPlace(
        fold=job.fold,
        checkpoint=checkpoint_path(job.folder, job.fold),
        log_dir=log_folder(job.folder, job.fold) if job.log_data else None,
        state=state_path(job.folder, job.fold),
        fingerprint=fingerprint(**job.decisive),
        shows_bar=job.threads is None,
    )


def forget_fold(folder: Path, fold: int) -> None:
    """Remove what an earlier run says of a fold: one that is stopped must not go by it, nor a summary count it."""
    record_path(folder, fold).unlink(missing_ok=True)  # first: it says that the others are there
    remove_checkpoint_facts(checkpoint_path(folder, fold))
    for path in files_of_fold(folder, fold):
        path.unlink(missing_ok=True)


def _write(job: FoldJob, place: FoldPlace, result: FoldResult, record: FoldRecord) -> None:
    model = job.settings.model
    write_checkpoint_facts(place.checkpoint, job.made_from, model.embed_dim, model=model, task=job.task)
    if job.outcome.name == "classification":
        write_fold_results(job.folder, job.fold, result.test_split.slide_ids, result.test)
    tables = {
        "val": predictions_table(result.val_split.slide_data, job.outcome.columns(result.val)),
        "test": predictions_table(result.test_split.slide_data, job.outcome.columns(result.test)),
    }
    write_fold_predictions(job.folder, job.fold, tables)
    write_history(job.folder, job.fold, result.history)
    write_fold_record(job.folder, job.fold, record)
    state_path(job.folder, job.fold).unlink(missing_ok=True)


def _figures(result: FoldResult) -> dict[str, float]:
    """Return ``test_auc, val_auc, test_acc, val_acc``, or those of another outcome, in this order."""
    sides = {"test": result.test_figures, "val": result.val_figures}
    return {f"{side}_{name}": sides[side][name] for name in result.test_figures for side in sides}


def _result(name: str, status: str, record: FoldRecord) -> Result:
    shown = ", ".join(f"{figure} {value:.4f}" for figure, value in record.figures.items())
    logger.info("%s: %s%s", name, shown, " (kept)" if status == KEPT else "")
    return Result(name, status, record.stopped, failed=bool(record.stopped))


def differing_settings(record: FoldRecord, job: FoldJob) -> str:
    """Return in what a fold that is done differs from what is asked for now; empty where in nothing."""
    return _difference(record.settings, job.decisive)


def _difference(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> str:
    parts = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            parts.append(_difference(old, new, f"{name}."))
        elif old != new:
            parts.append(f"other {name}" if name in ("features", "split") else f"{prefix}{name} {old}, now {new}")
    return ", ".join(filter(None, parts))


def at_once(job: FoldJob, n_jobs: int) -> FoldJob:
    """Return a job that shares the processor's threads with others that run at the same time."""
    return replace(job, threads=max(1, torch.get_num_threads() // n_jobs), n_at_once=n_jobs)
