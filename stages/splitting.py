"""A labelled cohort in, files of splits out: what ``create_splits_seq.py`` does.

Reads the task's dataset CSV; writes ``splits/<task>_<100·label_frac>/splits_<i>.csv`` with its two companions and a
``report.txt`` below the current folder. Other modes than the original's have folders of their own,
``splits/<task>_kfold_100``.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from datasets.id_list import read_test_units
from datasets.label_fraction import part_of_training
from datasets.leakage import Leakage
from datasets.sites import DEFAULT_SITE_COL, sites_of
from datasets.slide_table import SlideTable
from datasets.split_file import SPLITS_FOLDER, forget_splits, split_folder_name, split_path, write_split_files
from datasets.split_modes import SPLIT_MODES, SplitRequest
from datasets.tasks import Task, TaskFlags, folders_of
from datasets.units import Units, describe_mixed, patients_of
from stages.split_report import REPORT_NAME, DrawnSplits, leaks_of, log_classes, log_summary, write_report
from utils.atomic import remove_leftovers
from utils.errors import EXIT_DONE, UsageError
from utils.lookup import require_writable
from utils.run_log import start_run_log

logger = logging.getLogger(__name__)

ALL_LABEL_FRACS = (0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class SplittingConfig:
    """One run of the stage.

    Attributes:
        task: which cohort, and what is predicted.
        seed: of the draws.
        k: number of splits.
        label_frac: part of the training patients that is kept; 0 means one folder for each of ALL_LABEL_FRACS.
        val_frac, test_frac: part of each class's patients that validates and tests.
        split_mode: name of a way to draw, see ``split_modes.SPLIT_MODES``.
        label_frac_mode: which training patients are kept, see ``label_fraction.LABEL_FRAC_MODES``.
        test_ids: file that names who tests, for ``custom``; see ``id_list``.
        site_col: column of the CSV that says where slides come from, see ``sites``; None: the task's.
        data_root_dir: where the task's features are; with it, or with a feature folder in ``task``, equal features on
            two sides are looked for.
    """

    task: TaskFlags
    seed: int = 1
    k: int = 10
    label_frac: float = 1.0
    val_frac: float = 0.1
    test_frac: float = 0.1
    split_mode: str = "montecarlo"
    label_frac_mode: str = "first"
    test_ids: str | None = None
    site_col: str | None = None
    data_root_dir: str | None = None

    @property
    def label_fracs(self) -> tuple[float, ...]:
        """The label fractions to write splits for."""
        return (self.label_frac,) if self.label_frac else ALL_LABEL_FRACS


def create_splits(config: SplittingConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: task, CSV, test ids or a number is wrong; nothing has been written then.
    """
    task = config.task.resolve()
    _check(config)
    site_col = config.site_col or task.site_col or DEFAULT_SITE_COL
    require_writable(SPLITS_FOLDER, flag="results")
    table = task.read_table()
    patients = patients_of(table.slides, table.n_classes, task.patient_voting)
    _report_cohort(table, patients, task.patient_voting)
    folders = _feature_folders(task, table, config)
    whole = _draw(table, patients, config, site_col)
    log_classes(whole)
    hashes = None if folders is None else _hashes(folders)
    parts = [replace(config, label_frac=label_frac) for label_frac in config.label_fracs]  # the largest last
    drawn = [_with_part_of_training(whole, part) for part in parts]
    leaks = [leaks_of(one, hashes, site_col) for one in drawn]
    for part in parts:
        remove_leftovers(_folder(task.name, part), below=True)
        start_run_log(_folder(task.name, part), replace(part, site_col=site_col))
    for part, splits, leaking in zip(parts, drawn, leaks, strict=True):
        _write(splits, leaking, task.name, replace(part, site_col=site_col))
    log_summary(drawn[-1], leaks[-1])
    return EXIT_DONE


def _check(config: SplittingConfig) -> None:
    for flag, fraction in (("--val_frac", config.val_frac), ("--test_frac", config.test_frac)):
        if not 0 <= fraction < 1:
            raise UsageError(f"{flag} {fraction} is not at least 0 and below 1")
    if config.split_mode == "montecarlo" and config.val_frac + config.test_frac >= 1:
        raise UsageError(f"--val_frac {config.val_frac} and --test_frac {config.test_frac} leave nothing to train on")
    if not 0 <= config.label_frac <= 1:
        raise UsageError(f"--label_frac {config.label_frac} is not between 0 and 1")
    if (config.split_mode == "custom") != (config.test_ids is not None):
        raise UsageError("--split_mode custom and --test_ids FILE go together")


def _draw(table: SlideTable, patients: Units, config: SplittingConfig, site_col: str) -> DrawnSplits:
    mode = SPLIT_MODES[config.split_mode]
    request = SplitRequest(
        n_splits=config.k,
        seed=config.seed,
        val_frac=config.val_frac,
        test_frac=config.test_frac,
        sites=sites_of(patients, table, site_col) if config.split_mode == "site" else None,
        test_units=None if config.test_ids is None else read_test_units(config.test_ids, table, patients),
    )
    return DrawnSplits(mode.draw(patients, request), patients, table, mode)


def _feature_folders(task: Task, table: SlideTable, config: SplittingConfig) -> dict[str, Path] | None:
    """Return the feature folder of every slide, where the user says where features are."""
    if config.data_root_dir is None and config.task.data_dir is None:
        return None
    folders = task.feature_folders(config.data_root_dir)
    return folders_of(table.slides, folders, task.source_col)


def _hashes(folders: dict[str, Path]) -> dict[str, str]:
    from datasets.feature_hashes import feature_hashes  # torch, which splits themselves do not need

    return feature_hashes(folders)


def _write(drawn: DrawnSplits, leaks: Sequence[Leakage], task_name: str, config: SplittingConfig) -> None:
    """Write the splits and their report for the label fraction of ``config``."""
    folder, table = _folder(task_name, config), drawn.table
    label_of = dict(zip(table.slides["slide_id"], table.slides["label"], strict=True))
    forget_splits(folder, len(drawn.splits))
    for fold, named in enumerate(drawn.named):
        write_split_files(folder, fold, named, label_of, table.class_names)
    write_report(folder / REPORT_NAME, drawn, leaks, _settings(task_name, config))
    n_splits, n_all = len(drawn.splits), len(drawn.patients)
    trained_on = len({patient for split in drawn.splits for patient in split.train})
    logger.info("%s: %d splits, %d of %d patients ever trained on", folder, n_splits, trained_on, n_all)
    if config.label_frac < 1 and config.label_frac_mode == "first":
        logger.warning(
            "label_frac %g keeps the first patients of each class by id; --label_frac_mode random keeps any",
            config.label_frac,
        )
    _warn_of_older_splits(folder, n_splits)


def _folder(task_name: str, config: SplittingConfig) -> Path:
    name = split_folder_name(task_name, config.label_frac, config.split_mode, config.label_frac_mode)
    return SPLITS_FOLDER / name


def _settings(task_name: str, config: SplittingConfig) -> dict[str, object]:
    """Return what the splits were drawn by: folds do not go by ``test_frac``."""
    test_frac = config.test_frac if config.split_mode == "montecarlo" else None
    return {**vars(config), "task": task_name, "test_frac": test_frac}


def _with_part_of_training(whole: DrawnSplits, config: SplittingConfig) -> DrawnSplits:
    part = partial(part_of_training, units=whole.patients, label_frac=config.label_frac)
    part = partial(part, mode=config.label_frac_mode, seed=config.seed)
    splits = [split._replace(train=part(split.train, fold=fold)) for fold, split in enumerate(whole.splits)]
    return replace(whole, splits=splits)


def _warn_of_older_splits(folder: Path, n_splits: int) -> None:
    if split_path(folder, n_splits).exists():
        logger.warning("%s also holds splits_%d.csv … of an earlier run with a larger --k", folder, n_splits)


def _report_cohort(table: SlideTable, patients: Units, voting: str) -> None:
    logger.info("%s: %d slides of %d patients", table.path, len(table), len(patients))
    mixed = describe_mixed(table.slides, patients, table.class_names, voting)
    if mixed:
        logger.warning("%s", mixed)
