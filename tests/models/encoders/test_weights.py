import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from models.encoders import weights
from models.encoders.build import build_encoder
from models.encoders.registry import find_encoder
from models.encoders.state_dict import load_weights, read_weights
from models.encoders.weights import find_weights
from utils.errors import UsageError


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
@pytest.mark.parametrize("ending", [".pt", ".pth", ".bin", ".safetensors"])
def test_weights_load_from_every_kind_of_file_as_float32(tmp_path, prefix, ending):
    expected, path = small_network().state_dict(), tmp_path / f"weights{ending}"
    state = {prefix + name: t.half() if t.ndim == 4 else t for name, t in expected.items()}
    if ending == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state}, path)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    load_weights(network, path)
    assert network[0].weight.dtype == torch.float32
    torch.testing.assert_close(network[0].weight.data, expected["0.weight"], atol=1e-3, rtol=0)


def test_what_does_not_fit_is_named_in_one_line(tmp_path):
    state = small_network().state_dict()
    del state["0.bias"]
    state["head.weight"] = torch.zeros(1)
    state["1.weight"] = torch.zeros(7)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UsageError) as caught:
        load_weights(small_network(), tmp_path / "w.pt")
    text = str(caught.value)
    assert "\n" not in text and str(tmp_path / "w.pt") in text
    assert all(part in text for part in ("lack 0.bias", "unknown head.weight", "another shape of 1.weight"))


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('run by unpickling')",))


@pytest.mark.parametrize(
    "content",
    [b"", b"slide_id\na\n", b"\x80\x02garbage", pickle.dumps(Harmful(), 2), pickle.dumps([1, 2], 2)],
    ids=["empty", "csv", "garbage", "code", "list"],
)
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_a_file_that_is_no_weights_is_refused_and_never_run(tmp_path, content, ending):
    path = tmp_path / f"w{ending}"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="damaged or hold more than tensors"):
        read_weights(path)


def test_the_given_file_wins_over_the_environment_variable(tmp_path, monkeypatch):
    given, by_variable = tmp_path / "given.bin", tmp_path / "variable.bin"
    given.touch()
    by_variable.touch()
    monkeypatch.setenv("UNI_CKPT_PATH", str(by_variable))
    spec = find_encoder("uni_v1")
    assert find_weights(spec, None) == by_variable
    assert find_weights(spec, str(given)) == given


@pytest.mark.parametrize(("name", "variable"), [("uni_v1", "UNI_CKPT_PATH"), ("conch_v1", "CONCH_CKPT_PATH")])
def test_without_weights_the_user_is_told_what_to_fetch_and_how_to_pass_it(name, variable, monkeypatch):
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UsageError) as caught:
        build_encoder(name)
    text = str(caught.value)
    assert all(part in text for part in ("pytorch_model.bin", find_encoder(name).hub_id, "--encoder_ckpt", variable))


def test_without_network_the_hub_is_asked_once_and_the_file_is_named(monkeypatch):
    asked = []

    def not_cached(*args, **kwargs):
        raise weights.LocalEntryNotFoundError("not cached")

    def no_network(*args, **kwargs):
        asked.append(kwargs["timeout"])
        raise OSError("no network")

    monkeypatch.setattr(weights, "hf_hub_download", not_cached)
    monkeypatch.setattr(weights, "get_hf_file_metadata", no_network)
    with pytest.raises(UsageError, match=r"model\.safetensors of https://huggingface\.co/timm/resnet50\.tv_in1k"):
        build_encoder("resnet50_trunc")
    assert len(asked) == 1 and asked[0] <= 10


def test_a_whole_classifier_serves_as_the_truncated_network(tmp_path):
    torch.manual_seed(0)
    whole = timm.create_model("resnet50", pretrained=False).eval()
    torch.save(whole.state_dict(), tmp_path / "resnet50.pth")
    encoder = build_encoder("resnet50_trunc", checkpoint=str(tmp_path / "resnet50.pth"))
    batch = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    features = encoder.encode(batch)
    assert features.shape == (2, 1024) and features.dtype == torch.float32
    mean, std = torch.tensor(encoder.spec.mean), torch.tensor(encoder.spec.std)
    x = ((batch / 255 - mean) / std).permute(0, 3, 1, 2)
    up_to_layer3 = nn.Sequential(*list(whole.children())[:-3])  # without layer4, pooling and classifier
    with torch.inference_mode():
        maps = up_to_layer3(x)
    torch.testing.assert_close(features, maps.mean(dim=(2, 3)), atol=1e-4, rtol=1e-4)


def test_other_weights_change_the_fingerprint(tmp_path):
    prints = set()
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = timm.create_model("resnet50", pretrained=False, features_only=True, out_indices=(3,)).state_dict()
        torch.save(state, tmp_path / f"{seed}.pt")
        prints.add(build_encoder("resnet50_trunc", checkpoint=str(tmp_path / f"{seed}.pt")).fingerprint)
    prints.add(build_encoder("resnet50_trunc", checkpoint=str(tmp_path / "1.pt"), target_patch_size=-1).fingerprint)
    assert len(prints) == 3
