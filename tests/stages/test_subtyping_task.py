"""Task 2, of three classes, through main.py and eval.py."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import create_splits_seq
import eval as eval_program
import main as main_program
from datasets.tasks import find_task
from models.checkpoint import read_checkpoint, settings_of

TASK = find_task("task_2_tumor_subtyping")
LABELS = tuple(TASK.label_map or ())
IDS = [f"{number:04d}" for number in range(36)]
RUN, OUT = Path("results/three_s1"), Path("eval_results/EVAL_three")


@pytest.fixture(autouse=True)
def cohort(tmp_path, monkeypatch):
    """36 slides with bags of 1 to 12 patches; the class is seen in one number each."""
    monkeypatch.chdir(tmp_path)
    Path("dataset_csv").mkdir()
    rows = [(f"p{n}", slide_id, LABELS[n % 3]) for n, slide_id in enumerate(IDS)]
    table = pd.DataFrame(rows, columns=["case_id", "slide_id", "label"])
    table.to_csv(Path("dataset_csv", TASK.csv), index=False)
    features = Path("data", TASK.features[0], "pt_files")
    features.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for n, slide_id in enumerate(IDS):
        bag = torch.rand(1 + n % 12, 6, generator=generator)
        bag[:, n % 3] += 0.5
        torch.save(bag, features / f"{slide_id}.pt")
    assert create_splits_seq.main(["--task", TASK.name, "--k", "2", "--val_frac", "0.25", "--test_frac", "0.25"]) == 0


def train(*flags: str) -> int:
    common = ["--task", TASK.name, "--data_root_dir", "data", "--exp_code", "three", "--k", "2", "--max_epochs", "2"]
    return main_program.main([*common, "--k_end", "1", "--no_report", *flags])


def evaluate(*flags: str, task: str = TASK.name) -> int:
    common = ["--task", task, "--data_root_dir", "data", "--models_exp_code", RUN.name, "--save_exp_code", "three"]
    return eval_program.main([*common, "--fold", "0", "--no_report", *flags])


@pytest.mark.parametrize("model_type", ["clam_sb", "clam_mb", "mil", "dsmil", "transmil"])
@pytest.mark.parametrize("loss", ["ce", "svm"])
def test_every_model_is_trained_and_evaluated_on_three_classes(model_type, loss):
    assert train("--model_type", model_type, "--bag_loss", loss, "--inst_loss", loss) == 0
    assert settings_of(read_checkpoint(RUN / "s_0_checkpoint.pt")).n_classes == 3
    assert evaluate("--model_type", model_type) == 0
    predicted = pd.read_csv(OUT / "fold_0.csv", dtype={"slide_id": str})
    assert list(predicted.columns) == ["slide_id", "Y", "Y_hat", "p_0", "p_1", "p_2"]
    assert set(predicted["slide_id"]) < set(IDS)  # 0003, not 3
    saved = pd.read_pickle(RUN / "split_0_results.pkl")
    probabilities = predicted[["p_0", "p_1", "p_2"]].to_numpy()
    np.testing.assert_allclose(probabilities, np.concatenate([entry["prob"] for entry in saved.values()]), atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_subtyping_is_implied_and_said(caplog):
    caplog.set_level("INFO")
    train()
    assert "--subtyping is implied" in caplog.text
    implied = read_checkpoint(RUN / "s_0_checkpoint.pt")
    train("--subtyping")
    asked_for = read_checkpoint(RUN / "s_0_checkpoint.pt")
    assert all(torch.equal(asked_for[name], tensor) for name, tensor in implied.items())


def test_every_class_has_its_curve():
    train("--log_data")
    events = EventAccumulator(str(RUN / "0"))
    events.Reload()
    tags = {tag for tag in events.Tags()["scalars"] if "class" in tag}
    assert tags == {f"{side}class_{c}_acc" for side in ("train/", "val/", "final/test_") for c in range(3)}


def test_micro_average_takes_all_pairs_of_slide_and_class():
    train()
    evaluate("--micro_average")
    predicted = pd.read_csv(OUT / "fold_0.csv")
    one_hot = np.eye(3)[predicted["Y"]]
    expected = roc_auc_score(one_hot.ravel(), predicted[["p_0", "p_1", "p_2"]].to_numpy().ravel())
    assert pd.read_csv(OUT / "summary_partial_0_1.csv")["test_auc"].item() == pytest.approx(expected, abs=1e-6)


def test_a_run_of_another_number_of_classes_is_named_with_both(caplog):
    train()
    two = find_task("task_1_tumor_vs_normal")
    table = pd.read_csv(Path("dataset_csv", TASK.csv), dtype=str)
    table["label"] = next(iter(two.label_map or ()))
    table.to_csv(Path("dataset_csv", two.csv), index=False)
    Path("data", TASK.features[0]).rename(Path("data", two.features[0]))
    assert evaluate(task=two.name) == 2
    assert "n_classes is 3, not 2" in caplog.text
    assert not OUT.exists()
