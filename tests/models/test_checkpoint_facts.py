import json

import pytest

from models.checkpoint_facts import features_trained_on, remove_checkpoint_facts, write_checkpoint_facts
from utils.errors import UsageError
from utils.version import VERSION

FEATURES = {"encoder": "uni_v1", "weights_sha256": "ab12"}


def test_round_trip_beside_the_checkpoint(tmp_path):
    write_checkpoint_facts(tmp_path / "s_0_checkpoint.pt", FEATURES, 1024)
    assert features_trained_on(tmp_path / "s_0_checkpoint.pt") == FEATURES
    written = json.loads((tmp_path / "s_0_checkpoint.json").read_text())
    assert written == {"features": FEATURES, "embed_dim": 1024, "version": VERSION}


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
