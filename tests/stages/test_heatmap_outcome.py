"""What a heatmap's model predicts, between its checkpoint and the user."""

import numpy as np
import pytest

from models.checkpoint_facts import write_checkpoint_facts
from models.inference import BagPrediction
from stages.heatmap_config import HeatmapConfig
from stages.heatmap_outcome import outcome_of_model, predicted_values, prediction_cells
from stages.outcomes.survival import Survival
from utils.errors import UsageError

TRAINED = {"type": "classification", "class_names": ["bad", "good"]}


def outcome(folder, said, n_outputs=2, **given):
    if said is not None:
        write_checkpoint_facts(folder / "m.pt", {}, 8, task=said)
    config = HeatmapConfig.model_validate({
        "exp_arguments": {"save_exp_code": "e", "n_classes": given.get("n_classes")},
        "data_arguments": {"data_dir": ".", "label_dict": given.get("label_dict")},
        "model_arguments": {"ckpt_path": str(folder / "m.pt")},
    })  # fmt: skip
    return outcome_of_model(config, folder / "m.pt", n_outputs)


@pytest.mark.parametrize(
    "given", [{}, {"n_classes": 2}, {"label_dict": {"good": 1, "bad": 0}}], ids=["nothing", "number", "names"]
)
def test_classes_are_those_of_the_checkpoint(tmp_path, given):
    assert outcome(tmp_path, TRAINED, **given).class_names == ("bad", "good")


def test_the_user_may_call_classes_otherwise(tmp_path):
    assert outcome(tmp_path, TRAINED, label_dict={"benign": 0, "malignant": 1}).class_names == ("benign", "malignant")


@pytest.mark.parametrize(
    ("said", "given", "message"),
    [
        (TRAINED, {"n_classes": 3}, r"n_classes is 3, .*m.json says 2 classes \(bad, good\)"),
        (TRAINED, {"label_dict": {"good": 0, "bad": 1}}, r"says the classes good, bad, .*m.json says bad, good"),
        (TRAINED, {"label_dict": {"a": 0, "b": 1, "c": 2}}, r"says the classes a, b, c, .*m.json says bad, good"),
        (TRAINED, {"n_outputs": 3}, r"m.pt has 3 outputs, .*m.json says 2"),
        ({"type": "classification", "class_names": ["../x", "y"]}, {}, r"'../x' is no name"),
        ({"type": "regression", "centre": 0, "scale": 1}, {"n_classes": 2}, r"predicts regression: leave .* out"),
        (None, {"n_classes": 2}, r"^data_arguments.label_dict must be given: .*there is no m.json"),
        (None, {}, r"^exp_arguments.n_classes and data_arguments.label_dict must be given"),
        (None, {"n_classes": 3, "label_dict": {"a": 0, "b": 1, "c": 2}}, r"m.pt has 2 outputs, .*n_classes says 3"),
    ],
)
def test_what_is_missing_or_contradicts_is_told_with_both_sides(tmp_path, said, given, message):
    with pytest.raises(UsageError, match=message):
        outcome(tmp_path, said, **given)


def test_of_survival_the_table_has_the_columns_of_evaluation():
    logits = np.array([0.0, 0.0], np.float32)
    outcome = Survival("hazard", np.array([5.0]))
    values = predicted_values(outcome, [BagPrediction(logits, logits, 0, np.zeros((1, 4), np.float32))])
    cells = prediction_cells(outcome, values)
    assert {name: float(cell) for name, cell in cells.items()} == {"risk": -0.75, "S_0": 0.5}
