"""Encoders whose code lies in packages of their own, with stand-ins that have the interface of the real ones."""

import json
import sys

import pytest
import torch

from models.encoders.build import build_encoder
from models.encoders.network import build_network
from models.encoders.registry import find_encoder
from models.encoders.weights import find_weights
from utils.errors import UsageError

CONCH = """
import torch
from torch import nn

class Visual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.trunk = nn.Conv2d(3, width, 16, 16)
        self.proj_contrast = nn.Parameter(torch.eye(width))

class CoCa(nn.Module):
    def __init__(self, embed_dim, vision_cfg, text_cfg):
        super().__init__()
        self.visual, self.text = Visual(embed_dim), nn.Embedding(text_cfg["vocab_size"], embed_dim)
        self.text_decoder = nn.Linear(embed_dim, embed_dim)
        self.logit_scale = nn.Parameter(torch.ones([]))

    def encode_image(self, images, normalize=True, proj_contrast=True):
        features = self.visual.trunk(images).mean(dim=(2, 3))
        if proj_contrast:
            features = features @ self.visual.proj_contrast
        return nn.functional.normalize(features, dim=-1) if normalize else features
"""

MUSK = """
import torch
from timm.models import register_model
from torch import nn

class MUSK(nn.Module):
    def __init__(self):
        super().__init__()
        self.beit3, self.vision_head = nn.Conv2d(3, 1024, 16, 16), nn.Linear(1024, 1024, bias=False)

    def forward(self, image=None, return_global=True, with_head=True, out_norm=True, ms_aug=False):
        assert return_global and not out_norm and not self.training
        features = self.beit3(image).mean(dim=(2, 3))
        if ms_aug:
            features = torch.cat((features, self.beit3(image[..., ::2, ::2]).mean(dim=(2, 3))), dim=-1)
        return self.vision_head(features) if with_head else features, None

@register_model
def musk_large_patch16_384(pretrained=False, **kwargs):
    return MUSK()
"""


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Put stand-ins of conch and musk where Python finds them, and forget them afterwards."""
    package = tmp_path / "packages" / "conch" / "open_clip_custom"
    (package / "model_configs").mkdir(parents=True)
    (package / "__init__.py").write_text(CONCH)
    config = {"embed_dim": 512, "vision_cfg": {}, "text_cfg": {"vocab_size": 9}, "custom_text": True}
    (package / "model_configs" / "conch_ViT-B-16.json").write_text(json.dumps(config))
    (tmp_path / "packages" / "musk").mkdir()
    (tmp_path / "packages" / "musk" / "modeling.py").write_text(MUSK)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("conch", "musk")]:
        del sys.modules[name]


@pytest.fixture
def conch_file(packages, tmp_path):
    from conch.open_clip_custom import CoCa

    torch.manual_seed(0)
    whole = CoCa(512, {}, {"vocab_size": 9})
    torch.nn.init.normal_(whole.visual.proj_contrast)
    torch.save(whole.state_dict(), tmp_path / "pytorch_model.bin")
    return whole, tmp_path / "pytorch_model.bin"


@pytest.mark.parametrize("name", ["conch_v1", "conch_v1-448", "conch_v1-proj"])
def test_conch_gives_features_before_or_after_the_projection_as_its_name_says(conch_file, name):
    whole, path = conch_file
    batch = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = build_network(find_encoder(name), path).network(batch)
        expected = whole.encode_image(batch, proj_contrast=name == "conch_v1-proj", normalize=False)
    torch.testing.assert_close(features, expected)


def test_weights_that_conch_itself_would_skip_in_silence_are_named(conch_file):
    whole, path = conch_file
    state = whole.state_dict()
    state["visual.trunk.wieght"] = state.pop("visual.trunk.weight")
    torch.save(state, path)
    with pytest.raises(UsageError, match=r"lack visual\.trunk\.weight; have unknown visual\.trunk\.wieght"):
        build_network(find_encoder("conch_v1"), path)


@pytest.mark.filterwarnings("ignore:Overwriting musk")  # in timm's registry, by the stand-in of each test
@pytest.mark.parametrize("name", ["musk", "musk-ms_aug", "musk-head"])
def test_musk_runs_with_head_and_scales_as_its_name_says(packages, tmp_path, name):
    import musk.modeling
    from safetensors.torch import save_file

    whole = musk.modeling.MUSK().eval()
    save_file(whole.state_dict(), tmp_path / "model.safetensors")
    spec, batch = find_encoder(name), torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = build_network(spec, find_weights(spec, str(tmp_path))).network(batch)
        expected, _ = whole(batch, out_norm=False, with_head=name == "musk-head", ms_aug=name == "musk-ms_aug")
    assert features.shape == (2, spec.dim)
    torch.testing.assert_close(features, expected)


@pytest.mark.parametrize(
    ("name", "package", "install"),
    [
        ("conch_v1", "conch", "pip install git+https://github.com/mahmoodlab/CONCH"),
        ("musk", "musk", "pip install fairscale git+https://github.com/lilab-stanford/MUSK"),
        ("phikon", "transformers", "pip install transformers>=5.10"),
        ("quiltnet-b-32", "open_clip", "pip install open_clip_torch"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(tmp_path, monkeypatch, name, package, install):
    torch.save({}, tmp_path / "w.bin")
    for module in [package, *(m for m in sys.modules if m.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"{name} needs the package {package}: ") as caught:
        build_network(find_encoder(name), tmp_path / "w.bin")
    assert str(caught.value).endswith(install)


@pytest.mark.parametrize(
    ("name", "said"),
    [("genbio-pathfm@" + "0" * 40, "--trust_remote_code"), ("ticon", "is not built here"), ("musk", "package musk")],
)
def test_what_cannot_be_built_is_said_before_weights_are_asked_for(monkeypatch, name, said):
    monkeypatch.setattr("models.encoders.weights.find_weights", lambda *args: pytest.fail("asked for weights"))
    monkeypatch.setitem(sys.modules, "musk", None)
    with pytest.raises(UsageError, match=said):
        build_encoder(name)


def test_a_package_that_a_package_needs_is_named(packages, tmp_path):
    (tmp_path / "packages/musk/modeling.py").write_text("import fairscale_that_is_not_there")
    with pytest.raises(UsageError, match="its package musk needs fairscale_that_is_not_there: pip install fairscale_"):
        build_encoder("musk")


@pytest.mark.parametrize("code", ["from transformers import gone", "import musk.gone"])
def test_a_package_of_another_version_is_not_said_to_be_missing(packages, tmp_path, code):
    (tmp_path / "packages/musk/modeling.py").write_text(code)
    with pytest.raises(
        UsageError, match=r"musk: its package musk is another version than it takes, pip install .*gone"
    ):
        build_encoder("musk")


def test_an_encoder_that_is_not_built_here_says_where_its_code_is(tmp_path):
    torch.save({}, tmp_path / "w.bin")
    with pytest.raises(UsageError, match=r"ticon is not built here.*github\.com/cvlab-stonybrook/TICON"):
        build_encoder("ticon", checkpoint=str(tmp_path / "w.bin"))
