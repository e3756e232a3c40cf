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


@pytest.mark.parametrize("name", ["vit_of_mine", "resnet18.weights_of_mine"])
def test_a_model_that_timm_does_not_have_is_named(name):
    with pytest.raises(UsageError, match=f"has no model '{name}'"):
        find_weights(find_encoder(f"timm:{name}"), None)


@pytest.mark.parametrize("model", ["levit_128s", "repvit_m0_9", "shvit_s1"])
def test_a_classifier_of_more_than_one_layer_is_left_out(tmp_path, model):
    whole = timm.create_model(model, pretrained=False).eval()
    torch.save(whole.state_dict(), tmp_path / "w.pt")
    assert built(f"timm:{model}", tmp_path / "w.pt").spec.dim == whole.head_hidden_size


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


def saved_for_the_hub(folder, architecture, config, **options):
    """Save a model for the hub, and load it as timm does."""
    torch.manual_seed(0)
    model = timm.create_model(architecture, pretrained=False, num_classes=0, **options)
    save_for_hf(model, folder, model_args=options, safe_serialization=True)
    written = json.loads((folder / "config.json").read_text())
    written["pretrained_cfg"] = {"num_classes": 0, **config}
    (folder / "config.json").write_text(json.dumps(written))
    return timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()


@pytest.mark.parametrize(
    ("architecture", "config", "options"),
    [
        ("vit_tiny_patch16_224", {}, {"depth": 1}),
        (
            "vit_tiny_patch16_224",
            {"input_size": [3, 384, 384], "fixed_input_size": True, "crop_pct": 1.0},
            {"depth": 1},
        ),
        ("resnet10t", {"input_size": [3, 160, 160], "crop_pct": 0.9, "mean": [0.5, 0.5, 0.5]}, {}),
    ],
)
def test_a_model_of_the_hub_is_fed_as_timm_feeds_it(tmp_path, architecture, config, options):
    if config.get("fixed_input_size"):
        options = {**options, "img_size": 384}
    model = saved_for_the_hub(tmp_path, architecture, config, **options)
    if "img_size" in options:  # it stands in the other part of the file
        written = json.loads((tmp_path / "config.json").read_text())
        del written["model_args"]["img_size"]
        (tmp_path / "config.json").write_text(json.dumps(written))
    wanted = timm.data.resolve_model_data_config(model)
    found = built("hf-hub:owner/model", tmp_path)
    spec = found.spec
    colours = tuple(wanted["mean"]), tuple(wanted["std"])
    assert (spec.mean, spec.std, spec.interpolation) == (*colours, wanted["interpolation"])
    side_px = wanted["input_size"][-1]
    assert (spec.input_size_px, spec.resize_px) == (side_px, int(side_px / wanted["crop_pct"]))
    batch = torch.rand(2, 3, side_px, side_px)
    with torch.inference_mode():
        torch.testing.assert_close(found.network(batch), model(batch), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "options", "pool"),
    [
        ("swin_tiny_patch4_window7_224", {"depths": [1, 1, 1, 1]}, lambda output: output.mean(dim=(1, 2))),
        ("vit_tiny_patch16_224", {"depth": 1, "class_token": False}, lambda output: output.mean(dim=1)),
        ("vit_tiny_patch16_224", {"depth": 1}, lambda output: output[:, 0]),
        ("resnet10t", {}, lambda output: output.mean(dim=(2, 3))),
    ],
)
def test_what_a_model_does_not_pool_is_pooled_by_its_kind(tmp_path, architecture, options, pool):
    model = saved_for_the_hub(tmp_path, architecture, {}, global_pool="", **options)
    found = built("hf-hub:owner/model", tmp_path)
    batch = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        expected = pool(model(batch))
        torch.testing.assert_close(found.network(batch), expected, atol=1e-5, rtol=1e-4)
    assert found.spec.dim == expected.shape[1] == model.num_features


@pytest.mark.parametrize(
    "config",
    [
        {"mean": "grey"},
        {"mean": [0.5]},
        {"std": [0, 0, 0]},
        {"std": [float("nan"), 1, 1]},
        {"crop_pct": "all"},
        {"input_size": 224},
        {"input_size": [1, 224, 224]},
        {"input_size": [3, 224, 256]},
        {"interpolation": "lanczos"},
        {"interpolation": ["bicubic"]},
    ],
    ids=str,
)
def test_pictures_that_cannot_be_made_as_the_configuration_says_are_refused(tmp_path, config):
    model = timm.create_model("resnet10t", pretrained=False, num_classes=0)
    save_for_hf(model, tmp_path, safe_serialization=True)
    written = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**written, "pretrained_cfg": config}))
    with pytest.raises(UsageError, match="hf-hub:owner/model: what its configuration says of pictures cannot be used"):
        built("hf-hub:owner/model", tmp_path)


@pytest.mark.parametrize(
    "options", [{"global_pool": "magic"}, {"features_only": True, "out_indices": [9]}, {"in_chans": 1}]
)
def test_a_model_that_cannot_be_built_or_run_is_a_message_of_one_line(tmp_path, options):
    model = timm.create_model("resnet10t", pretrained=False, num_classes=0, in_chans=options.get("in_chans", 3))
    save_for_hf(model, tmp_path, safe_serialization=True)
    written = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**written, "model_args": options}))
    with pytest.raises(UsageError, match="hf-hub:owner/model") as caught:
        built("hf-hub:owner/model", tmp_path)
    assert "\n" not in str(caught.value)


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
