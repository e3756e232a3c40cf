import json

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf

from models.encoders.network import build_empty, build_network
from models.encoders.registry import find_encoder
from models.encoders.weights import find_weights
from utils.errors import UsageError


def built(name, path):
    spec = find_encoder(name)
    return build_network(spec, find_weights(spec, str(path)))


@pytest.mark.parametrize(
    ("model", "dim"), [("vit_tiny_patch16_224", 192), ("mobilenetv3_small_050", 1024), ("resnet10t", 512)]
)
def test_any_model_of_timm_gives_what_it_gives_without_its_classifier(tmp_path, model, dim):
    torch.manual_seed(0)
    whole = timm.create_model(model, pretrained=False).eval()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    found = built(f"timm:{model}", tmp_path / "w.safetensors")
    assert (found.spec.dim, found.spec.mean) == (dim, tuple(whole.pretrained_cfg["mean"]))
    batch = torch.rand(2, 3, found.spec.input_size_px, found.spec.input_size_px)
    whole.reset_classifier(0)
    with torch.inference_mode():
        torch.testing.assert_close(found.network(batch), whole(batch), atol=1e-5, rtol=1e-4)


def test_a_model_that_timm_does_not_have_is_named():
    with pytest.raises(UsageError, match="has no model 'vit_of_mine'"):
        find_weights(find_encoder("timm:vit_of_mine"), None)


def test_timms_own_address_of_the_weights_is_named_where_there_is_no_network(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("models.encoders.weights.get_hf_file_metadata", no_network)
    with pytest.raises(
        UsageError, match=r"fetch model\.safetensors of https://huggingface\.co/timm/resnet10t\.c3_in1k"
    ):
        find_weights(find_encoder("timm:resnet10t.c3_in1k"), None)


def no_network(*_args, **_options):
    raise OSError("no network")


@pytest.fixture
def folder(tmp_path):
    """Save a model as its owner would for the hub: an input of its own, no pooling, registers."""
    torch.manual_seed(0)
    cfg = {"mean": (0.7, 0.6, 0.5), "std": (0.1, 0.2, 0.3), "interpolation": "bilinear", "crop_pct": 0.875}
    options = {"img_size": 64, "reg_tokens": 4, "embed_dim": 48, "num_heads": 3, "depth": 2, "global_pool": ""}
    model = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, num_classes=0, pretrained_cfg_overlay=cfg, **options
    )
    save_for_hf(model.eval(), tmp_path, model_args=options, safe_serialization=True)
    return model, tmp_path


def test_a_folder_of_the_hub_says_how_its_model_is_built_and_fed(folder):
    model, path = folder
    config = json.loads((path / "config.json").read_text())
    config["pretrained_cfg"]["input_size"] = [3, 64, 64]
    (path / "config.json").write_text(json.dumps(config))
    found = built("hf-hub:owner/model", path)
    spec = found.spec
    assert (spec.name, spec.dim, spec.mean, spec.std) == ("hf-hub:owner/model", 48, (0.7, 0.6, 0.5), (0.1, 0.2, 0.3))
    assert (spec.input_size_px, spec.resize_px, spec.interpolation) == (64, 73, "bilinear")
    batch = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(found.network(batch), model(batch)[:, 0])  # no pooling of its own: the class token


@pytest.mark.parametrize("text", ["", "[]", '{"model_type": "vit"}'])
def test_a_folder_that_is_not_timms_is_refused(folder, text):
    _, path = folder
    (path / "config.json").write_text(text)
    with pytest.raises(UsageError, match=r"config\.json does not name a model of timm"):
        built("hf-hub:owner/model", path)


@pytest.mark.parametrize(
    "change", [{"architecture": "vit_of_mine"}, {"architecture": "hf-hub:a/b"}, {"model_args": {"no_such_option": 1}}]
)
def test_a_model_that_timm_cannot_build_is_a_message_of_one_line(folder, change):
    _, path = folder
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UsageError, match="hf-hub:owner/model: timm cannot build") as caught:
        built("hf-hub:owner/model", path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["checkpoint_path", "pretrained", "pretrained_cfg"])
def test_a_folder_does_not_say_what_else_to_load(folder, name):
    _, path = folder
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"model_args": {name: "other.bin"}}))
    with pytest.raises(UsageError, match=f"says what else to load .{name}"):
        built("hf-hub:owner/model", path)


def test_a_model_of_the_hub_is_not_built_without_its_folder():
    with pytest.raises(UsageError, match="built from the folder of the hub"):
        build_empty(find_encoder("hf-hub:owner/model"))
