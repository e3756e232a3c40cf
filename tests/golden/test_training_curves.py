"""One seed gives the curve of the original: initialisation, order of bags, losses and figures.

The bags' split has slides of one patient on several sides, which ``main.py`` refuses; so its folds are run directly.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datasets.bag_cache import BagCache, read_bags
from datasets.bags import survey_bags
from datasets.dataset_generic import Generic_MIL_Dataset
from models.builder import ModelSettings
from stages import fold
from stages.engines import EngineSettings, opened
from stages.fold import Sides, TrainingSettings
from stages.fold_job import FoldJob, at_once, run_fold
from stages.outcomes.classification import Classification
from stages.run_files import read_fold_predictions, read_fold_record, read_history
from stages.runner import run_each

TOLERANCE = 2e-3


@dataclass(frozen=True)
class Cohort:
    golden: str
    n_classes: int
    bags_seed: int
    subtyping: bool


COHORTS = [
    Cohort("training_2class_seed1", n_classes=2, bags_seed=0, subtyping=False),
    Cohort("training_3class_seed2", n_classes=3, bags_seed=3, subtyping=True),
]


@pytest.fixture(scope="module", params=COHORTS, ids=lambda cohort: cohort.golden)
def cohort(request) -> Cohort:
    return request.param


@pytest.fixture(scope="module")
def golden(shared, cohort) -> dict:
    return json.loads((shared / "goldens" / f"{cohort.golden}.json").read_text())


@pytest.fixture(scope="module")
def sides(shared, cohort, tmp_path_factory) -> Sides:
    folder = tmp_path_factory.mktemp("bags")
    tool = [sys.executable, str(shared / "tools" / "make_bags.py"), str(folder)]
    subprocess.run([*tool, "--classes", str(cohort.n_classes), "--seed", str(cohort.bags_seed)], check=True)
    dataset = Generic_MIL_Dataset(
        data_dir=folder / "features",
        csv_path=folder / "dataset.csv",
        label_dict={f"class_{number}": number for number in range(cohort.n_classes)},
    )
    return dataset.return_splits(from_id=False, csv_path=folder / "splits" / "splits_0.csv")


def settings_of_run(name: str, cohort: Cohort, seed: int) -> TrainingSettings:
    model_type, inst_loss, bag_loss, clustering = name.split("|")
    model = ModelSettings(
        model_type,
        embed_dim=64,
        n_classes=cohort.n_classes,
        drop_out=0,
        subtyping=cohort.subtyping,
        inst_loss="ce" if inst_loss == "None" else inst_loss,
    )
    return TrainingSettings(
        model,
        max_epochs=6,
        lr=2e-4,
        bag_loss=bag_loss,
        clustering=clustering == "inst",
        weighted_sample=True,
        seed=seed,
    )


def read(sides: Sides, cache_gb: float, *, shared: bool = False) -> BagCache:
    folders = {slide: folder for side in sides for slide, folder in side.feature_folders.items()}
    return read_bags(survey_bags(folders), cache_gb, shared=shared)


@pytest.fixture(scope="module")
def bags(sides) -> BagCache:
    return read(sides, 1)


RUNS = [
    "clam_sb|svm|ce|inst",
    "clam_mb|svm|ce|inst",
    "clam_sb|ce|svm|inst",
    "mil|None|ce|inst",
    "clam_sb|None|ce|no_inst",
]


@dataclass(frozen=True)
class Trained:
    """What is compared: the figures of every epoch, and those of the parameters kept."""

    history: list[dict[str, float]]
    final: dict[str, float]
    test: pd.DataFrame


def job_of(cohort: Cohort, golden: dict, sides: Sides, bags: BagCache, folder: Path, run: str) -> FoldJob:
    return FoldJob(
        fold=0,
        sides=sides,
        bags=bags,
        outcome=Classification(tuple(f"class_{number}" for number in range(cohort.n_classes))),
        settings=settings_of_run(run, cohort, golden["seed"]),
        made_from={},
        task={},
        folder=folder,
        device=torch.device("cpu"),
    )


def result_in(folder: Path, number: int = 0) -> Trained:
    record = read_fold_record(folder, number)
    assert record is not None
    tested = read_fold_predictions(folder, number)["test"]
    return Trained(read_history(folder, number).to_dict("records"), record.figures, tested)


def assert_golden(trained: Trained, expected: dict) -> None:
    for epoch, (ours, train, val) in enumerate(zip(trained.history, expected["train"], expected["val"], strict=True)):
        theirs = {name: value for name, value in {**train, **val}.items() if name != "epoch"}
        assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=TOLERANCE), f"epoch {epoch}"
    final = {name: expected[name] for name in ("test_auc", "val_auc", "test_acc", "val_acc")}
    assert trained.final == pytest.approx(final, abs=TOLERANCE)
    assert list(trained.test["slide_id"]) == list(expected["test_prob"])
    shares = trained.test.filter(like="p_").to_numpy()
    assert shares == pytest.approx(np.array(list(expected["test_prob"].values())).reshape(shares.shape), abs=TOLERANCE)


@pytest.mark.parametrize(("run", "cache_gb"), [*((run, 1) for run in RUNS), (RUNS[0], 0)])
def test_the_curve_is_that_of_the_original_from_memory_and_from_files(cohort, golden, sides, tmp_path, run, cache_gb):
    run_fold(job_of(cohort, golden, sides, read(sides, cache_gb), tmp_path, run))
    assert_golden(result_in(tmp_path), golden["runs"][run])


@pytest.mark.parametrize("run", RUNS)
def test_the_curve_is_the_same_after_an_interruption_in_every_epoch(
    cohort, golden, sides, bags, tmp_path, monkeypatch, run
):
    monkeypatch.setattr(fold, "SAVE_STATE_EVERY_S", 0)
    whole = fold.run_pass
    passes = 0

    def interrupted_in_the_next_epoch(model, shown, *args, **kwargs):
        nonlocal passes
        passes += 1
        if passes == 3:  # in the second epoch of this attempt: training, validation, training
            whole(model, list(shown)[:7], *args, **kwargs)
            raise KeyboardInterrupt
        return whole(model, shown, *args, **kwargs)

    monkeypatch.setattr(fold, "run_pass", interrupted_in_the_next_epoch)
    job, n_interruptions = job_of(cohort, golden, sides, bags, tmp_path, run), 0
    while read_fold_record(tmp_path, 0) is None:
        passes = 0
        try:
            run_fold(job)
        except KeyboardInterrupt:
            n_interruptions += 1
    assert n_interruptions == job.settings.max_epochs  # in each epoch but the first, and while the last is evaluated
    assert_golden(result_in(tmp_path), golden["runs"][run])


def test_the_curves_are_the_same_when_trained_side_by_side(cohort, golden, sides, tmp_path):
    bags = read(sides, 1, shared=True)
    jobs = {
        f"fold {n}": replace(at_once(job_of(cohort, golden, sides, bags, tmp_path, run), 2), fold=n)
        for n, run in enumerate(RUNS)
    }
    tasks = {name: partial(run_fold, job) for name, job in jobs.items()}
    with opened(EngineSettings(num_workers=2), ("stages.fold_job",)) as engine:
        results = run_each(tasks, engine=engine)
    assert [result.status for result in results] == ["trained"] * len(RUNS)
    for n, run in enumerate(RUNS):
        assert_golden(result_in(tmp_path, n), golden["runs"][run])
