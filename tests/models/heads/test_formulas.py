"""The heads against their definitions, written out."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from models.builder import build_model
from models.heads import nystrom
from models.heads.nystrom import NystromAttention, pseudo_inverse
from models.heads.transmil import PPEG, TransMIL
from models.losses import loss_of_bags
from models.settings import ModelSettings


def new_model(name: str, n_classes: int = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(ModelSettings(name, 6, n_classes)).eval()


@pytest.fixture
def bag() -> torch.Tensor:
    return torch.rand(9, 6, generator=torch.Generator().manual_seed(0))


def test_abmil_weights_embeddings_by_gated_attention(bag):
    model = new_model("abmil")
    h, attention = model.embedding(bag), model.attention
    scores = attention.attention_c(attention.attention_a(h) * attention.attention_b(h))[:, 0]
    pooled = sum(weight * row for weight, row in zip(scores.softmax(0), h, strict=True))
    assert torch.allclose(model(bag).logits[0], model.classifier(pooled), atol=1e-6)
    assert torch.allclose(model(bag).attention[0], scores)


def test_dsmil_attends_to_what_is_like_the_critical_instance_of_each_class(bag):
    model = new_model("dsmil")
    h = model.embedding(bag)
    scores, queries, values = model.instance_classifier(h), model.query(h), model.value(h)
    embeddings = []
    for label in range(3):
        likeness = queries @ queries[scores[:, label].argmax()] / 128**0.5
        assert torch.allclose(model(bag).attention[label], likeness, atol=1e-6)
        embeddings.append(likeness.softmax(0) @ values)
    of_bag = torch.einsum("ock,ck->o", model.classifier.weight, torch.stack(embeddings)) + model.classifier.bias
    assert torch.allclose(model(bag).logits[0], (scores.amax(0) + of_bag) / 2, atol=1e-5)


def test_dsmil_learns_from_the_mean_of_its_streams_losses(bag):
    output, target = new_model("dsmil")(bag), torch.tensor([1])
    of_instance, of_bag = output.extras["stream_logits"]
    assert torch.allclose((of_instance + of_bag) / 2, output.logits)
    expected = (cross_entropy(of_instance, target) + cross_entropy(of_bag, target)) / 2
    assert loss_of_bags(cross_entropy, [output], target).item() == pytest.approx(expected.item())


def test_one_stream_has_the_loss_of_its_logits(bag):
    output, target = new_model("abmil")(bag), torch.tensor([1])
    assert loss_of_bags(cross_entropy, [output], target) == cross_entropy(output.logits, target)


def test_mean_and_max_pool_what_they_say(bag):
    for name, pooled in (("mean", torch.mean), ("max", torch.amax)):
        model = new_model(f"{name}_pool")
        expected = getattr(model, f"classifier_of_{name}")(pooled(model.embedding(bag), dim=0))
        assert torch.allclose(model(bag).logits[0], expected, atol=1e-6)


def test_max_pool_shows_what_part_of_the_maxima_is_whose(bag):
    model = new_model("max_pool")
    embedded = model.embedding(bag)
    is_largest = embedded == embedded.amax(0)
    parts = (embedded * is_largest).sum(1) / embedded.amax(0).sum()
    assert torch.allclose(model(bag).attention.softmax(1)[0], parts, atol=1e-6)


def test_the_transformers_scores_are_the_attention_of_its_class_token(bag):
    model = new_model("transformer")
    first, last = model.encoder.layers
    tokens = last.norm1(first(torch.cat([model.class_token, model.embedding(bag)])))
    _, attention = last.self_attn(tokens, tokens, tokens, need_weights=True)  # mean over heads
    expected = attention[0, 1:] / attention[0, 1:].sum()
    assert torch.allclose(model(bag).attention.softmax(1)[0], expected, atol=1e-6)


def test_the_transformer_reads_its_class_token_after_all_layers(bag):
    model = new_model("transformer")
    tokens = model.encoder(torch.cat([model.class_token, model.embedding(bag)]))
    assert torch.allclose(model(bag).logits, model.classifier(model.norm(tokens[:1])), atol=1e-5)


def test_the_pseudo_inverse_of_attention_is_that_of_linear_algebra():
    torch.manual_seed(0)
    attention = (4 * torch.eye(12) + torch.randn(3, 12, 12)).softmax(-1)
    assert torch.allclose(pseudo_inverse(attention), torch.linalg.pinv(attention), atol=1e-3)


def plain(attention: NystromAttention) -> NystromAttention:
    """Take away the convolution and the layer after the attention."""
    with torch.no_grad():
        attention.res_conv.weight.zero_()
        attention.to_out[0].weight.copy_(torch.eye(len(attention.to_out[0].weight)))
        attention.to_out[0].bias.zero_()
    return attention.eval()


def test_nystrom_attention_is_exact_with_a_landmark_for_each_token_once_the_inverse_is(monkeypatch):
    monkeypatch.setattr(nystrom, "PINV_ITERATIONS", 40)
    torch.manual_seed(0)
    tokens = 3 * torch.randn(10, 8).double()
    attention = plain(NystromAttention(8, n_heads=2, n_landmarks=16, drop_out=0)).double()
    query, key, value = attention._heads(tokens)
    exact = torch.nn.functional.scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1)
    assert torch.allclose(attention(tokens), exact, atol=1e-6)


@pytest.mark.parametrize("length", [16, 17, 100])
def test_the_row_of_the_class_token_is_what_it_gathers_values_by(length):
    torch.manual_seed(0)
    tokens = torch.randn(length, 8)
    attention = plain(NystromAttention(8, n_heads=1, n_landmarks=16, drop_out=0))
    _, _, value = attention._heads(tokens)
    assert torch.allclose(attention(tokens)[0], attention.first_row(tokens) @ value[0], atol=1e-5)
    assert attention.first_row(tokens).sum().item() == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize(("length", "sizes"), [(3, [1, 1, 1]), (5, [2, 2, 1]), (9, [3, 3, 3]), (10, [4, 4, 2])])
def test_landmarks_are_means_of_segments(length, sizes):
    attention = NystromAttention(8, n_heads=2, n_landmarks=3, drop_out=0)
    x = torch.rand(2, length, 4)
    expected = torch.stack([segment.mean(1) for segment in x.split(sizes, dim=1)], dim=1)
    assert torch.allclose(attention._landmarks(x), expected)


def test_positions_are_convolved_on_the_square_and_the_class_token_is_left_alone():
    torch.manual_seed(0)
    layer, tokens = PPEG(4), torch.rand(10, 4)
    placed = layer(tokens, 3)
    square = tokens[1:].reshape(1, 3, 3, 4).permute(0, 3, 1, 2)
    expected = square + sum(convolve(square) for convolve in layer.convolutions)
    assert torch.equal(placed[0], tokens[0])
    assert torch.allclose(placed[1:], expected.permute(0, 2, 3, 1).reshape(9, 4), atol=1e-6)


def test_transmil_fills_the_square_up_with_the_first_instances(bag):
    model = new_model("transmil")
    assert isinstance(model, TransMIL)
    filled = torch.cat([bag[:7], bag[:2]])  # 7 instances in a square of 9
    assert torch.allclose(model(bag[:7]).logits, model(filled).logits, atol=1e-6)
    of_square = model(filled).attention.softmax(1)[0]
    of_square[:2] += of_square[7:]
    assert torch.allclose(model(bag[:7]).attention.softmax(1)[0], of_square[:7], atol=1e-6)
