"""A trained run and labelled slides in, predictions and figures out: what ``eval.py`` does."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from datasets.bags import bag_h5_path, survey_bags
from datasets.cohort_provenance import cohort_provenance
from datasets.dataset_generic import Generic_MIL_Dataset, Generic_Split, open_task
from datasets.encoder_facts import encoder_difference
from datasets.split_file import find_split_folder
from datasets.tasks import TaskFlags
from models.checkpoint import load_model
from models.checkpoint_facts import features_trained_on
from stages.epoch import Objective, PassFigures, run_pass
from stages.loaders import ordered_loader
from stages.run_files import (
    checkpoint_path,
    fold_range,
    table_text,
    write_predictions,
    write_settings,
    write_summary,
)
from stages.training import open_splits
from utils.device import pick_device
from utils.errors import EXIT_DONE, UsageError
from utils.lookup import require_folder, require_writable
from utils.names import check_id

logger = logging.getLogger(__name__)

EVAL_RESULTS = Path("eval_results")
SPLIT_CHOICES = ("train", "val", "test", "all")


@dataclass(frozen=True)
class EvaluationConfig:
    """One run of the stage.

    Attributes:
        task: which cohort, and what is predicted.
        data_root_dir: folder that holds the task's feature folder.
        models_exp_code: folder of the trained run, below ``results_dir``.
        save_exp_code: name of the results; None: ``models_exp_code``.
        results_dir: where runs are.
        splits_dir: name or path of a folder of splits; None: the run's own.
        split: ``train``, ``val``, ``test``, or ``all`` slides of the table.
        model_type, model_size, embed_dim: what the checkpoints are expected to be; None takes what they are.
        drop_out: the rate of training, without effect on trained models.
        k, k_start, k_end, fold: folds from ``k_start`` up to but without ``k_end``, or the one ``fold``.
        micro_average: AUC over (slide, class) pairs instead of the mean over classes (more than two classes).
    """

    task: TaskFlags
    data_root_dir: str | None
    models_exp_code: str
    save_exp_code: str | None = None
    results_dir: str = "./results"
    splits_dir: str | None = None
    split: str = "test"
    model_type: str | None = None
    model_size: str | None = None
    embed_dim: int | None = None
    drop_out: float = 0.25
    k: int = 10
    k_start: int = -1
    k_end: int = -1
    fold: int = -1
    micro_average: bool = False

    @property
    def folds(self) -> range:
        """The folds to evaluate."""
        if self.fold != -1:
            return range(self.fold, self.fold + 1)
        return fold_range(self.k, self.k_start, self.k_end)


def evaluate(config: EvaluationConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: the run, the task, its features or its splits are wrong; nothing has been written then.
    """
    code = check_id(
        config.save_exp_code or config.models_exp_code,
        where="--save_exp_code" if config.save_exp_code else "without --save_exp_code, --models_exp_code",
    )
    run = require_folder(Path(config.results_dir) / config.models_exp_code, flag="--models_exp_code")
    task = config.task.resolve()
    dataset = open_task(task, config.data_root_dir)
    sets = _slides_to_evaluate(dataset, config, run)
    device = pick_device()
    models = {fold: _load(checkpoint_path(run, fold), dataset.num_classes, config, device) for fold in config.folds}
    _check_features(sets, models, run)
    folder = require_writable(EVAL_RESULTS / f"EVAL_{code}", flag="results")
    write_settings(folder / f"eval_experiment_{code}.txt", vars(config))
    rows = []
    for fold, slides in sets.items():
        figures = _figures(models[fold], slides, dataset.num_classes, device)
        write_predictions(folder / f"fold_{fold}.csv", slides.slide_ids, figures)
        area = figures.auc(f"fold {fold}, {config.split}", micro=config.micro_average)
        rows.append({"folds": fold, "test_auc": area, "test_acc": 1 - figures.error})
    path, table = write_summary(folder, rows, config.folds, config.k)
    print(table_text(table))
    logger.info("summary: %s", path)
    return EXIT_DONE


def _slides_to_evaluate(dataset: Generic_MIL_Dataset, config: EvaluationConfig, run: Path) -> dict[int, Generic_Split]:
    """Return the slides of each fold."""
    if config.split == "all":
        logger.warning("--split all includes the slides that the models were trained on")
        return dict.fromkeys(config.folds, dataset)
    folder = find_split_folder(config.splits_dir) if config.splits_dir else run
    side = SPLIT_CHOICES.index(config.split)
    sets = {fold: sides[side] for fold, sides in open_splits(dataset, folder, config.folds).items()}
    empty = [str(fold) for fold, slides in sets.items() if not len(slides)]
    if empty:
        raise UsageError(f"{folder}: no {config.split} slides in fold {', '.join(empty)}; choose another --split")
    return sets


def _load(path: Path, n_classes: int, config: EvaluationConfig, device: torch.device) -> nn.Module:
    return load_model(
        path,
        model_type=config.model_type,
        model_size=config.model_size,
        n_classes=n_classes,
        embed_dim=config.embed_dim,
        drop_out=config.drop_out,
        device=device,
    )


def _check_features(sets: dict[int, Generic_Split], models: dict[int, nn.Module], run: Path) -> None:
    """Refuse slides without features, and features of another encoder or length than the models were trained on."""
    folders: dict[str, Path] = {}
    for slides in {id(slides): slides for slides in sets.values()}.values():
        folders |= slides.feature_folders
    where = ", ".join(sorted({str(folder) for folder in folders.values()}))
    made_from = cohort_provenance(bag_h5_path(folder, slide_id) for slide_id, folder in folders.items())
    for fold in models:
        _refuse_other_encoder(checkpoint_path(run, fold), where, made_from)
    survey = survey_bags(folders)
    survey.require_sound(where)
    for fold, model in models.items():
        if model.embed_dim != survey.width:
            raise UsageError(
                f"fold {fold} was trained on features of length {model.embed_dim}, {where} has {survey.width}"
            )


def _refuse_other_encoder(checkpoint: Path, where: str, made_from: dict[str, str]) -> None:
    difference = encoder_difference(features_trained_on(checkpoint), made_from)
    if difference:
        raise UsageError(
            f"{checkpoint} was trained on other features than those in {where}: {difference}; "
            "point --data_root_dir to features of the first"
        )


def _figures(model: nn.Module, slides: Generic_Split, n_classes: int, device: torch.device) -> PassFigures:
    objective = Objective.of(model, "ce", n_classes, bag_weight=1.0, clustering=False)
    return run_pass(model, tqdm(ordered_loader(slides, device), unit="slide"), n_classes, device, objective)
