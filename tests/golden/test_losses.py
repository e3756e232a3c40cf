"""SmoothTop1SVM equals the published values and gradients."""

import json

import pytest
import torch

from models.losses import SmoothTop1SVM


@pytest.mark.parametrize("case", ["svm2", "svm_large"])
def test_value_and_gradient_are_those_of_the_original(shared, case):
    golden = json.loads((shared / "goldens" / "losses_and_rois.json").read_text())["smooth_top1_svm"][case]
    scores = torch.tensor(golden["x"], requires_grad=True)
    loss = SmoothTop1SVM(scores.shape[1])(scores, torch.tensor(golden["y"]))
    loss.backward()
    assert loss.item() == pytest.approx(golden["loss"], abs=1e-5)
    assert scores.grad is not None
    for row, expected in zip(scores.grad.tolist(), golden["grad"], strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
