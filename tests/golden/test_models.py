"""The published checkpoints on the published features give the numbers of the original."""

import json

import h5py
import pytest
import torch

from models.builder import ModelSettings, build_model
from models.checkpoint import load_model
from models.inference import bag_prediction

CHECKPOINTS = {
    "clam_sb": "s_0_checkpoint.pt",
    "clam_mb_3class": "clam_mb_3class_checkpoint.pt",
    "mil_fc_mc_3class": "mil_fc_mc_3class_checkpoint.pt",
}
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def bag(shared) -> torch.Tensor:
    with h5py.File(shared / "clam_demo" / "C3L-03262-22.h5") as file:
        return torch.from_numpy(file["features"][:])


@pytest.fixture(scope="module")
def golden(shared) -> dict:
    return json.loads((shared / "goldens" / "models.json").read_text())


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_forward_pass_is_that_of_the_original(shared, golden, bag, name):
    output = load_model(shared / "clam_demo" / CHECKPOINTS[name])(bag)
    assert output.logits.tolist()[0] == pytest.approx(golden[name]["logits"][0], abs=TOLERANCE)
    assert output.probabilities.tolist()[0] == pytest.approx(golden[name]["prob"][0], abs=TOLERANCE)
    assert output.predicted.item() == golden[name]["y_hat"]


@pytest.mark.parametrize("name", ["clam_sb", "clam_mb_3class"])
def test_attention_and_embedding_are_those_of_the_original(shared, golden, bag, name):
    with torch.inference_mode():
        output = load_model(shared / "clam_demo" / CHECKPOINTS[name])(bag, return_features=True)
    for row, expected in zip(output.attention, golden[name]["attention_first3"], strict=True):
        assert row[:3].tolist() == pytest.approx(expected, abs=TOLERANCE)
    # sums of a thousand add up rounding, hence relative
    assert output.attention.sum(1).tolist() == pytest.approx(golden[name]["attention_sum"], rel=1e-6)
    assert output.extras["features"].mean().item() == pytest.approx(golden[name]["features_mean"], abs=TOLERANCE)


def test_the_published_attention_of_the_demo_slide(shared, bag):
    with h5py.File(shared / "clam_demo" / "C3L-03262-22_blockmap.h5") as file:
        published = file["attention_scores"][:].ravel()
    prediction = bag_prediction(load_model(shared / "clam_demo" / CHECKPOINTS["clam_sb"]), bag)
    assert prediction.predicted_attention == pytest.approx(published, abs=TOLERANCE)
    assert prediction.probabilities == pytest.approx([0.99618, 0.00382], abs=1e-5)


@pytest.mark.parametrize(("name", "model_type"), [("clam_sb", "clam_sb"), ("clam_mb_3class", "clam_mb")])
def test_parameters_have_the_names_and_shapes_of_the_original(shared, name, model_type):
    saved = torch.load(shared / "clam_demo" / CHECKPOINTS[name], map_location="cpu", weights_only=True)
    original = {n.replace(".module.", "."): t.shape for n, t in saved.items() if not n.startswith("instance_loss_fn")}
    n_classes = sum(n.startswith("instance_classifiers") for n in original) // 2
    ours = build_model(ModelSettings(model_type, 1024, n_classes)).state_dict()
    assert {n: t.shape for n, t in ours.items()} == original
