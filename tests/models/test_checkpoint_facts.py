import json

import pytest

from models.checkpoint_facts import (
    CheckpointConfig,
    features_trained_on,
    read_checkpoint_config,
    remove_checkpoint_facts,
    write_checkpoint_facts,
)
from models.settings import ModelSettings
from utils.errors import UsageError
from utils.version import VERSION

FEATURES = {"encoder": "uni_v1", "weights_sha256": "ab12"}


TASK = {"name": "os", "type": "survival", "labels": {"alive": 0, "dead": 1}, "bins": [0.0, 12.5, None]}


def test_round_trip_beside_the_checkpoint(tmp_path):
    checkpoint, model = tmp_path / "s_0_checkpoint.pt", ModelSettings("dsmil", 1024, 1, model_size="big")
    write_checkpoint_facts(checkpoint, FEATURES, 1024, model=model, task=TASK)
    assert features_trained_on(checkpoint) == FEATURES
    assert read_checkpoint_config(checkpoint) == CheckpointConfig(
        format=2, model=model, task=TASK, features=FEATURES, embed_dim=1024, version=VERSION
    )
    written = json.loads((tmp_path / "s_0_checkpoint.json").read_text())
    assert list(written) == ["format", "model", "task", "features", "embed_dim", "version"]


def test_model_and_task_may_be_left_unsaid(tmp_path):
    write_checkpoint_facts(tmp_path / "c.pt", FEATURES, 1024)
    config = read_checkpoint_config(tmp_path / "c.pt")
    assert config is not None and config.model is None and config.task is None


def test_a_file_of_the_first_format_is_read(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"features": FEATURES, "embed_dim": 1024, "version": "0.1.0"}))
    config = read_checkpoint_config(tmp_path / "c.pt")
    assert config == CheckpointConfig(format=1, features=FEATURES, embed_dim=1024, version="0.1.0")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 3, "format"),
        ("model", {"k_sample": "many"}, "model.k_sample"),
        ("task", "os", "task"),
        ("embed_dim", "long", "embed_dim"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, key, value, message):
    (tmp_path / "c.json").write_text(json.dumps({"format": 2, "features": {}, key: value}))
    with pytest.raises(UsageError, match=rf"c\.json does not say .*\({message} - .*; move it away"):
        read_checkpoint_config(tmp_path / "c.pt")


def test_a_checkpoint_without_the_file_says_nothing(tmp_path):
    assert features_trained_on(tmp_path / "published.pt") == {}


def test_facts_of_an_earlier_training_can_be_removed(tmp_path):
    write_checkpoint_facts(tmp_path / "c.pt", FEATURES, 1024)
    for _ in range(2):
        remove_checkpoint_facts(tmp_path / "c.pt")
    assert features_trained_on(tmp_path / "c.pt") == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"{}", b'{"features": ["uni_v1"]}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_file_that_is_no_such_json_is_named(tmp_path, content):
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"c\.json does not say what .*c\.pt was trained on") as error:
        features_trained_on(tmp_path / "c.pt")
    assert "\n" not in str(error.value)
