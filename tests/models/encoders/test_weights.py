import pickle
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub.errors import RevisionNotFoundError
from safetensors.torch import save_file
from torch import nn

from models.encoders import transformers_networks, weights
from models.encoders.build import build_encoder
from models.encoders.registry import ENCODERS, find_encoder
from models.encoders.state_dict import load_weights, read_weights
from models.encoders.weights import find_weights, weights_sha256
from utils.errors import UsageError
from utils.fingerprint import file_sha256

SMALL_PHIKON = replace(
    find_encoder("phikon"),
    options=(("hidden_size", 12), ("num_hidden_layers", 1), ("num_attention_heads", 2), ("intermediate_size", 12)),
)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


PREFIXES = [
    "",
    "module.",
    "backbone.",
    "module.backbone.",
    "_orig_mod.",
    "backbone.module.",
    "model.model.",
    "teacher.backbone.",
]


@pytest.mark.parametrize("prefix", PREFIXES)
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


@pytest.mark.parametrize(
    "keys",
    [("model", "state_dict"), ("teacher", "model"), ("teacher", "state_dict"), ("model_state_dict",), ("net",)],
    ids=str,
)
def test_weights_are_found_however_deep_a_training_program_puts_them(tmp_path, keys):
    inner = expected = small_network().state_dict()
    for key in reversed(keys):
        inner = {key: inner, "epoch": 3}
    torch.save(inner, tmp_path / "w.pt")
    assert read_weights(tmp_path / "w.pt").keys() == expected.keys()


def test_of_two_networks_in_a_file_the_teacher_is_taken_and_that_is_said(tmp_path, caplog):
    one, other = ({"0.weight": torch.full((1,), float(number))} for number in (1, 2))
    torch.save({"student": one, "teacher": other}, tmp_path / "w.pt")
    assert read_weights(tmp_path / "w.pt")["0.weight"] == 2
    assert "the weights of 'teacher' are taken; the file has those of student too" in caplog.text


def test_a_file_without_tensors_says_what_it_has(tmp_path):
    torch.save({"epoch": 1, "weights_of_mine": {"a": torch.zeros(1)}}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="no tensors, but epoch, weights_of_mine"):
        read_weights(tmp_path / "w.pt")
    endless: dict = {}
    endless["model"] = endless
    torch.save(endless, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="no tensors, but model"):
        read_weights(tmp_path / "w.pt")


def test_kinds_of_files_are_told_by_what_is_in_them(tmp_path):
    state = small_network().state_dict()
    save_file(state, tmp_path / "w.bin")
    torch.save(state, tmp_path / "w.safetensors")
    for name in ("w.bin", "w.safetensors"):
        assert read_weights(tmp_path / name).keys() == state.keys()
    (tmp_path / "lfs.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(UsageError, match=r"lfs\.bin are a pointer of Git LFS: fetch the file itself"):
        read_weights(tmp_path / "lfs.bin")


def test_whole_numbers_are_refused_by_networks_of_transformers_too(tmp_path):
    network = transformers_networks.create_transformers(SMALL_PHIKON)
    state = network.state_dict()
    torch.save({**state, "layernorm.weight": state["layernorm.weight"].to(torch.int8)}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=r"another kind of numbers in layernorm\.weight"):
        transformers_networks.load_transformers(SMALL_PHIKON, tmp_path / "w.pt")


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda state: state.update({"0.weight": state["0.weight"].to(torch.int8)}),
            "another kind of numbers in 0.weight",
        ),
        (
            lambda state: state.update({"0.weight": state["0.weight"].to(torch.complex64)}),
            "another kind of numbers in 0.w",
        ),
        (lambda state: state.update({"0.weight": state["0.weight"].to_sparse()}), "sparse"),
        (lambda state: state.update({7: torch.zeros(1)}), "7 is no name"),
    ],
    ids=["int8", "complex", "sparse", "number"],
)
def test_tensors_of_a_strange_kind_are_named(tmp_path, change, said):
    state = dict(small_network().state_dict())
    change(state)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UsageError, match=said):
        load_weights(small_network(), tmp_path / "w.pt")


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


def test_code_among_weights_is_named_without_advice_to_run_it(tmp_path):
    torch.save({"state_dict": Harmful()}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="exec") as caught:
        read_weights(tmp_path / "w.pt")
    assert "weights_only" not in str(caught.value)


def test_the_given_file_wins_over_the_environment_variable(tmp_path, monkeypatch):
    given, by_variable = tmp_path / "given.bin", tmp_path / "variable.bin"
    given.touch()
    by_variable.touch()
    monkeypatch.setenv("UNI_CKPT_PATH", str(by_variable))
    spec = find_encoder("uni_v1")
    assert find_weights(spec, None) == by_variable
    assert find_weights(spec, str(given)) == given


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give every test an empty cache of the hub, no token, and none of the user's variables."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "get_token", lambda: None)
    for spec in ENCODERS.values():
        monkeypatch.delenv(spec.env_var or "NO_VARIABLE", raising=False)
    return tmp_path / "cache"


GATED = [s for s in ENCODERS.values() if s.gated and not s.trust_remote_code]


@pytest.mark.parametrize("spec", GATED, ids=lambda s: s.name)
def test_without_weights_the_user_is_told_what_to_fetch_and_how_to_pass_it(spec):
    with pytest.raises(UsageError) as caught:
        find_weights(spec, None)
    where = f"fetch {spec.hub_file} of https://huggingface.co/{spec.hub_id} (ask for access there)"
    assert all(part in str(caught.value) for part in (spec.name, where, "--encoder_ckpt FILE", spec.env_var))
    assert "\n" not in str(caught.value)


def test_the_hub_is_asked_for_gated_weights_only_by_users_who_are_logged_in(monkeypatch):
    asked = []

    def refused(address, **_options):
        asked.append(address)
        raise OSError("no access")

    monkeypatch.setattr(weights, "get_hf_file_metadata", refused)
    for token in (None, "hf_of_mine"):
        monkeypatch.setattr(weights, "get_token", lambda token=token: token)
        with pytest.raises(UsageError, match="ask for access there"):
            find_weights(find_encoder("uni_v1"), None)
    assert asked == ["https://huggingface.co/MahmoodLab/UNI/resolve/main/pytorch_model.bin"]


def test_a_model_of_the_hub_is_in_the_cache_only_with_its_config(cache):
    snapshot = put_into_cache(cache, "owner/model", "0" * 40, ["model.safetensors"])
    assert weights._cached(find_encoder("hf-hub:owner/model")) is None
    (snapshot / "config.json").touch()
    assert find_weights(find_encoder("hf-hub:owner/model"), None) == snapshot / "model.safetensors"


@pytest.mark.parametrize("name", ["ctranspath", "chief-ctranspath", "retccl", "dinobloom-s"])
def test_weights_that_are_not_on_the_hub_are_said_to_be_elsewhere(name):
    spec = find_encoder(name)
    with pytest.raises(UsageError, match=f"fetch {spec.hub_file} from {spec.source} .*--encoder_ckpt FILE"):
        find_weights(spec, None)


def put_into_cache(cache, hub_id, revision, files):
    """Lay files out as the hub's client does."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots" / revision).mkdir(parents=True)
    for name in files:
        (repository / "snapshots" / revision / name).touch()
    return repository / "snapshots" / revision


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_what_was_fetched_before_serves_without_network_even_where_gated(cache, file):
    snapshot = put_into_cache(cache, "MahmoodLab/UNI2-h", "0" * 40, ["config.json", file])
    assert find_weights(find_encoder("uni_v2"), None) == snapshot / file
    with pytest.raises(UsageError, match="ask for access there"):
        find_weights(find_encoder(f"uni_v2@{'1' * 40}"), None)  # another revision is not there


def test_the_commit_is_recorded_where_it_is_known_and_is_no_part_of_the_name(cache, tmp_path):
    snapshot = put_into_cache(cache, "timm/resnet50.tv_in1k", "0" * 40, [])
    state = timm.create_model("resnet50", features_only=True, out_indices=(3,)).state_dict()
    torch.save(state, tmp_path / "w.bin")
    torch.save(state, snapshot / "pytorch_model.bin")
    cached = build_encoder("resnet50_trunc")
    assert cached.run_facts["revision"] == "0" * 40
    stated = build_encoder(f"resnet50_trunc@{'1' * 40}", checkpoint=str(tmp_path / "w.bin"))
    assert stated.run_facts["revision"] == ""  # nobody can tell
    assert {one.facts["encoder"] for one in (cached, stated)} == {"resnet50_trunc"}


def test_what_could_not_be_had_is_said_with_its_revision_and_who_named_it(cache, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="MahmoodLab/UNI2-h at revision 0abc"):
        find_weights(find_encoder("uni_v2@0abc"), None)
    monkeypatch.setenv("UNI_CKPT_PATH", str(tmp_path / "none.bin"))
    with pytest.raises(UsageError, match=r"none\.bin \(UNI_CKPT_PATH says so\)"):
        find_weights(find_encoder("uni_v1"), None)


def test_a_folder_of_the_hubs_cache_serves_as_its_snapshot(cache, tmp_path):
    snapshot = put_into_cache(cache, "MahmoodLab/UNI2-h", "0" * 40, ["pytorch_model.bin"])
    repository, spec = snapshot.parent.parent, find_encoder("uni_v2")
    for folder in (repository, snapshot.parent, snapshot):
        assert find_weights(spec, str(folder)) == snapshot / "pytorch_model.bin"
    other = snapshot.with_name("1" * 40)
    other.mkdir()
    (other / "pytorch_model.bin").touch()
    assert find_weights(spec, str(repository)) == snapshot / "pytorch_model.bin"  # refs/main
    assert find_weights(find_encoder(f"uni_v2@{'1' * 40}"), str(repository)) == other / "pytorch_model.bin"


def test_parts_in_files_of_torch_are_found_in_their_folder(tmp_path):
    index = tmp_path / "pytorch_model.bin.index.json"
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({"b": torch.zeros(1)}, tmp_path / "pytorch_model-00002-of-00002.bin")
    index.write_text(
        '{"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}}'
    )
    assert find_weights(find_encoder("uni_v2"), str(tmp_path)) == index
    assert read_weights(index).keys() == {"a", "b"}


def test_a_revision_that_the_hub_has_not_is_named(monkeypatch):
    def no_revision(address, **_options):
        raise RevisionNotFoundError("404", response=SimpleNamespace(headers={}, request=address))

    monkeypatch.setattr(weights, "get_hf_file_metadata", no_revision)
    monkeypatch.setattr(weights, "get_token", lambda: "hf_of_mine")
    with pytest.raises(UsageError, match=r"MahmoodLab/UNI2-h has no revision deadbeef$"):
        find_weights(find_encoder("uni_v2@deadbeef"), None)


def test_a_file_of_another_commit_than_the_stated_one_is_refused(cache):
    snapshot = put_into_cache(cache, "MahmoodLab/UNI2-h", "0" * 40, ["pytorch_model.bin"])
    file = snapshot / "pytorch_model.bin"
    for given in (file, snapshot, snapshot.parent):
        assert find_weights(find_encoder("uni_v2@0000000"), str(given)) == file
        with pytest.raises(UsageError, match=r"is of commit 0{40}: say that one"):
            find_weights(find_encoder(f"uni_v2@{'1' * 40}"), str(given))


def test_the_model_that_conch_v15_is_a_part_of_does_not_count_as_its_weights(cache):
    name = f"conch_v15@{'0' * 40}"
    snapshot = put_into_cache(cache, "MahmoodLab/TITAN", "0" * 40, ["config.json", "model.safetensors"])
    with pytest.raises(UsageError, match="ask for access there"):
        find_weights(find_encoder(name), None)
    (snapshot / "conch_v1_5_pytorch_model.bin").touch()
    assert find_weights(find_encoder(name), None) == snapshot / "conch_v1_5_pytorch_model.bin"


def test_weights_come_after_the_code_that_they_need_so_that_an_interrupted_download_goes_on(cache, monkeypatch):
    def interrupted(hub_id, *, ignore_patterns, **_options):
        assert ignore_patterns == "model.safetensors"
        raise OSError("interrupted")

    monkeypatch.setattr(weights, "get_hf_file_metadata", lambda *args, **options: None)
    monkeypatch.setattr(weights, "snapshot_download", interrupted)
    monkeypatch.setattr(weights, "hf_hub_download", lambda *args, **options: pytest.fail("fetched first"))
    monkeypatch.setattr(weights, "_cached", lambda spec: None)
    with pytest.raises(UsageError, match=r"cannot be fetched here .*--encoder_ckpt FOLDER"):
        find_weights(find_encoder(f"genbio-pathfm@{'0' * 40}"), None)


def test_parts_in_the_cache_count_only_when_all_are_there(cache):
    index = "model.safetensors.index.json"
    snapshot = put_into_cache(cache, "google/gemma-4-26B-A4B", "0" * 40, ["a.safetensors"])
    (snapshot / index).write_text('{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}')
    assert weights._cached(find_encoder("gemma4-26b")) is None
    (snapshot / "b.safetensors").touch()
    assert find_weights(find_encoder("gemma4-26b"), None) == snapshot / index


def test_a_folder_of_the_hub_serves_as_weights_and_its_only_file_is_found_under_any_name(tmp_path):
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").touch()
    with pytest.raises(UsageError, match=r"files of weights in .*hub: none; fetch"):
        find_weights(find_encoder("uni_v1"), str(tmp_path / "hub"))
    (tmp_path / "hub" / "mine.pth").touch()
    assert find_weights(find_encoder("uni_v1"), str(tmp_path / "hub")) == tmp_path / "hub" / "mine.pth"
    (tmp_path / "hub" / "other.pth").touch()
    with pytest.raises(UsageError, match=r"several \(mine.pth, other.pth\): pass one"):
        find_weights(find_encoder("uni_v1"), str(tmp_path / "hub"))
    (tmp_path / "hub" / "pytorch_model.bin").touch()
    assert find_weights(find_encoder("uni_v1"), str(tmp_path / "hub")).name == "pytorch_model.bin"


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"uni_v1: no file of weights nowhere/uni\.bin; fetch pytorch_model\.bin"):
        find_weights(find_encoder("uni_v1"), "nowhere/uni.bin")


def test_a_hash_of_weights_covers_every_file_and_of_one_file_is_its_own(tmp_path):
    one, two = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    one.write_bytes(b"1")
    assert weights_sha256(one) == weights_sha256(tmp_path) == file_sha256(one)
    two.write_bytes(b"2")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}}')
    both = weights_sha256(index)
    assert both == weights_sha256(tmp_path)
    two.write_bytes(b"3")
    assert weights_sha256(index) != both


def test_without_network_the_hub_is_asked_once_and_the_file_is_named(monkeypatch):
    asked = []

    def no_network(*args, **kwargs):
        asked.append(kwargs["timeout"])
        raise OSError("no network")

    monkeypatch.setattr(weights, "get_hf_file_metadata", no_network)
    with pytest.raises(UsageError, match=r"model\.safetensors of https://huggingface\.co/timm/resnet50\.tv_in1k"):
        build_encoder("resnet50_trunc")
    assert len(asked) == 1 and asked[0] <= 10


def test_a_whole_classifier_serves_as_the_truncated_network(tmp_path):
    torch.manual_seed(0)
    whole = timm.create_model("resnet50", pretrained=False).eval()
    torch.save(whole.state_dict(), tmp_path / "resnet50.pth")
    encoder = build_encoder("resnet50_trunc", checkpoint=str(tmp_path / "resnet50.pth"), target_patch_size=-1)
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
