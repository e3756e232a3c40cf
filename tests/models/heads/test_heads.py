"""What holds for every head of the registry: shapes, order, gradients, checkpoints, parameters."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models.bag_output import BagOutput
from models.builder import build_model
from models.checkpoint import load_model, save_checkpoint, settings_of
from models.checkpoint_facts import write_checkpoint_facts
from models.heads.registry import HEADS, NUMBER, find_head
from models.model_clam import CLAM_MB, CLAM_SB
from models.settings import ModelSettings
from utils.errors import UsageError

DIM = 6
SIZED = [(head.name, size) for head in HEADS.values() for size in head.sizes or ("small",)]
NEEDS_ORDER = {"transmil"}
OUTPUTS = [(head.name, n) for head in HEADS.values() for n in (1, 2, 3) if n > 1 or NUMBER in head.outputs]

# At 1024 features and two classes, from the layers that the papers state. Comparisons of MIL models give TransMIL
# 2.67 M and CLAM-SB 0.79 M; the others are written out here.
EMBEDDING = 1024 * 512 + 512
GATED = 2 * (512 * 256 + 256) + 256 + 1
TRANSMIL_LAYER = 2 * 512 + 512 * 3 * 512 + (512 * 512 + 512) + 8 * 33
PPEG = 512 * (7 * 7 + 5 * 5 + 3 * 3) + 3 * 512
ENCODER_LAYER = 4 * (512 * 512 + 512) + 2 * (512 * 512 + 512) + 2 * 2 * 512
LINEAR = 2 * 512 + 2
PARAMETERS = {
    "clam_sb": EMBEDDING + GATED + LINEAR + 2 * LINEAR,
    "clam_mb": EMBEDDING + GATED + 257 + LINEAR + 2 * LINEAR,
    "mil": EMBEDDING + LINEAR,
    "abmil": EMBEDDING + GATED + LINEAR,
    "dsmil": EMBEDDING + LINEAR + (512 * 128 + 128) + (512 * 512 + 512) + (2 * 2 * 512 + 2),
    "transmil": EMBEDDING + 512 + 2 * TRANSMIL_LAYER + PPEG + 2 * 512 + LINEAR,
    "transformer": EMBEDDING + 512 + 2 * ENCODER_LAYER + 2 * 512 + LINEAR,
    "mean_pool": EMBEDDING + LINEAR,
    "max_pool": EMBEDDING + LINEAR,
}
PUBLISHED_MILLIONS = {"clam_sb": 0.79, "transmil": 2.67}


def new_model(name: str, n_classes: int = 2, **settings) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(ModelSettings(name, DIM, n_classes, **settings)).eval()


def new_bag(n: int = 20) -> torch.Tensor:
    return torch.rand(n, DIM, generator=torch.Generator().manual_seed(n))


def n_parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_as_many_parameters_as_its_paper_says(name):
    found = n_parameters(build_model(ModelSettings(name, embed_dim=1024, n_classes=2)))
    assert found == PARAMETERS[name]
    assert round(found / 1e6, 2) == PUBLISHED_MILLIONS.get(name, round(found / 1e6, 2))


@pytest.mark.parametrize(("name", "n_classes"), OUTPUTS)
@pytest.mark.parametrize("n_instances", [1, 2, 7])
def test_bags_of_any_size_and_any_number_of_outputs(name, n_classes, n_instances):
    model = new_model(name, n_classes)
    output = model(new_bag(n_instances))
    assert isinstance(output, BagOutput)
    assert (model.embed_dim, model.n_classes) == (DIM, n_classes)
    assert output.logits.shape == output.probabilities.shape == (1, n_classes) and output.predicted.shape == (1, 1)
    assert output.attention.shape[0] in {1, n_classes} and output.attention.shape[1] == n_instances
    assert all(tensor.isfinite().all() for tensor in output[:4])


@pytest.mark.parametrize("name", HEADS)
def test_a_head_says_whether_it_has_attention(name):
    model = new_model(name)
    assert model.has_attention == bool(model(new_bag()).attention.any())


@pytest.mark.parametrize("name", HEADS)
def test_the_order_of_instances_matters_only_where_positions_are_known(name):
    model, bag, order = new_model(name), new_bag(), torch.randperm(20, generator=torch.Generator().manual_seed(1))
    one, other = model(bag), model(bag[order])
    same_answer = torch.allclose(one.logits, other.logits, atol=1e-5)
    same_attention = torch.allclose(one.attention[:, order].softmax(1), other.attention.softmax(1), atol=1e-5)
    assert (same_answer, same_attention) == (name not in NEEDS_ORDER,) * 2


@pytest.mark.parametrize("name", HEADS)
def test_a_score_depends_on_the_bag_unless_the_registry_says_so(name):
    model, bag = new_model(name, 3), new_bag()
    alone = torch.cat([model(part).attention for part in bag.split(4)], dim=1)
    whole = model(bag).attention
    assert torch.allclose(whole, alone, atol=1e-5) == (HEADS[name].context_free or not model.has_attention)


@pytest.mark.parametrize("name", HEADS)
def test_every_parameter_that_is_used_learns(name):
    model = new_model(name).train()
    model(new_bag()).logits.pow(2).sum().backward()
    idle = {n for n, parameter in model.named_parameters() if parameter.grad is None}
    assert all(n.startswith("instance_classifiers.") for n in idle) and (not idle or HEADS[name].clusters)
    weights = [p for p in model.parameters() if p.grad is not None and p.dim() > 1]
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in weights)


@pytest.mark.parametrize(("name", "n_classes"), OUTPUTS)
def test_a_model_comes_back_from_its_checkpoint(tmp_path, name, n_classes):
    model, bag = new_model(name, n_classes), new_bag()
    save_checkpoint(tmp_path / "c.pt", model)
    write_checkpoint_facts(tmp_path / "c.pt", {}, DIM, model=ModelSettings(name, DIM, n_classes))
    assert torch.equal(load_model(tmp_path / "c.pt", model_type=name)(bag).logits, model(bag).logits)


@pytest.mark.parametrize(("name", "size"), SIZED)
def test_parameters_tell_heads_and_sizes_apart(name, size):
    settings = ModelSettings(name, DIM, 3, model_size=size)
    assert settings_of(build_model(settings).state_dict()) == settings


@pytest.mark.parametrize("name", HEADS)
def test_big_is_larger_than_small_where_there_are_sizes(name):
    small, big = (n_parameters(new_model(name, model_size=size)) for size in ("small", "big"))
    assert (small < big) == bool(HEADS[name].sizes)


@pytest.mark.parametrize("name", HEADS)
def test_one_seed_gives_one_model(name):
    one, other = new_model(name).state_dict(), new_model(name).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", HEADS)
def test_drop_out_is_the_rate_after_the_embedding(name):
    model = new_model(name, drop_out=0.4)
    assert 0.4 in {layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)}


@pytest.mark.parametrize("name", HEADS)
def test_the_registry_knows_who_clusters(name):
    assert HEADS[name].clusters == isinstance(new_model(name), (CLAM_SB, CLAM_MB))


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that any operation returns."""

    n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        returned = result if isinstance(result, (tuple, list)) else [result]
        self.n = max([self.n, *(tensor.numel() for tensor in returned if isinstance(tensor, torch.Tensor))])
        return result


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("training", [True, False])
def test_nothing_grows_with_the_square_of_the_bag(name, training):
    bag, model = new_bag(2500), new_model(name).train(training)
    with torch.inference_mode(not training), Largest() as largest:
        logits = model(bag).logits
        if training:
            logits.sum().backward()
    assert 0 < largest.n < len(bag) ** 2


def test_a_head_without_numbers_among_its_outputs_refuses_one():
    with pytest.raises(UsageError, match="mil has at least 2 outputs, not 1"):
        new_model("mil", 1)


def test_an_unknown_head_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"unknown model type 'transml' \(did you mean transmil\?\)"):
        find_head("transml")
