"""Features and splits in, trained models out: what ``main.py`` does.

Everything that can be wrong with the data of any fold is found before the first fold starts.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from datasets.bag_cache import DEFAULT_CACHE_GB, BagCache, read_bags
from datasets.bags import BagSurvey, bag_h5_path, survey_bags
from datasets.cohort_provenance import cohort_provenance
from datasets.dataset_generic import Generic_MIL_Dataset, Generic_Split, open_task
from datasets.leakage import findings, leakage_report
from datasets.sites import DEFAULT_SITE_COL
from datasets.split_file import SplitIds, find_split_folder, split_folder_name, split_path
from datasets.tasks import Task, TaskFlags
from models.builder import ModelSettings
from models.heads.registry import HEADS
from stages.engines import LOCAL, RAY, Engine, EngineSettings, opened
from stages.fold import Sides, TrainingSettings, check_settings
from stages.fold_job import (
    BagFiles,
    FoldJob,
    at_once,
    differing_settings,
    elsewhere,
    forget_fold,
    run_fold,
    run_fold_elsewhere,
)
from stages.fold_state import read_fold_state
from stages.loaders import sound_part, warn_of_left_out
from stages.outcomes.of_task import loss_of_task, outcome_of_task
from stages.outcomes.outcome import Outcome
from stages.run_files import (
    fold_range,
    folds_in,
    forget_summary,
    part_folder,
    read_fold_predictions,
    read_fold_record,
    read_history,
    run_folder,
    state_path,
    table_text,
    write_flags,
    write_settings,
    write_summary,
)
from stages.run_report import FoldTables, report_run
from stages.runner import Result, run_each, summarise
from stages.statistics.kind import StatisticsConfig
from utils.atomic import remove_leftovers
from utils.device import has_bfloat16, pick_device
from utils.errors import UsageError
from utils.fingerprint import fingerprint
from utils.item_locks import ItemLocks
from utils.lookup import require_writable
from utils.names import check_id
from utils.process_identity import this_process
from utils.run_log import start_run_log

logger = logging.getLogger(__name__)

PRELOAD = ("stages.fold_job",)
OF_RUN = " of run "  # between a fold and the process that is about it


@dataclass(frozen=True)
class TrainingConfig:
    """One run of the stage.

    Attributes:
        task: which cohort, and what is predicted.
        data_root_dir: folder that holds the task's feature folder.
        exp_code: name of the run.
        training: how to train; its model's ``embed_dim``, ``n_classes`` and ``subtyping`` are filled in here.
        results_dir: where runs go.
        split_dir: name or path of the folder of splits; None: the task's, by ``label_frac``.
        label_frac: part of the training patients that the splits kept.
        k, k_start, k_end: folds from ``k_start`` up to but without ``k_end``, of ``k``; -1: the first, the last.
        embed_dim: length of a feature; None: as the features are.
        subtyping: classes exclude each other; the task may imply it.
        log_data: write tensorboard logs.
        bag_loss: name of the loss; None: the usual one of the task's type.
        missing: ``error`` refuses slides whose features cannot be used, ``drop`` goes on without them.
        cache_gb, cache_dtype: memory for features in GiB, and how a number is kept there.
        engine: where folds are trained, and how many at the same time.
        resume: keep folds that are done, and go on with one that was interrupted.
        report: write statistics, pictures and ``report.html``.
        flags: the command line, kept in the run's folder.
    """

    task: TaskFlags
    data_root_dir: str | None
    exp_code: str
    training: TrainingSettings
    results_dir: str = "./results"
    split_dir: str | None = None
    label_frac: float = 1.0
    k: int = 10
    k_start: int = -1
    k_end: int = -1
    embed_dim: int | None = None
    subtyping: bool = False
    log_data: bool = False
    bag_loss: str | None = None
    missing: str = "error"
    cache_gb: float = DEFAULT_CACHE_GB
    cache_dtype: str = "fp32"
    engine: EngineSettings = field(default_factory=lambda: EngineSettings(slide_timeout_s=0))
    resume: bool = False
    report: bool = True
    flags: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folds(self) -> range:
        """The folds to train."""
        return fold_range(self.k, self.k_start, self.k_end)


@dataclass
class _Run:
    """What all folds of a run share."""

    config: TrainingConfig
    task: Task
    dataset: Generic_MIL_Dataset
    splits: dict[int, Sides]
    outcome: Outcome
    settings: TrainingSettings
    bags: BagCache
    survey: BagSurvey
    made_from: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return run_folder(self.config.results_dir, self.config.exp_code, self.settings.seed)


def train(config: TrainingConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: task, features or splits are wrong; names what, before anything is trained or written.
    """
    check_id(config.exp_code, where="--exp_code")
    check_settings(config.training)
    run = _open(config)
    jobs = _jobs(run)
    if config.resume:
        _refuse_other_settings(run.folder, jobs)
    require_writable(run.folder, flag="--results_dir")
    # the engine first: a cluster that does not answer costs nothing of an earlier run
    with opened(config.engine, PRELOAD, isolates=False) as engine, ItemLocks(run.folder) as locks:
        _claim(run, jobs, locks)
        remove_leftovers(run.folder, below=True)
        made_from = {"training": run.settings, "features": run.made_from}
        write_settings(run.folder / f"experiment_{config.exp_code}.txt", {**vars(config), **made_from})
        write_flags(run.folder, config.flags)
        start_run_log(run.folder, {**vars(config), **made_from})
        return _run_folds(run, jobs, engine, locks)


def _claim(run: _Run, jobs: Mapping[int, FoldJob], locks: ItemLocks) -> None:
    """Tell other processes which folds this run is about until its end; a run that begins anew wants them alone.

    Raises:
        UsageError: another run is about one of the folds that this one would begin anew.
    """
    with locks.holding("beginning"):
        if not run.config.resume:
            _forget(run, jobs, locks)
        for fold in jobs:
            locks.take(f"{_name(fold)}{OF_RUN}{this_process()}")


def _forget(run: _Run, jobs: Mapping[int, FoldJob], locks: ItemLocks) -> None:
    folder, config = run.folder, run.config
    folds = {*jobs, *(folds_in(folder) if config.folds == range(config.k) else ())}
    for claim, holder in locks.others().items():
        name, of_run, _ = claim.partition(OF_RUN)
        if of_run and name in map(_name, folds):
            raise UsageError(
                f"{name} in {folder} is being trained by {holder}; pass --resume to share the folds with it, "
                "or take another --exp_code"
            )
    for fold in folds:
        forget_fold(folder, fold)
    forget_summary(folder, config.folds, config.k)


def _name(fold: int) -> str:
    return f"fold {fold}"


def _open(config: TrainingConfig) -> _Run:
    """Read task, cohort, splits and features, and make sure that they fit together."""
    task = config.task.resolve()
    loss = loss_of_task(task.type, config.bag_loss)
    dataset = open_task(task, config.data_root_dir, seed=config.training.seed)
    split_folder = find_split_folder(config.split_dir or split_folder_name(task.name, config.label_frac))
    splits = open_splits(dataset, split_folder, config.folds)
    used = slides_of(splits)
    folders = {slide: folder for slide, folder in dataset.feature_folders.items() if slide in used}
    made_from = cohort_provenance(bag_h5_path(folder, slide) for slide, folder in folders.items())
    survey = survey_bags(folders, config.embed_dim)
    bags = read_bags(
        survey,
        config.cache_gb,
        config.cache_dtype,
        shared=config.engine.engine == LOCAL and config.engine.num_workers > 1,
    )
    splits = _without_unusable(splits, survey, config)
    _refuse_empty_training(splits, split_folder)
    _warn_of_empty_sides(splits)
    _warn_of_leaks(splits, dataset, bags, task)
    outcome = outcome_of_task(task, dataset.table, loss)
    model = _model_settings(config, task, outcome, survey.width)
    settings = replace(config.training, model=model, bag_loss=loss)
    return _Run(config, task, dataset, splits, outcome, settings, bags, survey, made_from)


def _without_unusable(splits: dict[int, Sides], survey: BagSurvey, config: TrainingConfig) -> dict[int, Sides]:
    """Return the splits without slides whose features cannot be used, or refuse these."""
    sound = {fold: _sound_sides(sides, survey, config.missing) for fold, sides in splits.items()}
    warn_of_left_out(survey)
    return sound


def _sound_sides(sides: Sides, survey: BagSurvey, missing: str) -> Sides:
    """Return three sides without slides whose features cannot be used, or refuse these."""
    train, val, test = (sound_part(side, survey, missing) for side in sides)
    return train, val, test


def _warn_of_leaks(splits: dict[int, Sides], dataset: Generic_MIL_Dataset, bags: BagCache, task: Task) -> None:
    leaks = [
        leakage_report(
            SplitIds(*(side.slide_ids for side in sides)),
            dataset.table,
            bags.hashes,
            task.site_col or DEFAULT_SITE_COL,
        )
        for sides in splits.values()
    ]
    for finding in findings(leaks):
        logger.warning("splits: %s", finding)


def _model_settings(config: TrainingConfig, task: Task, outcome: Outcome, embed_dim: int) -> ModelSettings:
    model = config.training.model
    if outcome.output_kind not in HEADS[model.model_type].outputs:
        fitting = [name for name, head in HEADS.items() if outcome.output_kind in head.outputs]
        raise UsageError(
            f"--model_type {model.model_type} predicts classes alone; for {task.type}: {', '.join(fitting)}"
        )
    if config.subtyping and outcome.name != "classification":
        raise UsageError(f"--subtyping is of classes, and a task of {task.type} has none")
    if task.subtyping and not config.subtyping:
        logger.info("%s is a subtyping task: --subtyping is implied", task.name)
    subtyping = config.subtyping or task.subtyping
    return replace(model, embed_dim=embed_dim, n_classes=outcome.n_outputs, subtyping=subtyping)


def open_splits(dataset: Generic_MIL_Dataset, folder: Path, folds: range) -> dict[int, Sides]:
    """Return the three sides of every fold.

    Raises:
        UsageError: a split file is missing or does not fit the dataset CSV.
    """
    logger.info("splits: %s, folds %d to %d", folder, folds.start, folds.stop - 1)
    return {fold: dataset.return_splits(from_id=False, csv_path=split_path(folder, fold)) for fold in folds}


def _refuse_empty_training(splits: dict[int, Sides], folder: Path) -> None:
    empty = empty_folds({fold: sides[0] for fold, sides in splits.items()})
    if empty:
        raise UsageError(f"{folder}: no training slides in fold {empty}")


def _warn_of_empty_sides(splits: dict[int, Sides]) -> None:
    for number, side in ((1, "validation"), (2, "test")):
        empty = empty_folds({fold: sides[number] for fold, sides in splits.items()})
        if empty:
            logger.warning("%s has no bag in fold %s: its figures are undefined", side, empty)


def empty_folds(slides: Mapping[int, Generic_Split]) -> str:
    """Name the folds that have no slides; "" where all have some."""
    return ", ".join(str(fold) for fold, part in slides.items() if not len(part))


def slides_of(splits: dict[int, Sides]) -> set[str]:
    """Return every slide of every side."""
    return {slide for sides in splits.values() for side in sides for slide in side.slide_ids}


def _jobs(run: _Run) -> dict[int, FoldJob]:
    device = pick_device()
    if run.settings.amp and not has_bfloat16(device):
        logger.warning("--amp: %s has no bfloat16 arithmetic: float32, which is faster here", device)
    return {
        fold: FoldJob(
            fold=fold,
            sides=sides,
            bags=run.bags,
            outcome=run.outcome,
            settings=run.settings,
            made_from=run.made_from,
            task={"name": run.task.name, **run.outcome.describe()},
            folder=run.folder,
            device=device,
            log_data=run.config.log_data,
        )
        for fold, sides in run.splits.items()
    }


def _refuse_other_settings(folder: Path, jobs: Mapping[int, FoldJob]) -> None:
    """Refuse to go on with folds that were trained otherwise."""
    for fold, job in jobs.items():
        record = read_fold_record(folder, fold)
        difference = differing_settings(record, job) if record is not None else ""
        if difference:
            raise UsageError(
                f"--resume: fold {fold} in {folder} was trained with {difference}; leave --resume out to train anew, "
                "or take another --exp_code"
            )
        begun = read_fold_state(state_path(folder, fold))
        if begun is not None and begun.fingerprint != fingerprint(**job.decisive):
            raise UsageError(
                f"--resume: fold {fold} in {folder} was begun with other settings, features or splits; give those, "
                "leave --resume out to train anew, or take another --exp_code"
            )


def _run_folds(run: _Run, jobs: dict[int, FoldJob], engine: Engine, locks: ItemLocks) -> int:
    results = run_each(
        {_name(fold): task for fold, task in _tasks(run, jobs).items()},
        unit="fold",
        failed_status="failed_training",
        on_result=lambda result: None if result.failed else _write_summary(run),
        engine=engine,
        locks=locks,
    )
    done = [fold for fold in jobs if read_fold_record(run.folder, fold) is not None]
    if done:
        path, table = _write_summary(run)
        print(table_text(table))
        logger.info("summary: %s", path)
        if run.config.report:
            _report(run, done)
    return summarise(results, unit="fold")


def _tasks(run: _Run, jobs: Mapping[int, FoldJob]) -> dict[int, Callable[[], Result]]:
    """Return the work on each fold, for the engine of the run."""
    engine, config = run.config.engine, run.config
    if engine.engine == RAY:
        bags = BagFiles.of(run.survey, config.cache_gb, config.cache_dtype)
        return {fold: partial(run_fold_elsewhere, elsewhere(job, engine.task_cpus), bags) for fold, job in jobs.items()}
    n_workers = min(engine.num_workers, len(jobs))
    if n_workers > 1:
        jobs = {fold: at_once(job, n_workers) for fold, job in jobs.items()}
    return {fold: partial(run_fold, job) for fold, job in jobs.items()}


def _report(run: _Run, folds: list[int]) -> None:
    """Write statistics, pictures and ``report.html`` of the folds that are done."""
    tables = {}
    for fold in folds:
        sides = read_fold_predictions(run.folder, fold)
        tables[fold] = FoldTables(sides["test"], sides["val"], read_history(run.folder, fold))
    folder = part_folder(run.folder, run.config.folds, run.config.k)
    report_run(
        folder,
        run.outcome,
        tables,
        title=f"{run.config.exp_code}: {run.task.name}",
        settings=dict(run.config.flags),
        config=StatisticsConfig(voting=run.task.patient_voting),
    )
    logger.info("report: %s", folder / "report.html")


def _write_summary(run: _Run) -> tuple[Path, pd.DataFrame]:
    """Write the figures of the folds that are done; after every fold, so that a run that is stopped keeps them."""
    records = {fold: read_fold_record(run.folder, fold) for fold in run.splits}
    rows = [{"folds": fold, **record.figures} for fold, record in records.items() if record is not None]
    return write_summary(run.folder, rows, run.config.folds, run.config.k)
