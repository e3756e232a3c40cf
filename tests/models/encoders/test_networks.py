import pytest
import torch
from safetensors.torch import save_file

from models.encoders.network import build_network
from models.encoders.registry import find_encoder
from models.encoders.weights import find_weights
from tests.models.encoders.networks import BUILT_HERE, NETWORKS, filled, listing_name, published, shapes_only, small
from tests.models.encoders.parameter_listing import FOLDER, listing
from utils.errors import UsageError

RUN_SMALL = ("gemma4",)  # asks its positions for numbers, which a network of shapes does not have


def name(spec):
    return spec.name


@pytest.mark.parametrize("spec", [s for s in BUILT_HERE if s.family not in RUN_SMALL], ids=name)
def test_an_encoder_gives_as_many_numbers_as_the_registry_says(spec):
    out = shapes_only(spec)(torch.empty(2, 3, spec.input_size_px, spec.input_size_px, device="meta"))
    assert tuple(out.shape) == (2, spec.dim)


@pytest.mark.parametrize("spec", [s for s in BUILT_HERE if s.family == "timm"], ids=name)
def test_a_vision_transformer_has_as_many_prefix_tokens_as_the_registry_says(spec):
    assert getattr(shapes_only(spec).body, "num_prefix_tokens", spec.num_prefix_tokens) == spec.num_prefix_tokens


@pytest.mark.parametrize("spec", BUILT_HERE, ids=name)
def test_parameters_have_the_names_and_shapes_of_the_listing(spec):
    saved = (FOLDER / f"{listing_name(spec)}.txt").read_text(encoding="utf-8")
    assert listing(published(shapes_only(spec).body)) == saved


def test_every_listing_belongs_to_a_network():
    assert {path.stem for path in FOLDER.glob("*.txt")} == {spec.name for spec in NETWORKS}


@pytest.mark.parametrize(
    ("encoder", "millions"),
    [
        ("uni_v1", 303), ("uni_v2", 681), ("virchow", 632), ("virchow2", 632), ("gigapath", 1135), ("hoptimus0", 1135),
        ("h0-mini", 86), ("phikon", 86), ("midnight12k-cls", 1140), ("hibou_b", 85.7), ("hibou_l", 303.7),
    ],
)  # fmt: skip
def test_a_network_is_as_large_as_its_authors_say(encoder, millions):
    parameters = sum(parameter.numel() for parameter in shapes_only(find_encoder(encoder)).parameters())
    assert parameters / 1e6 == pytest.approx(millions, rel=0.01)


def save_as(kind, state, folder, spec):
    """Save a state dict as one of the kinds of files that users have, and return what they would pass."""
    if kind == "pt":
        torch.save({"state_dict": {f"module.{n}": t.half() for n, t in state.items()}}, folder / "w.pt")
        return folder / "w.pt"
    if kind == "safetensors":
        save_file({n: t.contiguous() for n, t in state.items()}, folder / "w.safetensors")
        return folder / "w.safetensors"
    save_file({n: t.contiguous() for n, t in state.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("kind", ["pt", "safetensors", "folder"])
@pytest.mark.parametrize("spec", NETWORKS, ids=name)
def test_saved_weights_give_the_same_network(spec, kind, tmp_path):
    spec = small(spec)
    expected = filled(spec)
    if kind == "pt":
        expected.half().float()  # what half precision keeps
    weights = find_weights(spec, str(save_as(kind, published(expected), tmp_path, spec)))
    network = build_network(spec, weights).network
    found = network.body.state_dict()
    assert not network.training and all(t.dtype == torch.float32 for t in found.values() if t.is_floating_point())
    assert all(torch.equal(found[n], t) for n, t in expected.state_dict().items() if t.is_floating_point())
    side_px = 96 if spec.family == "gemma4" else spec.input_size_px
    with torch.inference_mode():
        features = network(torch.rand(2, 3, side_px, side_px))
    assert features.shape[0] == 2 and features.ndim == 2 and features.isfinite().all()


def test_weights_of_another_network_are_refused_with_the_first_names_that_do_not_match(tmp_path):
    for owner, other in (("uni_v1", "kaiko-vits8"), ("phikon", "uni_v1")):
        torch.save(published(filled(small(find_encoder(owner)))), tmp_path / "w.pt")
        with pytest.raises(UsageError, match=r"w\.pt do not fit the encoder: they .*(lack|unknown)") as caught:
            build_network(small(find_encoder(other)), tmp_path / "w.pt")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("encoder", "place"), [("uni_v1", "norm.weight"), ("phikon", "layernorm.weight"), ("quiltnet-b-32", "visual.proj")]
)
def test_each_name_that_does_not_match_is_named(tmp_path, encoder, place):
    spec = small(find_encoder(encoder))
    whole = published(filled(spec))
    for change, message in (
        (lambda state: state.pop(place), f"they lack {place}"),
        (lambda state: state.update(extra=torch.ones(1)), "they have unknown extra"),
        (lambda state: state.update({place: torch.ones(7)}), f"they have another shape of {place}"),
    ):
        state = dict(whole)
        change(state)
        torch.save(state, tmp_path / "w.pt")
        with pytest.raises(UsageError) as caught:
            build_network(spec, tmp_path / "w.pt")
        assert str(caught.value) == f"weights {tmp_path / 'w.pt'} do not fit the encoder: {message}"


def test_a_network_without_weights_is_untrained_and_runs():
    built = build_network(small(find_encoder("uni_v1")), None)
    assert built.network(torch.rand(1, 3, 224, 224)).shape == (1, 48)
