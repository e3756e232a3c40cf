"""What is peculiar in published files: names of other programs, wrappers, parts beyond the encoder, several files."""

import json

import pytest
import torch
from safetensors.torch import save_file

from models.encoders.network import build_network
from models.encoders.registry import find_encoder
from models.encoders.state_dict import read_weights
from models.encoders.weights import find_weights
from tests.models.encoders.networks import filled, published, small
from utils.errors import UsageError


def loaded(spec, path):
    return build_network(spec, find_weights(spec, str(path))).network


def require_same(found, expected):
    state = found.body.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.state_dict().items())


def as_dinov2_wrote(body):
    """Return a state dict as the DINOv2 repository names it."""
    state = {
        name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): t for name, t in body.state_dict().items()
    }
    registers, patches = state.pop("reg_token"), state.pop("pos_embed")
    state["register_tokens"], state["mask_token"] = registers, torch.zeros(1, patches.shape[-1])
    state["pos_embed"] = torch.cat((torch.zeros_like(patches[:, :1]), patches), dim=1)
    return state


def test_openmidnights_file_has_the_names_of_the_dinov2_repository(tmp_path):
    spec = small(find_encoder("openmidnight"))
    expected = filled(spec)
    torch.save(as_dinov2_wrote(expected), tmp_path / "teacher_checkpoint_load.pt")
    require_same(loaded(spec, tmp_path), expected)


@pytest.mark.parametrize("encoder", ["dinobloom-s", "gpfm", "reddino-l"])
def test_a_dino_teacher_is_read_without_its_heads_and_mask(tmp_path, encoder):
    spec = small(find_encoder(encoder))
    expected = filled(spec)
    teacher = {f"backbone.{name}": tensor for name, tensor in expected.state_dict().items()}
    teacher |= {
        "backbone.mask_token": torch.zeros(1, 48),
        "dino_head.mlp.0.weight": torch.zeros(2),
        "ibot_head.x": torch.ones(1),
    }
    torch.save({"teacher": teacher, "iteration": 9}, tmp_path / "w.pth")
    require_same(loaded(spec, tmp_path / "w.pth"), expected)


@pytest.mark.parametrize("encoder", ["ctranspath", "chief-ctranspath"])
def test_ctranspath_has_the_names_of_an_old_timm(tmp_path, encoder):
    spec = small(find_encoder(encoder))
    expected = filled(spec)
    state = {}
    for name, tensor in expected.state_dict().items():
        layer, *rest = name.removeprefix("layers.").split(".", 1)
        moved = "downsample" in name  # stood at the end of the layer before
        state[f"layers.{int(layer) - 1}.{rest[0]}" if moved else name] = tensor
    state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    state["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    state |= {"head.weight": torch.zeros(2, 2), "head.bias": torch.zeros(2)}
    torch.save({"model": state}, tmp_path / "w.pth")
    require_same(loaded(spec, tmp_path / "w.pth"), expected)


def test_keeps_layer_scales_are_called_weights_and_its_text_encoder_is_left_out(tmp_path):
    spec = small(find_encoder("keep"))
    expected = filled(spec)
    state = {name.replace(".gamma", ".weight"): tensor for name, tensor in expected.state_dict().items()}
    save_file(
        {**state, "text.embeddings.x": torch.zeros(3), "logit_scale": torch.ones(1)}, tmp_path / "model.safetensors"
    )
    network = loaded(spec, tmp_path)
    require_same(network, expected)
    with torch.inference_mode():
        lengths = network(torch.rand(2, 3, 224, 224)).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(2))


@pytest.mark.parametrize(
    ("encoder", "prefix", "rest"),
    [
        ("plip", "", ("text_model.x", "text_projection.weight", "logit_scale")),
        ("medsiglip", "vision_model.", ("text_model.x", "logit_scale", "logit_bias")),
        ("phikon", "", ("pooler.dense.weight",)),
        ("phikon", "vit.", ("classifier.weight",)),
        ("phikon_v2", "dinov2.", ("classifier.weight",)),
        ("gemma4-e4b", "model.vision_tower.", ("model.language_model.x", "model.embed_vision.y", "lm_head.weight")),
    ],
)  # fmt: skip
def test_an_image_encoder_is_taken_out_of_a_larger_model(tmp_path, encoder, prefix, rest):
    spec = small(find_encoder(encoder))
    expected = filled(spec)
    state = {prefix + name: tensor.contiguous() for name, tensor in published(expected).items()}
    save_file({**state, **{name: torch.zeros(1) for name in rest}}, tmp_path / "model.safetensors")
    require_same(loaded(spec, tmp_path), expected)


@pytest.mark.parametrize("encoder", ["quiltnet-b-32", "biomedclip", "omiclip"])
def test_an_image_tower_is_taken_out_of_a_clip_model(tmp_path, encoder):
    spec = small(find_encoder(encoder))
    expected = filled(spec)
    rest = ("text.x", "transformer.resblocks.0.x", "token_embedding.weight", "positional_embedding", "logit_scale")
    state = {**expected.state_dict(), **{name: torch.zeros(1) for name in rest}}
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "w.pt")
    require_same(loaded(spec, tmp_path / "w.pt"), expected)


def test_positions_of_another_size_set_the_size_of_a_dinov2_of_transformers(tmp_path):
    spec = small(find_encoder("midnight12k-cls"))
    state = published(filled(spec))
    state["embeddings.position_embeddings"] = torch.randn(1, 1 + 37 * 37, 48)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "w.safetensors")
    network = loaded(spec, tmp_path / "w.safetensors")
    assert network.body.config.image_size == 518 and network(torch.rand(1, 3, 224, 224)).shape == (1, 48)


@pytest.fixture
def in_parts(tmp_path):
    """Save a network of the hub in two files and an index, with parts of a language model between them."""
    spec = small(find_encoder("gemma4-26b"))
    expected = filled(spec)
    names = {f"model.vision_tower.{name}": t.contiguous() for name, t in expected.state_dict().items()}
    parts = [
        dict(list(names.items())[::2]),
        dict(list(names.items())[1::2]) | {"model.language_model.x": torch.ones(1)},
    ]
    index = {}
    for number, part in enumerate(parts, 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file(part, tmp_path / file)
        index |= dict.fromkeys(part, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return spec, expected, tmp_path


def test_weights_in_several_files_are_put_together(in_parts):
    spec, expected, folder = in_parts
    assert find_weights(spec, str(folder)).name == "model.safetensors.index.json"
    require_same(loaded(spec, folder), expected)


def test_a_missing_part_is_named(in_parts):
    spec, _, folder = in_parts
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UsageError, match=r"fetch model-00002-of-00002\.safetensors into the same folder"):
        loaded(spec, folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}'])
def test_an_index_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="are no index of weights"):
        read_weights(path)


def test_an_index_cannot_lead_out_of_its_folder(tmp_path):
    (tmp_path / "hub").mkdir()
    save_file({"x": torch.ones(1)}, tmp_path / "outside.safetensors")
    path = tmp_path / "hub" / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"x": "../outside.safetensors"}}))
    with pytest.raises(UsageError, match=r"fetch outside\.safetensors into the same folder"):
        read_weights(path)


def test_two_tensors_that_could_both_be_one_parameter_are_refused(tmp_path):
    torch.save({"backbone.x": torch.ones(1), "x": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=r"both backbone\.x and x could be x"):
        read_weights(tmp_path / "w.pt")
