"""A trained run and slides without labels in, predictions out: what ``eval.py --predict`` does.

Below ``eval_results/PREDICT_<code>/``:

``fold_<i>.csv``  each slide by one fold      ``fold_<i>_patients.csv``  each patient by one fold
``slides.csv``    each slide by all folds     ``patients.csv``           each patient by all folds

What several slides of a patient, or several folds, say is averaged; ``_std`` columns tell how far folds disagree.
"""

import logging
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from datasets.bags import bags_in, read_bag_file
from datasets.tasks import folders_of
from stages.evaluation import EVAL_RESULTS, EvaluationConfig
from stages.pass_figures import PassFigures
from stages.run_files import folds_in, write_settings
from stages.runner import Result, run_each, summarise
from stages.trained_run import TrainedRun, open_run
from utils.atomic import remove_leftovers
from utils.device import pick_device
from utils.errors import ItemError, UsageError
from utils.lookup import require_folder, require_writable
from utils.run_log import start_run_log
from utils.tables import write_table

logger = logging.getLogger(__name__)

IDS = ["slide_id", "case_id"]


def predict(config: EvaluationConfig) -> int:
    """Run the stage and return the exit code.

    Raises:
        UsageError: the run or the slides are wrong, or features do not fit the models; nothing has been written then.
    """
    code, folder = config.code, config.run_folder
    if config.compare is not None:
        raise UsageError("--compare needs labels, which --predict goes without")
    slides, folders = _slides(config)
    folds = config.folds if config.names_folds else folds_in(folder)
    if not folds:
        raise UsageError(f"{folder}: no checkpoint s_<fold>_checkpoint.pt there")
    run = open_run(folder, folds, config.expected, pick_device())
    survey = run.survey(folders)
    out = require_writable(EVAL_RESULTS / f"PREDICT_{code}", flag="results")
    write_settings(out / f"eval_experiment_{code}.txt", vars(config))
    remove_leftovers(out, below=True)
    start_run_log(out, config)
    said = {fold: PassFigures(run.outcome.n_outputs) for fold in run.models}
    problems = {
        slide_id: f"features {what} {detail}"
        for what, bad in survey.problems.items()
        for slide_id, detail in bad.items()
    }
    tasks = {
        slide_id: partial(_predict_one, run, said, slide_id, survey.paths.get(slide_id), problems.get(slide_id, ""))
        for slide_id in slides["slide_id"]
    }
    results = run_each(tasks, failed_status="failed_prediction")
    done = slides[slides["slide_id"].isin([result.item_id for result in results if not result.failed])]
    if len(done):
        _write(out, done[IDS].reset_index(drop=True), run, said)
        logger.info("predictions: %s", out)
    return summarise(results)


def _slides(config: EvaluationConfig) -> tuple[pd.DataFrame, dict[str, Path]]:
    """Return ``slide_id`` and ``case_id`` of the slides, and the feature folder of each."""
    flags = config.task
    if flags.task is None and flags.csv_path is None:
        if flags.data_dir is None:
            raise UsageError(
                "--predict: name the slides by --data_dir FEATURES alone, or with --csv_path CSV or --task NAME"
            )
        ids = bags_in(require_folder(flags.data_dir, flag="--data_dir"))
        slides = pd.DataFrame({"slide_id": ids, "case_id": ids})
        return slides, dict.fromkeys(ids, Path(flags.data_dir))
    task = flags.resolve()
    slides = task.read_slides()
    return slides, folders_of(slides, task.feature_folders(config.data_root_dir), task.source_col)


@torch.inference_mode()
def _predict_one(
    run: TrainedRun, said: dict[int, PassFigures], slide_id: str, path: Path | None, problem: str
) -> Result:
    """Let every fold answer for a slide."""
    if path is None:
        raise ItemError(problem, "bad_features")
    features = read_bag_file(path).to(run.device)
    answers = {fold: model(features) for fold, model in run.models.items()}  # all of them, or none is noted
    for fold, answer in answers.items():
        said[fold].add_output(answer)
    return Result(slide_id, "predicted")


def _write(out: Path, ids: pd.DataFrame, run: TrainedRun, said: dict[int, PassFigures]) -> None:
    tables = {
        fold: pd.concat([ids, pd.DataFrame(run.outcome.columns(done, labelled=False))], axis=1)
        for fold, done in said.items()
    }
    for fold, table in tables.items():
        write_table(table, out / f"fold_{fold}.csv")
        write_table(_averaged(table, ["case_id"]), out / f"fold_{fold}_patients.csv")
    by_patient = [_averaged(table, ["case_id"]) for table in tables.values()]
    write_table(_of_all_folds(list(tables.values()), IDS), out / "slides.csv")
    write_table(_of_all_folds(by_patient, ["case_id"]), out / "patients.csv")


def _of_all_folds(tables: list[pd.DataFrame], ids: list[str]) -> pd.DataFrame:
    """Return the mean of what folds say, and how far they disagree (n - 1)."""
    mean = _averaged(pd.concat(tables), ids)
    if len(tables) < 2:
        return mean
    spread = pd.concat(tables).groupby(ids, sort=False).std().drop(columns=_votes(mean)).add_suffix("_std")
    return mean.merge(spread, left_on=ids, right_index=True)


def _averaged(table: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    """Return a row for each of ``ids``; a class is the most probable one of the mean."""
    others = [name for name in IDS if name not in ids]
    mean = table.drop(columns=others, errors="ignore").groupby(ids, sort=False).mean().reset_index()
    shares = [name for name in mean if name.startswith("p_")]
    return mean.assign(Y_hat=mean[shares].to_numpy().argmax(axis=1)) if shares else mean


def _votes(table: pd.DataFrame) -> list[str]:
    """Return the columns that number classes, of which no spread makes sense."""
    return ["Y_hat"] if "p_0" in table else []
