"""One seed gives the curve of the original: initialisation, order of bags, losses and figures.

The bags' split has slides of one patient on several sides, which ``main.py`` refuses; so the fold is trained directly.
"""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from datasets.bag_cache import BagCache, read_bags
from datasets.bags import survey_bags
from datasets.dataset_generic import Generic_MIL_Dataset
from models.builder import ModelSettings
from stages.fold import FoldPlace, Sides, TrainingSettings, train_fold
from stages.outcomes.classification import Classification

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


@pytest.fixture(scope="module")
def bags(sides) -> BagCache:
    return read_bags(survey_bags({slide: folder for side in sides for slide, folder in side.feature_folders.items()}))


@pytest.mark.parametrize(
    "run",
    [
        "clam_sb|svm|ce|inst",
        "clam_mb|svm|ce|inst",
        "clam_sb|ce|svm|inst",
        "mil|None|ce|inst",
        "clam_sb|None|ce|no_inst",
    ],
)
def test_the_curve_is_that_of_the_original(cohort, golden, sides, bags, tmp_path, run):
    expected = golden["runs"][run]
    settings = settings_of_run(run, cohort, golden["seed"])
    outcome = Classification(tuple(f"class_{number}" for number in range(cohort.n_classes)))
    place = FoldPlace(0, tmp_path / "checkpoint.pt")
    result = train_fold(sides, bags, outcome, settings, place, torch.device("cpu"))
    for epoch, (ours, train, val) in enumerate(zip(result.history, expected["train"], expected["val"], strict=True)):
        theirs = {name: value for name, value in {**train, **val}.items() if name != "epoch"}
        assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=TOLERANCE), f"epoch {epoch}"
    assert result.test_figures["auc"] == pytest.approx(expected["test_auc"], abs=TOLERANCE)
    assert result.val_figures["auc"] == pytest.approx(expected["val_auc"], abs=TOLERANCE)
    assert 1 - result.test.error == pytest.approx(expected["test_acc"], abs=TOLERANCE)
    assert 1 - result.val.error == pytest.approx(expected["val_acc"], abs=TOLERANCE)
    assert result.test_split.slide_ids == list(expected["test_prob"])
    for row, theirs in zip(result.test.probabilities, expected["test_prob"].values(), strict=True):
        assert row == pytest.approx(theirs, abs=TOLERANCE)
