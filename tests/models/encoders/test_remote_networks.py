"""Encoders whose code comes from the hub, with stand-ins of its folders."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from models.encoders.network import build_network
from models.encoders.registry import ENCODERS, find_encoder
from models.encoders.weights import find_weights
from utils.errors import UsageError

REMOTE = """
import torch
from huggingface_hub import hf_hub_download
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

class TinyConfig(PretrainedConfig):
    model_type = "tiny_encoder"
    width = 8

class TinyModel(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Conv2d(3, config.width, 16, 16)
        self.post_init()

    def forward(self, batch):
        return self.embed(batch).mean(dim=(2, 3))

    def return_conch(self):
        return self.embed, None

    def return_downloaded(self):
        self.embed.load_state_dict(torch.load(hf_hub_download("MahmoodLab/TITAN", filename="part.bin")))
        return self.embed, None
"""


@pytest.fixture
def hub_folder(tmp_path):
    """Make a folder as the hub gives it, with code beside the weights."""
    from safetensors.torch import save_file

    folder = tmp_path / "hub"
    folder.mkdir()
    config = {
        "architectures": ["TinyModel"],
        "model_type": "tiny_encoder",
        "auto_map": {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_tiny.py").write_text(REMOTE)
    torch.manual_seed(0)
    embed = torch.nn.Conv2d(3, 8, 16, 16)
    save_file({f"embed.{n}": t for n, t in embed.state_dict().items()}, folder / "model.safetensors", {"format": "pt"})
    return embed, folder


def test_code_of_the_hub_does_not_run_unless_the_user_says_so(hub_folder):
    _, folder = hub_folder
    (folder / "modeling_tiny.py").write_text("raise SystemExit('code of the hub ran')")
    spec = find_encoder("genbio-pathfm@0abc")
    with pytest.raises(UsageError, match=r"genbio-ai/genbio-pathfm at revision 0abc: .*--trust_remote_code"):
        build_network(spec, find_weights(spec, str(folder)))


def test_trusted_code_of_the_hub_builds_the_network(hub_folder, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    embed, folder = hub_folder
    spec, batch = find_encoder("genbio-pathfm"), torch.rand(2, 3, 64, 64)
    network = build_network(spec, find_weights(spec, str(folder)), trust_remote_code=True).network
    with torch.inference_mode():
        torch.testing.assert_close(network(batch), embed(batch).mean(dim=(2, 3)))
    part = build_network(
        replace(spec, architecture="return_conch"), folder / "model.safetensors", trust_remote_code=True
    )
    assert isinstance(part.network.body, torch.nn.Conv2d)


@pytest.fixture
def modules(monkeypatch, tmp_path):
    """Keep the code of hub folders in this test."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


def build_trusted(spec, path):
    return build_network(spec, find_weights(spec, str(path)), trust_remote_code=True).network


def test_code_of_the_hub_gets_every_number_from_the_file_or_is_refused(hub_folder, modules):
    from safetensors.torch import save_file

    _, folder = hub_folder
    save_file({"embed.weight": torch.zeros(8, 3, 16, 16), "foo": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"lack embed\.bias; have unknown foo"):
        build_trusted(find_encoder("genbio-pathfm"), folder)


def test_of_several_files_of_weights_the_one_that_is_named_is_loaded(hub_folder, modules):
    embed, folder = hub_folder
    zeros = {f"embed.{name}": torch.zeros_like(tensor) for name, tensor in embed.state_dict().items()}
    torch.save(zeros, folder / "model.pth")
    network = build_trusted(find_encoder("genbio-pathfm"), folder / "model.pth")
    assert not network(torch.rand(2, 3, 64, 64)).any()


@pytest.mark.parametrize("reference", ["evil/repo--modeling_tiny.TinyModel", ["evil/repo--modeling_tiny.TinyModel"]])
def test_trust_in_one_repository_runs_no_code_of_another(hub_folder, modules, reference):
    _, folder = hub_folder
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"]["AutoModel"] = reference
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"config\.json names code of another repository .*evil/repo"):
        build_trusted(find_encoder("genbio-pathfm"), folder)


@pytest.mark.parametrize("module", ["huggingface_hub", "huggingface_hub.file_download"])
def test_what_the_code_asks_of_the_hub_comes_from_the_folder(hub_folder, modules, module, tmp_path):
    import huggingface_hub

    embed, folder = hub_folder
    code = REMOTE.replace("huggingface_hub import hf_hub_download", f"{module} import hf_hub_download as fetch")
    code = code.replace("hf_hub_download(", "fetch(")
    (folder / "modeling_tiny.py").write_text(code)
    spec = replace(find_encoder("conch_v15"), architecture="return_downloaded", hub_file="part.bin", pooling="gap")
    with pytest.raises(UsageError, match=r"conch_v15: fetch part\.bin of .*MahmoodLab/TITAN into "):
        build_trusted(spec, folder)
    torch.save(embed.state_dict(), folder / "part.bin")
    shutil.copytree(folder, tmp_path / "other" / folder.name)
    torch.save({name: tensor * 0 for name, tensor in embed.state_dict().items()}, folder / "part.bin")
    for place, share in ((folder, 0), (tmp_path / "other" / folder.name, 1)):  # the second time the code is there
        network = build_trusted(spec, place).body
        torch.testing.assert_close(network.weight, embed.weight * share)
    assert "from_folder" not in huggingface_hub.hf_hub_download.__name__
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
    (folder / "modeling_tiny.py").write_text(code.replace("MahmoodLab/TITAN", "evil/repo"))
    with pytest.raises(UsageError, match=r"asks for part\.bin of .*evil/repo, at no stated revision"):
        build_trusted(spec, folder)


@pytest.mark.parametrize(
    ("file", "entries"),
    [
        ("config.json", {"vision_config": {"auto_map": {"AutoModel": "evil/repo--modeling_tiny.TinyModel"}}}),
        ("config.5.0.0.json", {"auto_map": {"AutoConfig": "evil/repo--modeling_tiny.TinyConfig"}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil/repo--tokens.Tiny", None]}}),
    ],
)
def test_other_configurations_name_no_code_of_another_repository_either(hub_folder, modules, file, entries):
    _, folder = hub_folder
    config = json.loads((folder / "config.json").read_text()) | {"configuration_files": ["config.5.0.0.json"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / file).write_text(json.dumps(config | entries))
    with pytest.raises(UsageError, match=rf"{file} names code of another repository .*evil/repo"):
        build_trusted(find_encoder("genbio-pathfm"), folder)


TITAN = """
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

class TinyConfig(PretrainedConfig):
    model_type = "tiny_titan"

class TinyModel(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.slide_encoder = nn.Linear(8, 8)
        self.tokens = len(PreTrainedTokenizerFast.from_pretrained("MahmoodLab/TITAN"))
        self.post_init()

    def return_conch(self):
        from huggingface_hub import hf_hub_download
        conch = nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        path = hf_hub_download("MahmoodLab/TITAN", filename="conch_v1_5_pytorch_model.bin")
        conch.load_state_dict(torch.load(path), strict=False)
        return conch, None
"""


@pytest.fixture
def titan_folder(hub_folder):
    """Make a folder like that of TITAN, whose model.safetensors is a slide encoder."""
    from tokenizers import Tokenizer, models

    embed, folder = hub_folder
    (folder / "modeling_tiny.py").write_text(TITAN)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.save({f"0.{name}": tensor for name, tensor in embed.state_dict().items()}, folder / CONCH_V15_FILE)
    return embed, folder


CONCH_V15_FILE = "conch_v1_5_pytorch_model.bin"


def test_conch_v15_is_made_of_its_own_file_in_the_folder_and_asks_no_network(titan_folder, modules, monkeypatch):
    embed, folder = titan_folder
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail("asked the network"))
    spec, batch = find_encoder("conch_v15"), torch.rand(2, 3, 64, 64)
    assert find_weights(spec, str(folder)) == folder / CONCH_V15_FILE
    with torch.inference_mode():
        torch.testing.assert_close(build_trusted(spec, folder)(batch), embed(batch).mean(dim=(2, 3)))
    (folder / CONCH_V15_FILE).unlink()
    with pytest.raises(UsageError, match=rf"conch_v15: fetch {CONCH_V15_FILE} of .*MahmoodLab/TITAN into "):
        build_trusted(spec, folder)


def test_a_file_that_the_code_itself_has_read_is_held_against_the_network_too(titan_folder, modules):
    _, folder = titan_folder
    torch.save({"0.weight": torch.zeros(8, 3, 16, 16)}, folder / CONCH_V15_FILE)
    with pytest.raises(UsageError, match=rf"{CONCH_V15_FILE} do not fit the encoder: they lack 0\.bias"):
        build_trusted(find_encoder("conch_v15"), folder)


MADE_OF_TRANSFORMERS = """
import torch
from torch import nn
from transformers import Dinov2Config, Dinov2Model, PretrainedConfig, PreTrainedModel

class TinyConfig(PretrainedConfig):
    model_type = "tiny_encoder"

class TinyModel(PreTrainedModel):
    config_class = TinyConfig
    _tied_weights_keys = {"twin.weight": "norm.weight"}
    _keys_to_ignore_on_load_missing = ["norm"]

    def __init__(self, config):
        super().__init__(config)
        sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16)
        self.backbone = Dinov2Model(Dinov2Config(**sizes, use_swiglu_ffn=True))
        self.norm, self.twin = nn.LayerNorm(8), nn.LayerNorm(8)
        self.twin.weight = self.norm.weight
        self.register_buffer("scale", torch.tensor(2.0), persistent=False)
        self.post_init()

    def forward(self, batch):
        return self.twin(self.norm(self.backbone(batch).pooler_output)) * self.scale
"""
PUBLISHED_NAMES = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.down_proj": "mlp.weights_out",
}


def as_published(state):
    renamed = {}
    for name, tensor in state.items():
        for new, old in PUBLISHED_NAMES.items():
            name = name.replace(new, old)
        renamed[name] = tensor
    for kind in ("weight", "bias"):
        gates = [f"backbone.layers.0.mlp.{part}.{kind}" for part in ("gate_proj", "up_proj")]
        gates = gates if gates[0] in renamed else [name.replace("layers", "encoder.layer") for name in gates]
        both = torch.cat([renamed.pop(name) for name in gates])
        renamed[gates[0].replace("gate_proj", "weights_in")] = both
    return renamed


@pytest.fixture
def made_of_transformers(hub_folder, modules):
    """Make a folder whose code builds upon a network of transformers, and return the network with its numbers."""
    from transformers import AutoConfig, AutoModel

    _, folder = hub_folder
    (folder / "modeling_tiny.py").write_text(MADE_OF_TRANSFORMERS)
    (folder / "model.safetensors").unlink()
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    network = AutoModel.from_config(config, trust_remote_code=True).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network, folder


def as_saved_by_a_wrapper(state):
    return {f"module.{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize("saved_by", [dict, as_saved_by_a_wrapper, as_published])
def test_tied_and_renamed_weights_and_buffers_of_no_file_are_as_the_code_has_them(
    made_of_transformers, saved_by, capfd
):
    network, folder = made_of_transformers
    state = saved_by({name: tensor for name, tensor in network.state_dict().items() if name != "twin.weight"})
    torch.save(state, folder / "model.pth")
    batch = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        features = build_trusted(replace(find_encoder("genbio-pathfm"), pooling="embedding"), folder)(batch)
        torch.testing.assert_close(features, network(batch))
    assert "REPORT" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["norm.bias", "backbone.layernorm.weight"])
def test_what_is_lacking_among_renamed_weights_is_named_though_the_code_allows_it(made_of_transformers, name, capfd):
    network, folder = made_of_transformers
    state = as_published(network.state_dict())
    del state[name]
    torch.save(state, folder / "model.pth")
    with pytest.raises(UsageError, match=rf"model\.pth do not fit the encoder: they lack {name}$"):
        build_trusted(find_encoder("genbio-pathfm"), folder)
    assert "REPORT" not in capfd.readouterr().err


@pytest.mark.parametrize("revision", ["main", "0abc", "v1"])
def test_a_name_that_may_move_is_no_revision(revision):
    with pytest.raises(UsageError, match=r"@COMMIT, or .*COMMIT is the 40 digits of one of .*/commits/main"):
        find_weights(find_encoder(f"genbio-pathfm@{revision}"), None)


def test_trusted_code_that_fails_is_a_message_of_one_line(hub_folder, monkeypatch, tmp_path):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    _, folder = hub_folder
    (folder / "modeling_tiny.py").write_text("import transformers.onnx_that_is_no_more")
    spec = find_encoder("conch_v15")
    with pytest.raises(UsageError, match=r"conch_v15: the code in .*pip install transformers>=5.10 einops") as caught:
        build_network(spec, find_weights(spec, str(folder)), trust_remote_code=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [s.name for s in ENCODERS.values() if s.trust_remote_code])
def test_code_of_the_hub_is_fetched_at_a_stated_revision_only(name):
    with pytest.raises(UsageError, match=f"--model_name {name}@COMMIT, or .*--encoder_ckpt FOLDER"):
        find_weights(find_encoder(name), None)
