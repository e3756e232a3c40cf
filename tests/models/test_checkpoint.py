"""Checkpoints: ours, those of the original and of its earlier releases, and files that are none."""

import pickle
import random
from dataclasses import replace

import pytest
import torch

from models.builder import ModelSettings, build_model
from models.checkpoint import load_model, read_checkpoint, save_checkpoint, settings_of
from models.checkpoint_facts import write_checkpoint_facts
from models.losses import SmoothTop1SVM
from utils.errors import UsageError

ALL = [
    ModelSettings("clam_sb", 6, 2),
    ModelSettings("clam_sb", 6, 3, model_size="big", gate=False),
    ModelSettings("clam_mb", 6, 3, model_size="big"),
    ModelSettings("mil", 6, 2),
    ModelSettings("mil", 6, 4),
]


def renamed(state: dict, old: str, new: str) -> dict:
    return {name.replace(old, new, 1) if name.startswith(old) else name: tensor for name, tensor in state.items()}


def written(path, state):
    torch.save(state, path)
    return path


@pytest.mark.parametrize("settings", ALL)
def test_a_model_comes_back_as_it_was(tmp_path, settings):
    model = build_model(settings).eval()
    save_checkpoint(tmp_path / "c.pt", model)
    bag = torch.rand(9, 6)
    assert torch.equal(load_model(tmp_path / "c.pt")(bag).logits, model(bag).logits)


@pytest.mark.parametrize("settings", ALL)
def test_the_settings_are_read_off_the_parameters(settings):
    found = settings_of(build_model(settings).state_dict())
    assert found == settings


@pytest.mark.parametrize("settings", ALL)
def test_models_saved_from_several_gpus_load(tmp_path, settings):
    state = build_model(settings).state_dict()
    by_part = {name.replace(".", ".module.", 1): tensor for name, tensor in state.items()}
    whole = {f"module.{name}": tensor for name, tensor in state.items()}
    for saved in (by_part, whole):
        assert set(read_checkpoint(written(tmp_path / "c.pt", saved))) == set(state)


@pytest.mark.parametrize("settings", ALL[:3])
def test_attention_at_its_former_place_loads(tmp_path, settings):
    state = build_model(settings).state_dict()
    old = renamed({**state}, "attention_net.3.", "attention_net.2.")
    assert old.keys() != state.keys()
    assert set(read_checkpoint(written(tmp_path / "c.pt", old))) == set(state)


def test_one_classifier_a_class_becomes_one_layer(tmp_path):
    state = build_model(ModelSettings("mil", 6, 12)).state_dict()
    old = {name: tensor for name, tensor in state.items() if name.startswith("fc.")}
    for number in range(12):  # more than ten: 10 comes after 9, not after 1
        for part in ("weight", "bias"):
            old[f"classifiers.{number}.{part}"] = state[f"classifiers.{part}"][number : number + 1]
    read = read_checkpoint(written(tmp_path / "c.pt", old))
    assert all(torch.equal(read[name], state[name]) for name in state)


def test_two_class_mil_of_earlier_releases_loads(tmp_path):
    state = build_model(ModelSettings("mil", 6, 2)).state_dict()
    old = {name.replace("classifier.3.", "classifier.2."): tensor for name, tensor in state.items()}
    assert set(old) != set(state)
    assert set(load_model(written(tmp_path / "c.pt", old)).state_dict()) == set(state)


def test_a_stateful_instance_loss_is_left_out(tmp_path):
    state = build_model(ALL[0]).state_dict()
    read = read_checkpoint(written(tmp_path / "c.pt", {**state, "instance_loss_fn.labels": torch.zeros(2)}))
    assert set(read) == set(state)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"embed_dim": 1024}, "embed_dim is 6, not 1024"),
        ({"n_classes": 3}, "n_classes is 2, not 3"),
        ({"model_type": "clam_mb"}, "model_type is clam_sb, not clam_mb"),
        ({"model_size": "big"}, "model_size is small, not big"),
    ],
)
def test_another_model_than_expected_is_named(tmp_path, expected, message):
    save_checkpoint(tmp_path / "c.pt", build_model(ALL[0]))
    with pytest.raises(UsageError, match=f"c.pt.*{message}"):
        load_model(tmp_path / "c.pt", **expected)


CLUSTERING = ModelSettings("clam_sb", 6, 2, drop_out=0, subtyping=True, k_sample=3, inst_loss="svm", gate=False)


def test_what_parameters_do_not_show_is_taken_from_the_configuration(tmp_path):
    """Without drop-out, attention without a gate has its last layer in another place."""
    save_checkpoint(tmp_path / "c.pt", build_model(CLUSTERING))
    write_checkpoint_facts(tmp_path / "c.pt", {}, 6, model=CLUSTERING)
    model = load_model(tmp_path / "c.pt")
    assert (model.k_sample, model.subtyping) == (3, True)
    assert isinstance(model.instance_loss_fn, SmoothTop1SVM)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"n_classes": 3}, "n_classes is 2, c.json says 3"),
        ({"model_type": "clam_mb"}, "model_type is clam_sb, c.json says clam_mb"),
        ({"model_size": "big"}, "model_size is small, c.json says big"),
        ({"gate": False}, "gate is True, c.json says False"),
    ],
)
def test_a_configuration_of_another_model_is_refused(tmp_path, said, message):
    save_checkpoint(tmp_path / "c.pt", build_model(ALL[0]))
    write_checkpoint_facts(tmp_path / "c.pt", {}, 6, model=replace(ALL[0], **said))
    with pytest.raises(UsageError, match=f"c.pt: {message}"):
        load_model(tmp_path / "c.pt")


@pytest.mark.parametrize("said", [{"drop_out": 5.0}, {"inst_loss": "mse"}])
def test_a_configuration_that_nothing_can_be_built_from_is_refused(tmp_path, said):
    save_checkpoint(tmp_path / "c.pt", build_model(ALL[0]))
    write_checkpoint_facts(tmp_path / "c.pt", {}, 6, model=replace(ALL[0], **said))
    with pytest.raises(UsageError, match=r"checkpoint .*c\.pt: .*(5\.0|mse)"):
        load_model(tmp_path / "c.pt")


def test_features_of_another_length_in_an_older_configuration_are_refused(tmp_path):
    save_checkpoint(tmp_path / "c.pt", build_model(ALL[0]))
    write_checkpoint_facts(tmp_path / "c.pt", {}, 8)
    with pytest.raises(UsageError, match=r"c\.pt: embed_dim is 6, c\.json says 8"):
        load_model(tmp_path / "c.pt")


def broken(change):
    return change(dict(build_model(ALL[0]).state_dict()))


@pytest.mark.parametrize(
    "state",
    [
        broken(lambda state: {name: t for name, t in state.items() if "attention_net.3" not in name}),
        broken(lambda state: {name: t for name, t in state.items() if "instance" not in name}),
        broken(lambda state: {**state, "attention_net.0.weight": torch.zeros(())}),
        broken(lambda state: {**state, "classifiers.weight": torch.zeros(5, 5)}),
        {"fc.0.weight": torch.zeros(512, 6), "classifiers.0.weight": torch.zeros(1, 512)},
        {0: torch.zeros(1)},
        {"epoch": 3},
        {},
        [torch.zeros(1)],
    ],
)
def test_what_is_no_model_is_refused_by_file(tmp_path, state):
    with pytest.raises(UsageError, match=r"checkpoint .*c\.pt"):
        load_model(written(tmp_path / "c.pt", state))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no checkpoint .*none\.pt"):
        load_model(tmp_path / "none.pt")


class Opener:
    """Would make a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_code_in_a_checkpoint_runs(tmp_path):
    (tmp_path / "c.pt").write_bytes(pickle.dumps(Opener(tmp_path / "run"), protocol=2))
    with pytest.raises(UsageError, match=r"damaged or holds more than tensors: .*open") as error:
        load_model(tmp_path / "c.pt")
    assert not (tmp_path / "run").exists()
    assert "torch.load" not in str(error.value)  # its advice would be to run that code


def test_a_text_is_no_checkpoint_whatever_it_begins_with(tmp_path):
    for letter in map(chr, range(32, 127)):  # each tells the reader of pickles to do something else
        (tmp_path / "c.pt").write_text(f"{letter}unk")
        with pytest.raises(UsageError, match=r"c\.pt"):
            load_model(tmp_path / "c.pt")


def test_damaged_files_are_refused_without_a_traceback(tmp_path):
    good = written(tmp_path / "good.pt", build_model(ALL[0]).state_dict()).read_bytes()
    dice = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(good)
        for place in dice.sample(range(2000), 20):
            damaged[place] = dice.randrange(256)
        (tmp_path / "c.pt").write_bytes(damaged)
        try:
            load_model(tmp_path / "c.pt")
        except UsageError:
            refused += 1
    assert refused > 30
