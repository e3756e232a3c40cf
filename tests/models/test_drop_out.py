"""Drop-out draws what torch draws, only faster; in bfloat16 at the same rate."""

import pytest
import torch
from torch import nn

from models.drop_out import BLOCK, DropOut


def dropped(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a module makes of x, and the next random number."""
    torch.manual_seed(3)
    return module(x), torch.rand(1)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (3, BLOCK // 2)])
def test_one_seed_gives_the_masks_of_torch(rate, shape):
    x = torch.randn(shape)
    ours, next_of_ours = dropped(DropOut(rate), x)
    theirs, next_of_theirs = dropped(nn.Dropout(rate), x)
    assert torch.equal(ours, theirs) and torch.equal(next_of_ours, next_of_theirs)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
def test_in_bfloat16_the_rate_and_the_mean_are_kept(rate):
    ours, _ = dropped(DropOut(rate), torch.ones(1001, 301, dtype=torch.bfloat16))
    assert (ours == 0).float().mean().item() == pytest.approx(rate, abs=3e-3)
    assert ours.float().mean().item() == pytest.approx(1, abs=0.01)


def test_gradients_flow_where_units_are_kept():
    x = torch.ones(50, 40, requires_grad=True)
    ours, _ = dropped(DropOut(0.25), x)
    ours.sum().backward()
    assert torch.equal(x.grad, ours.detach())


def test_evaluation_leaves_everything():
    x = torch.randn(5, 4)
    assert torch.equal(DropOut(0.5).eval()(x), x)
