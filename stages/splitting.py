"""A labelled cohort in, files of splits out: what ``create_splits_seq.py`` does.

Reads the task's dataset CSV; writes ``splits/<task>_<100·label_frac>/splits_<i>.csv`` with its two companions
below the current folder.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.slide_table import SlideTable
from datasets.split_file import SPLITS_FOLDER, SplitIds, split_folder_name, split_path, write_split_files
from datasets.splits import Split, monte_carlo_splits, share_of, slides_of_split
from datasets.tasks import Task, TaskFlags
from datasets.units import Units, patients_of
from utils.errors import EXIT_DONE, UsageError
from utils.lookup import require_writable

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
    """

    task: TaskFlags
    seed: int = 1
    k: int = 10
    label_frac: float = 1.0
    val_frac: float = 0.1
    test_frac: float = 0.1

    @property
    def label_fracs(self) -> tuple[float, ...]:
        """The label fractions to write splits for."""
        return (self.label_frac,) if self.label_frac else ALL_LABEL_FRACS


def create_splits(config: SplittingConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: task, CSV or a fraction is wrong; nothing has been written then.
    """
    task = config.task.resolve()
    _check_fractions(config)
    require_writable(SPLITS_FOLDER, flag="results")
    table = task.read_table()
    patients = patients_of(table.slides, table.n_classes, task.patient_voting)
    _report_cohort(table, patients, config)
    drawn = {label_frac: _draw(patients, config, label_frac) for label_frac in config.label_fracs}
    for label_frac, splits in drawn.items():
        _write(task, table, patients, splits, label_frac)
    _report_overlap(drawn[config.label_fracs[0]], patients)
    return EXIT_DONE


def _check_fractions(config: SplittingConfig) -> None:
    for flag, fraction in (("--val_frac", config.val_frac), ("--test_frac", config.test_frac)):
        if not 0 <= fraction < 1:
            raise UsageError(f"{flag} {fraction} is not at least 0 and below 1")
    if config.val_frac + config.test_frac >= 1:
        raise UsageError(f"--val_frac {config.val_frac} and --test_frac {config.test_frac} leave nothing to train on")
    if not 0 <= config.label_frac <= 1:
        raise UsageError(f"--label_frac {config.label_frac} is not between 0 and 1")


def _draw(patients: Units, config: SplittingConfig, label_frac: float) -> list[Split]:
    return list(
        monte_carlo_splits(
            patients,
            n_val=share_of(patients, config.val_frac),
            n_test=share_of(patients, config.test_frac),
            n_splits=config.k,
            seed=config.seed,
            label_frac=label_frac,
        )
    )


def _write(task: Task, table: SlideTable, patients: Units, splits: Sequence[Split], label_frac: float) -> None:
    folder = SPLITS_FOLDER / split_folder_name(task.name, label_frac)
    ids = table.slides["slide_id"].to_numpy(object)
    label_of = dict(zip(ids, table.slides["label"], strict=True))
    for fold, split in enumerate(splits):
        named = SplitIds(*(ids[side].tolist() for side in slides_of_split(split, patients)))
        write_split_files(folder, fold, named, label_of, table.class_names)
    trained_on = len({patient for split in splits for patient in split.train})
    logger.info("%s: %d splits, %d of %d patients ever trained on", folder, len(splits), trained_on, len(patients))
    if label_frac < 1:
        logger.warning("label_frac %g keeps the first patients of each class by id, not a random part", label_frac)
    _warn_of_older_splits(folder, len(splits))


def _warn_of_older_splits(folder: Path, n_splits: int) -> None:
    if split_path(folder, n_splits).exists():
        logger.warning("%s also holds splits_%d.csv … of an earlier run with a larger --k", folder, n_splits)


def _report_cohort(table: SlideTable, patients: Units, config: SplittingConfig) -> None:
    logger.info("%s: %d slides of %d patients", table.path, len(table), len(patients))
    n_val, n_test = share_of(patients, config.val_frac), share_of(patients, config.test_frac)
    for number, (name, members) in enumerate(zip(table.class_names, patients.of_class, strict=True)):
        logger.info("  %s: %d patients, %d for val, %d for test", name, len(members), n_val[number], n_test[number])
    _warn_of_absent_classes("val", n_val, table)
    _warn_of_absent_classes("test", n_test, table)


def _warn_of_absent_classes(side: str, n_patients: Sequence[int], table: SlideTable) -> None:
    absent = [name for name, n in zip(table.class_names, n_patients, strict=True) if not n]
    if len(absent) == table.n_classes:
        logger.warning("%s is empty: there will be no figures for it", side)
    elif absent:
        logger.warning("%s has no patient of %s: its AUC is undefined; raise --%s_frac", side, ", ".join(absent), side)


def _report_overlap(splits: Sequence[Split], patients: Units) -> None:
    """Say loudly what kind of splits these are, and how much of the cohort is ever tested."""
    times_tested = Counter(patient for split in splits for patient in split.test)
    n_tested, n_all = len(times_tested), len(patients)
    n_slides = sum(len(patients.slides_of[patient]) for patient in times_tested)
    logger.warning(
        "splits are Monte-Carlo resamples, NOT the folds of a cross-validation: each is drawn anew, so they overlap. "
        "Over all %d, %d of %d patients (%.0f %%; %d slides) are ever tested, %d never; the most often tested one "
        "%d times",
        *(len(splits), n_tested, n_all, 100 * n_tested / n_all, n_slides, n_all - n_tested),
        max(times_tested.values(), default=0),
    )
