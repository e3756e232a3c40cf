"""One pass over bags, whatever their size."""

import itertools
import math

import pytest
import torch

from models.builder import ModelSettings, build_model
from models.heads.registry import HEADS
from models.losses import build_loss
from stages.epoch import Objective, run_pass

CPU = torch.device("cpu")
SIZES = (1, 5, 15, 40)  # with B 8: no evidence, half on either side, sides that overlap, sides apart
WAYS = list(itertools.product(HEADS, (2, 3), (False, True), ("ce", "svm")))


def bags(n_classes: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.rand(size, 6, generator=generator), torch.tensor([label]))
        for size in SIZES
        for label in range(n_classes)
    ]


def objective_of(model_type: str, n_classes: int, loss: str = "ce", bag_weight: float = 0.7) -> Objective:
    return Objective.of(model_type, build_loss(loss, n_classes), bag_weight, clustering=True)


@pytest.mark.parametrize(("model_type", "n_classes", "subtyping", "loss"), WAYS)
@pytest.mark.parametrize("size", SIZES)
def test_every_model_learns_from_a_bag_of_any_size(model_type, n_classes, subtyping, loss, size):
    torch.manual_seed(0)
    settings = ModelSettings(model_type, 6, n_classes, drop_out=0, subtyping=subtyping, k_sample=8, inst_loss=loss)
    model = build_model(settings)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one_size = [bag for bag in bags(n_classes) if len(bag[0]) == size]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    figures = run_pass(model, one_size, n_classes, CPU, objective_of(model_type, n_classes, loss), optimizer)
    assert math.isfinite(figures.loss) and len(figures.labels) == n_classes
    after = model.state_dict()
    assert all(tensor.isfinite().all() for tensor in after.values())
    assert any(not torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_pass_without_an_optimiser_changes_nothing():
    model = build_model(ModelSettings("clam_mb", 6, 2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    figures = [run_pass(model, bags(2), 2, CPU, objective_of("clam_mb", 2)) for _ in range(2)]
    assert figures[0].loss == figures[1].loss  # drop-out is off
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_the_loss_of_a_model_with_two_streams_is_the_mean_of_theirs():
    model, (bag, label) = build_model(ModelSettings("dsmil", 6, 2)).eval(), bags(2)[-1]
    streams = model(bag).extras["stream_logits"]
    expected = sum(torch.nn.functional.cross_entropy(logits, label).item() for logits in streams) / 2
    assert run_pass(model, [(bag, label)], 2, CPU, objective_of("dsmil", 2)).loss == pytest.approx(expected)


@pytest.mark.parametrize(("bag_weight", "learns"), [(1.0, False), (0.5, True)])
def test_the_bag_weight_shares_learning_with_instance_clustering(bag_weight, learns):
    model = build_model(ModelSettings("clam_sb", 6, 2, drop_out=0))
    before = [classifier.weight.clone() for classifier in model.instance_classifiers]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run_pass(model, bags(2), 2, CPU, objective_of("clam_sb", 2, bag_weight=bag_weight), optimizer)
    after = [classifier.weight for classifier in model.instance_classifiers]
    assert all(torch.equal(*pair) != learns for pair in zip(before, after, strict=True))


def test_the_baseline_has_no_instances_to_cluster():
    model = build_model(ModelSettings("mil", 6, 2))
    assert math.isnan(run_pass(model, bags(2), 2, CPU, objective_of("mil", 2)).instance_loss)


@pytest.mark.parametrize(("model_type", "n_classes", "subtyping", "loss"), WAYS)
def test_no_step_waits_for_the_device(model_type, n_classes, subtyping, loss):
    """A tensor without numbers refuses what would have to wait for them, such as `int(tensor)`."""
    meta = torch.device("meta")
    settings = ModelSettings(model_type, 6, n_classes, subtyping=subtyping, inst_loss=loss)
    model = build_model(settings).to(meta)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    shown = [(torch.empty(20, 6, device=meta), torch.tensor([label])) for label in range(n_classes)]
    figures = run_pass(model, shown, n_classes, meta, objective_of(model_type, n_classes, loss), optimizer)
    assert figures.labels.tolist() == list(range(n_classes))
    with pytest.raises(NotImplementedError):
        figures.loss  # noqa: B018
