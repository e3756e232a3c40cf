"""On a GPU no tensor of the processor meets one of the GPU: torch's fake tensors refuse that, without a GPU."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from models.builder import build_model
from models.encoders.spec import IMAGENET_MEAN, IMAGENET_STD
from models.encoders.stain import MacenkoStain, ReinhardStain
from models.encoders.transform import Geometry, Normalise, Transform
from models.heads.registry import HEADS
from models.losses import LOSSES, build_loss
from models.settings import ModelSettings
from stages.epoch import Objective, _one_step
from stages.outcomes.regression import Regression
from stages.outcomes.survival import Survival
from stages.pass_figures import PassFigures

GPU = torch.device("cuda", 0)
STAINS = {
    "none": None,
    "macenko": MacenkoStain(torch.rand(3, 2), torch.rand(2)),
    "reinhard": ReinhardStain(torch.rand(3), torch.rand(3)),
}


@pytest.fixture(autouse=True)
def fake():
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def model_on_gpu(**settings):
    with GPU:
        return build_model(ModelSettings(embed_dim=32, **settings))


def test_tensors_that_do_not_go_together_are_found_at_all():
    with pytest.raises(RuntimeError, match=r"same device|found two different devices"):
        torch.ones(3, device=GPU) + torch.ones(3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("subtyping", [False, True])
@pytest.mark.parametrize("model_type", HEADS)
def test_a_step_of_every_head_stays_on_its_device(model_type, subtyping, loss):
    model = model_on_gpu(model_type=model_type, n_classes=3, subtyping=subtyping, inst_loss=loss)
    objective = Objective.of(model_type, build_loss(loss, 3), 0.7, clustering=True)
    bag = torch.empty(50, 32, device=GPU), torch.tensor([1])
    assert _one_step(model, [bag], GPU, objective, PassFigures(3)).device == GPU


def test_the_loss_of_hazards_stays_on_its_device():  # Cox's asks for the number of events
    outcome = Survival("hazard", np.array([1.0, 2.0, 3.0]))
    head = model_on_gpu(model_type="abmil", n_classes=4)
    bag = torch.empty(9, 32, device=GPU), torch.tensor([[1.0, 1.0, 2.0]])
    assert _one_step(head, [bag], GPU, Objective(outcome.loss("hazard")), PassFigures(4)).device == GPU


def test_losses_of_numbers_stay_on_their_device():
    outcome = Regression(0.0, 1.0)
    head = model_on_gpu(model_type="abmil", n_classes=1)
    for loss in outcome.losses:
        bag = torch.empty(9, 32, device=GPU), torch.tensor([0.5])
        assert _one_step(head, [bag], GPU, Objective(outcome.loss(loss)), PassFigures(1)).device == GPU


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("geometry", [(224, 224), (224, None), (-1, None), (512, 448)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pictures_become_input_on_the_device(stain, geometry, interpolation):
    normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD, GPU)
    transform = Transform(Geometry(*geometry, interpolation), normalise, STAINS[stain])
    made = transform(torch.empty(4, 256, 256, 3, dtype=torch.uint8, device=GPU))
    assert made.device == GPU and made.is_contiguous(memory_format=torch.channels_last)
