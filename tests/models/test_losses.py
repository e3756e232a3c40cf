"""SmoothTop1SVM against its definition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.losses import SmoothTop1SVM, build_loss
from utils.errors import UsageError

SCORES = st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=5)


def written_out(scores: list[float], target: int) -> float:
    """The definition for one row, number by number."""
    with_margin = [score + (number != target) for number, score in enumerate(scores)]
    first, second = sorted(scores)[-1:-3:-1]
    if first - second >= math.log(1000):
        return max(with_margin) - scores[target]
    return math.log(sum(math.exp(score) for score in with_margin)) - scores[target]


@given(SCORES, st.data())
def test_it_is_its_definition(scores, data):
    target = data.draw(st.integers(0, len(scores) - 1))
    margin = sorted(scores)[-1] - sorted(scores)[-2]
    if abs(margin - math.log(1000)) < 1e-4:
        return  # float32 may fall on either side of the change
    loss = SmoothTop1SVM(len(scores))(torch.tensor([scores]), torch.tensor([target]))
    assert loss.item() == pytest.approx(written_out(scores, target), abs=1e-4)


def test_rows_are_averaged_over_the_batch():
    scores, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    svm = SmoothTop1SVM(3)
    rows = [svm(scores[i : i + 1], target[i : i + 1]).item() for i in range(6)]
    assert svm(scores, target).item() == pytest.approx(sum(rows) / 6, abs=1e-6)


def test_large_scores_stay_finite():
    scores = torch.tensor([[1e30, -1e30]], requires_grad=True)
    loss = SmoothTop1SVM(2)(scores, torch.tensor([0]))
    loss.backward()
    assert loss.item() == 0 and scores.grad is not None and scores.grad.isfinite().all()


def test_it_leaves_nothing_in_a_checkpoint():
    assert not SmoothTop1SVM(2).state_dict()


def test_an_unknown_loss_is_refused():
    with pytest.raises(UsageError, match="known: ce, svm"):
        build_loss("mse", 2)
