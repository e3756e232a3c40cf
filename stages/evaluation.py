"""A trained run and labelled slides in, predictions and figures out: what ``eval.py`` does."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from datasets.bag_cache import BagCache, read_bags
from datasets.dataset_generic import Generic_MIL_Dataset, Generic_Split, open_task
from datasets.split_file import SIDES, SplitIds, find_split_folder, read_split, split_path
from datasets.tasks import Task, TaskFlags
from stages.epoch import Objective, run_pass
from stages.loaders import ordered_bags, sound_part, warn_of_left_out
from stages.outcomes.classification import Classification
from stages.outcomes.outcome import Outcome
from stages.pass_figures import PassFigures
from stages.run_comparison import compare
from stages.run_files import (
    fold_range,
    forget_evaluation,
    part_folder,
    predictions_table,
    read_flags,
    table_text,
    write_evaluation,
    write_predictions,
    write_settings,
    write_summary,
)
from stages.run_report import FoldTables, report_run
from stages.statistics.kind import StatisticsConfig
from stages.trained_run import Expected, TrainedRun, open_run, outcome_said, run_folder_of
from stages.training import empty_folds, open_splits
from utils.atomic import remove_leftovers
from utils.device import pick_device
from utils.errors import EXIT_DONE, UsageError
from utils.lookup import require_writable
from utils.names import check_id
from utils.run_log import start_run_log

logger = logging.getLogger(__name__)

EVAL_RESULTS = Path("eval_results")
DEFAULT_N_FOLDS = 10
SPLIT_CHOICES = (*SIDES, "all")


@dataclass(frozen=True)
class EvaluationConfig:
    """One run of the stage.

    Attributes:
        models_exp_code: folder of the trained run, below ``results_dir``.
        task: which cohort, and what is predicted; where it says nothing, as the run was trained.
        data_root_dir: folder that holds the task's feature folder.
        save_exp_code: name of the results; None: ``models_exp_code``.
        results_dir: where runs are.
        splits_dir: name or path of a folder of splits; None: the run's own.
        split: ``train``, ``val``, ``test``, or ``all`` slides of the table.
        model_type, model_size, embed_dim: what the checkpoints are expected to be; None takes what they are.
        drop_out: the rate of training, without effect on trained models.
        k, k_start, k_end, fold: folds from ``k_start`` up to but without ``k_end``, of ``k``, or the one ``fold``.
            Without ``k``: as many as were trained.
        micro_average: AUC over (slide, class) pairs instead of the mean over classes (more than two classes).
        compare: folder of another run or evaluation that predicted the same slides.
        report: write statistics, pictures and ``report.html``.
        missing: ``error`` or ``drop``, see ``TrainingConfig``; None: as in training.
    """

    models_exp_code: str
    task: TaskFlags = field(default_factory=TaskFlags)
    data_root_dir: str | None = None
    save_exp_code: str | None = None
    results_dir: str = "./results"
    splits_dir: str | None = None
    split: str = "test"
    model_type: str | None = None
    model_size: str | None = None
    embed_dim: int | None = None
    drop_out: float = 0.25
    k: int | None = None
    k_start: int = -1
    k_end: int = -1
    fold: int = -1
    micro_average: bool = False
    compare: str | None = None
    report: bool = True
    missing: str | None = None

    @property
    def n_folds(self) -> int:
        """Number of folds of the run."""
        return DEFAULT_N_FOLDS if self.k is None else self.k

    @property
    def folds(self) -> range:
        """The folds to evaluate."""
        if self.fold != -1:
            return range(self.fold, self.fold + 1)
        return fold_range(self.n_folds, self.k_start, self.k_end)

    @property
    def names_folds(self) -> bool:
        """Whether it says which folds, and does not leave that to the defaults."""
        return (self.k_start, self.k_end, self.fold) != (-1, -1, -1)

    @property
    def run_folder(self) -> Path:
        """The folder of the trained run."""
        return run_folder_of(self.results_dir, self.models_exp_code)

    @property
    def code(self) -> str:
        """The name of the results."""
        return check_id(
            self.save_exp_code or self.models_exp_code,
            where="--save_exp_code" if self.save_exp_code else "without --save_exp_code, --models_exp_code",
        )

    @property
    def expected(self) -> Expected:
        """What the checkpoints should be."""
        return Expected(self.model_type, self.model_size, self.embed_dim, self.drop_out)


@dataclass(frozen=True)
class _Opened:
    """All that an evaluation reads."""

    config: EvaluationConfig
    dataset: Generic_MIL_Dataset
    sets: dict[int, Generic_Split]
    run: TrainedRun
    outcome: Outcome
    bags: BagCache
    statistics: StatisticsConfig


def evaluate(config: EvaluationConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: the run, the task, its features or its splits are wrong; nothing has been written then.
    """
    code = config.code
    other = None if config.compare is None else _folder_to_compare(config.compare)
    opened = _open(config)
    out = require_writable(EVAL_RESULTS / f"EVAL_{code}", flag="results")
    write_settings(out / f"eval_experiment_{code}.txt", vars(opened.config))
    remove_leftovers(out, below=True)
    start_run_log(out, opened.config)
    together = part_folder(out, config.folds, config.n_folds)
    forget_evaluation(together)
    tables = _evaluated(opened, out)
    write_evaluation(together, tables)
    if config.report:
        _report(opened, tables, together)
    if other is not None:
        compared = compare(together, other, opened.outcome, together, config=opened.statistics)
        print(compared.to_string(index=False, float_format="%.4f"))
    return EXIT_DONE


def _open(config: EvaluationConfig) -> _Opened:
    """Read the cohort, the models and the features, and make sure that they fit together."""
    folder = config.run_folder
    config = with_flags_of_run(config, folder)
    task = _task_for(folder, outcome_said(folder, config.folds), config.task.resolve())
    dataset = open_task(task, config.data_root_dir)
    sets = _slides_to_evaluate(dataset, config, folder)
    run = open_run(folder, config.folds, config.expected, pick_device())
    outcome = _outcome_for(run, dataset)
    folders = {slide_id: place for slides in sets.values() for slide_id, place in slides.feature_folders.items()}
    survey = run.survey(folders)
    bags = read_bags(survey)
    sets = {fold: sound_part(slides, survey, config.missing or "error") for fold, slides in sets.items()}
    warn_of_left_out(survey)
    return _Opened(config, dataset, sets, run, outcome, bags, StatisticsConfig(voting=dataset.patient_voting))


def _task_for(folder: Path, said: Outcome | None, task: Task) -> Task:
    """Return the task with the classes of the run where it names none.

    Raises:
        UsageError: it is of another type.
    """
    if said is not None and task.type != said.name:
        raise UsageError(f"{folder} was trained for {said.name}, task {task.name} is one of {task.type}")
    if isinstance(said, Classification) and task.label_map is None:
        return task.model_copy(update={"label_map": said.label_map})
    return task


def _evaluated(opened: _Opened, out: Path) -> dict[int, pd.DataFrame]:
    """Write and return what every fold predicts, and write the summary."""
    config, outcome = opened.config, opened.outcome
    rows, tables = [], {}
    for fold, slides in opened.sets.items():
        done = passed(opened.run, fold, slides, opened.bags, outcome)
        sides = _side_of(slides, opened.run.folder, fold) if config.split == "all" else {}
        columns = {**outcome.columns(done), **sides}
        write_predictions(out / f"fold_{fold}.csv", slides.slide_ids, columns)
        tables[fold] = predictions_table(slides.slide_data, columns)
        figures = outcome.figures(done, f"fold {fold}, {config.split}", micro=config.micro_average)
        rows.append({"folds": fold, **{f"test_{name}": value for name, value in figures.items()}})
        path, table = write_summary(out, rows, config.folds, config.n_folds)  # what is stopped keeps its figures
    print(table_text(table))
    logger.info("summary: %s", path)
    return tables


def _report(opened: _Opened, tables: dict[int, pd.DataFrame], out: Path) -> None:
    config = opened.config
    report_run(
        out,
        opened.outcome,
        {fold: FoldTables(table) for fold, table in tables.items()},
        title=f"{config.models_exp_code} on {opened.dataset.table.path.name}, {config.split}",
        settings=_shown(config),
        config=opened.statistics,
    )
    logger.info("report: %s", out / "report.html")


def _shown(config: EvaluationConfig) -> dict[str, Any]:
    """Return the settings that a reader of the report wants to see."""
    flags = {**vars(config.task), **vars(config)}
    return {name: value for name, value in flags.items() if name != "task" and value is not None}


def _folder_to_compare(name: str) -> Path:
    """Return the folder of another run or evaluation, by path or by name.

    Raises:
        UsageError: there is none.
    """
    places = (Path(name), Path("results") / name, EVAL_RESULTS / name)
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise UsageError(f"--compare {name}: no folder {' or '.join(str(place) for place in places)}")
    return found


def passed(run: TrainedRun, fold: int, slides: Generic_Split, bags: BagCache, outcome: Outcome) -> PassFigures:
    """Return what a fold's model says of labelled slides."""
    objective = Objective(outcome.loss(outcome.losses[0]))
    shown = tqdm(ordered_bags(slides, outcome.targets(slides), bags), desc=f"fold {fold}", unit="slide", leave=False)
    return run_pass(run.models[fold], shown, outcome.n_outputs, run.device, objective)


def with_flags_of_run(config: EvaluationConfig, folder: Path) -> EvaluationConfig:
    """Return the configuration with what the run was trained with where the command line says nothing."""
    stored = read_flags(folder)
    if config.data_root_dir is not None:
        stored.pop("data_dir", None)
    task = config.task.over(stored)
    root = config.data_root_dir
    if root is None and config.task.data_dir is None:
        root = stored.get("data_root_dir")
    k = stored.get("k") if config.k is None else config.k
    missing = config.missing or stored.get("missing")
    return replace(config, task=task, data_root_dir=root, k=k if isinstance(k, int) else None, missing=missing)


def _outcome_for(run: TrainedRun, dataset: Generic_MIL_Dataset) -> Outcome:
    """Return what the models predict, with the names that the table has for classes.

    Raises:
        UsageError: the table has other classes, or the same ones in another order.
    """
    if not isinstance(run.outcome, Classification):
        return run.outcome
    trained, here = run.outcome.class_names, dataset.table.class_names
    both = f"{run.folder} predicts {', '.join(trained)}; {dataset.table.path} has {', '.join(here)}"
    if len(trained) != len(here):
        raise UsageError(f"n_classes is {len(trained)}, not {len(here)}: {both}")
    if trained != here and set(trained) == set(here):
        raise UsageError(f"other order of classes: {both}")
    return Classification(here)


def _slides_to_evaluate(dataset: Generic_MIL_Dataset, config: EvaluationConfig, run: Path) -> dict[int, Generic_Split]:
    """Return the slides of each fold."""
    if config.split == "all":
        logger.warning("--split all includes the slides that the models were trained on; see the column side")
        return dict.fromkeys(config.folds, dataset)
    folder = find_split_folder(config.splits_dir) if config.splits_dir else run
    side = SPLIT_CHOICES.index(config.split)
    sets = {fold: sides[side] for fold, sides in open_splits(dataset, folder, config.folds).items()}
    empty = empty_folds(sets)
    if empty:
        raise UsageError(f"{folder}: no {config.split} slides in fold {empty}; choose another --split")
    return sets


def _side_of(slides: Generic_Split, folder: Path, fold: int) -> dict[str, Any]:
    """Return the column ``side``: where each slide was while the fold was trained; empty where that is not known."""
    path = split_path(folder, fold)
    split = read_split(path) if path.is_file() else SplitIds([], [], [])
    side_of = {slide_id: side for side, ids in zip(SIDES, split, strict=True) for slide_id in ids}
    return {"side": [side_of.get(slide_id, "") for slide_id in slides.slide_ids]}
