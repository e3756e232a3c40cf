"""Features and splits in, trained models out: what ``main.py`` does.

Everything that can be wrong with the data of any fold is found before the first fold starts.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from datasets.bags import bag_h5_path, survey_bags
from datasets.cohort_provenance import cohort_provenance
from datasets.dataset_generic import Generic_MIL_Dataset, open_task
from datasets.split_file import SplitIds, find_split_folder, split_folder_name, split_path, write_split
from datasets.tasks import Task, TaskFlags
from models.builder import ModelSettings
from models.checkpoint_facts import remove_checkpoint_facts, write_checkpoint_facts
from stages.fold import FoldResult, Sides, TrainingSettings, check_settings, train_fold
from stages.run_files import (
    checkpoint_path,
    fold_range,
    log_folder,
    run_folder,
    table_text,
    write_fold_results,
    write_settings,
    write_summary,
)
from utils.device import pick_device
from utils.errors import EXIT_DONE, UsageError
from utils.lookup import require_writable
from utils.names import check_id

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingConfig:
    """One run of the stage.

    Attributes:
        task: which cohort, and what is predicted.
        data_root_dir: folder that holds the task's feature folder.
        exp_code: name of the run.
        results_dir: where runs go.
        split_dir: name or path of the folder of splits; None: the task's, by ``label_frac``.
        label_frac: part of the training patients that the splits kept.
        k, k_start, k_end: folds from ``k_start`` up to but without ``k_end``, of ``k``; -1: the first, the last.
        embed_dim: length of a feature; None: as the features are.
        subtyping: classes exclude each other; the task may imply it.
        log_data: write tensorboard logs.
        training: how to train; its model's ``embed_dim``, ``n_classes`` and ``subtyping`` are filled in here.
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

    @property
    def folds(self) -> range:
        """The folds to train."""
        return fold_range(self.k, self.k_start, self.k_end)


def train(config: TrainingConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: task, features or splits are wrong; names what, before anything is trained or written.
    """
    check_id(config.exp_code, where="--exp_code")
    check_settings(config.training)
    task = config.task.resolve()
    dataset = open_task(task, config.data_root_dir, seed=config.training.seed)
    split_folder = _split_folder(config, task)
    splits = open_splits(dataset, split_folder, config.folds)
    _refuse_empty_training(splits, split_folder)
    folders = {slide: folder for slide, folder in dataset.feature_folders.items() if slide in slides_of(splits)}
    made_from = cohort_provenance(bag_h5_path(folder, slide) for slide, folder in folders.items())
    survey = survey_bags(folders, config.embed_dim)
    survey.require_sound(task.name)
    settings = replace(config.training, model=_model_settings(config, task, dataset, survey.width))
    folder = require_writable(run_folder(config.results_dir, config.exp_code, settings.seed), flag="--results_dir")
    write_settings(
        folder / f"experiment_{config.exp_code}.txt", {**vars(config), "training": settings, "features": made_from}
    )
    _run_folds(splits, settings, made_from, folder, config)
    return EXIT_DONE


def _model_settings(config: TrainingConfig, task: Task, dataset: Generic_MIL_Dataset, embed_dim: int) -> ModelSettings:
    if task.subtyping and not config.subtyping:
        logger.info("%s is a subtyping task: --subtyping is implied", task.name)
    return replace(
        config.training.model,
        embed_dim=embed_dim,
        n_classes=dataset.num_classes,
        subtyping=config.subtyping or task.subtyping,
    )


def _split_folder(config: TrainingConfig, task: Task) -> Path:
    return find_split_folder(config.split_dir or split_folder_name(task.name, config.label_frac))


def open_splits(dataset: Generic_MIL_Dataset, folder: Path, folds: range) -> dict[int, Sides]:
    """Return the three sides of every fold.

    Raises:
        UsageError: a split file is missing or does not fit the dataset CSV.
    """
    logger.info("splits: %s, folds %d to %d", folder, folds.start, folds.stop - 1)
    return {fold: dataset.return_splits(from_id=False, csv_path=split_path(folder, fold)) for fold in folds}


def _refuse_empty_training(splits: dict[int, Sides], folder: Path) -> None:
    empty = [str(fold) for fold, (train_side, _, _) in splits.items() if not len(train_side)]
    if empty:
        raise UsageError(f"{folder}: no training slides in fold {', '.join(empty)}")


def slides_of(splits: dict[int, Sides]) -> set[str]:
    """Return every slide of every side."""
    return {slide for sides in splits.values() for side in sides for slide in side.slide_ids}


def _run_folds(
    splits: dict[int, Sides],
    settings: TrainingSettings,
    made_from: dict[str, str],
    folder: Path,
    config: TrainingConfig,
) -> None:
    device = pick_device()
    rows: list[dict[str, float]] = []
    for fold, sides in splits.items():
        write_split(folder / f"splits_{fold}.csv", SplitIds(*(side.slide_ids for side in sides)))
        logs = log_folder(folder, fold) if config.log_data else None
        checkpoint = checkpoint_path(folder, fold)
        remove_checkpoint_facts(checkpoint)  # a fold that is stopped must not go by those of an earlier run
        result = train_fold(sides, settings, fold, checkpoint, logs, device)
        write_checkpoint_facts(checkpoint, made_from, settings.model.embed_dim, model=settings.model)
        write_fold_results(folder, fold, result.test_split.slide_ids, result.test)
        rows.append(_summary_row(fold, result))
        # after every fold: a run that is stopped keeps the figures of what it did
        path, table = write_summary(folder, rows, config.folds, config.k)
    print(table_text(table))
    logger.info("summary: %s", path)


def _summary_row(fold: int, result: FoldResult) -> dict[str, float]:
    row = {
        "folds": fold,
        "test_auc": result.test_auc,
        "val_auc": result.val_auc,
        "test_acc": 1 - result.test.error,
        "val_acc": 1 - result.val.error,
    }
    logger.info("fold %d: %s", fold, ", ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "folds"))
    return row
