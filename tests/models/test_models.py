"""CLAM and the MIL baseline: shapes, clustering of instances, bags of any size."""

import pytest
import torch

from models.builder import ModelSettings, build_model
from models.heads.registry import HEADS
from models.inference import bag_prediction
from models.instance_clustering import choose_evidence, evidence_size
from models.model_clam import CLAM_SB
from utils.errors import UsageError


def new_model(model_type: str, n_classes: int = 2, **settings):
    torch.manual_seed(0)
    return build_model(ModelSettings(model_type, embed_dim=6, n_classes=n_classes, drop_out=0, **settings)).eval()


@pytest.mark.parametrize("model_type", HEADS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_patches", [1, 5, 40])
def test_every_model_answers_in_the_same_shapes(model_type, n_classes, n_patches):
    logits, probabilities, predicted, scores, _ = new_model(model_type, n_classes)(torch.rand(n_patches, 6))
    assert logits.shape == probabilities.shape == (1, n_classes) and predicted.shape == (1, 1)
    assert scores.shape[0] in {1, n_classes} and scores.shape[1] == n_patches
    assert probabilities.sum().item() == pytest.approx(1) and predicted.item() == probabilities.argmax()


@pytest.mark.parametrize("model_type", HEADS)
def test_the_shared_inference_path_says_what_the_model_says(model_type):
    model, bag = new_model(model_type, 3), torch.rand(20, 6)
    output, prediction = model(bag), bag_prediction(model, bag)
    assert prediction.probabilities == pytest.approx(output.probabilities[0].detach().numpy())
    assert prediction.predicted == output.predicted.item()
    assert prediction.attention == pytest.approx(output.attention.detach().numpy())


def test_attention_only_is_the_raw_attention():
    model, bag = new_model("clam_mb", 3), torch.rand(7, 6)
    assert torch.equal(model(bag, attention_only=True), model(bag).attention)


def test_the_order_of_patches_does_not_matter():
    model, bag = new_model("clam_sb"), torch.rand(30, 6)
    assert torch.allclose(model(bag).logits, model(bag.flip(0)).logits, atol=1e-6)


@pytest.mark.parametrize(("n_instances", "expected"), [(1, 0), (2, 1), (3, 1), (5, 2), (7, 3), (8, 8), (15, 8)])
def test_a_bag_smaller_than_b_gives_half_to_each_side(n_instances, expected):
    assert evidence_size(n_instances, k_sample=8) == expected


def test_the_most_attended_are_evidence_for_and_the_least_against():
    chosen, target = choose_evidence(torch.tensor([0.3, 0.1, 0.4, 0.2]), k=1, in_class=True)
    assert chosen.tolist() == [2, 1] and target.tolist() == [1, 0]


def test_the_most_attended_of_another_class_are_evidence_against_it():
    chosen, target = choose_evidence(torch.tensor([0.3, 0.1, 0.4, 0.2]), k=2, in_class=False)
    assert chosen.tolist() == [2, 0] and target.tolist() == [0, 0]


@pytest.mark.parametrize(("subtyping", "looked_at"), [(False, 16), (True, 32)])
def test_subtyping_also_looks_at_the_other_classes(subtyping, looked_at):
    extras = new_model("clam_mb", 3, subtyping=subtyping)(torch.rand(20, 6), torch.tensor([1]), True).extras
    assert len(extras["inst_labels"]) == len(extras["inst_preds"]) == looked_at
    assert extras["inst_labels"].sum() == 8


def test_subtyping_divides_the_instance_loss_by_the_number_of_classes():
    bag, label = torch.rand(20, 6), torch.tensor([0])
    model = new_model("clam_sb", 3, subtyping=True)
    _, h = model.attention_net(bag)
    branch = model(bag).attention[0].softmax(0)
    losses = []
    for number, classifier in enumerate(model.instance_classifiers):
        chosen, target = choose_evidence(branch, 8, in_class=number == 0)
        losses.append(torch.nn.functional.cross_entropy(classifier(h[chosen]), target))
    expected = torch.stack(losses).sum() / 3
    assert model(bag, label, True).extras["instance_loss"].item() == pytest.approx(expected.item(), abs=1e-6)


def test_a_bag_of_one_patch_has_no_instance_loss():
    extras = new_model("clam_sb")(torch.rand(1, 6), torch.tensor([1]), True).extras
    assert extras["instance_loss"] == 0 and len(extras["inst_labels"]) == 0


@pytest.mark.parametrize(("size", "hidden"), [("small", 256), ("big", 384)])
def test_the_size_is_the_width_of_the_attention(size, hidden):
    attention = new_model("clam_sb", model_size=size).attention_net[3]
    assert attention.attention_a[0].weight.shape == (hidden, 512)


@pytest.mark.parametrize(("drop_out", "rates"), [(0, {0.0}), (0.4, {0.25, 0.4})])
def test_attention_drops_out_at_its_own_rate(drop_out, rates):
    layers = CLAM_SB(dropout=drop_out).modules()
    assert {layer.p for layer in layers if isinstance(layer, torch.nn.Dropout)} == rates


def test_two_class_mil_listens_to_the_instance_most_sure_of_class_1():
    model, bag = new_model("mil"), torch.rand(9, 6)
    each = torch.cat([model(patch[None]).probabilities for patch in bag])
    assert torch.allclose(model(bag).probabilities[0], each[each[:, 1].argmax()], atol=1e-6)


def test_multi_class_mil_listens_to_the_surest_instance_of_any_class():
    model, bag = new_model("mil", 3), torch.rand(9, 6)
    each = torch.cat([model(patch[None]).probabilities for patch in bag])
    assert model(bag).probabilities.max().item() == pytest.approx(each.max().item())


@pytest.mark.parametrize("wrong", [{"model_type": "clam"}, {"model_size": "huge"}, {"inst_loss": "mse"}])
def test_unknown_names_are_refused(wrong):
    with pytest.raises(UsageError, match="known: "):
        build_model(ModelSettings(**{"model_type": "clam_sb", "embed_dim": 6, "n_classes": 2, **wrong}))
