"""Where features go: written in the background, and kept to one encoder a folder."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from datasets.features_file import Features, provenance, write_features
from stages import feature_output
from stages.feature_output import BackgroundWriter, EncoderOutput
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading

PATCHES = PatchCoords(coords=np.array([[0, 0], [8, 0]]), reading=PatchReading(0, 8, 8, 8))


def test_slides_that_could_not_be_written_leave_their_reason_and_no_features_in_memory():
    kept = []

    def fail_with(features):
        def write():
            raise OSError(28, "No space left on device", f"a{len(features)}")

        kept.append(weakref.ref(features))
        return write

    with BackgroundWriter() as writer:
        for number in range(5):
            writer.submit(f"s{number}", [fail_with(np.zeros(100))])
        writer.submit("good", [lambda: None])
        failures = writer.failures()
        gc.collect()
        assert [features() for features in kept] == [None] * 5
    assert set(failures) == {f"s{number}" for number in range(5)} and "No space left" in failures["s0"]


@pytest.mark.parametrize("seen", [False, True])
def test_features_that_were_found_complete_are_not_opened_again_for_their_encoder(tmp_path, monkeypatch, seen):
    encoder = SimpleNamespace(dim=3, facts={"encoder": "e"})
    features = Features(np.ones((2, 3), np.float32), PATCHES.coords, provenance(encoder.facts, PATCHES))
    write_features(tmp_path, "a", features)
    output = EncoderOutput(encoder, tmp_path)
    assert not seen or output.is_complete("a", PATCHES)
    opened = []
    monkeypatch.setattr(feature_output, "read_provenance", lambda path: opened.append(path) or {})
    output.refuse_other_encoders({"a"}, set())
    assert bool(opened) is not seen
