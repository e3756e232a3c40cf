"""No input of a stranger makes a reader crash, hang, take a GiB, write, or read what lies beside it."""

import sys

import pytest

from tests.reliability.fuzzing import fuzz

FEW, MANY = 40, 20_000
# what the programs are handed most; the first six are what they have to withstand in any case
KINDS = (
    "coords", "features_h5", "checkpoints", "process_lists", "tasks", "geojson",
    "features_pt", "contour_pickles", "annotation_xml", "heatmap_layers", "heatmap_configs",
)  # fmt: skip
# those without torch, whose process starts at once, and not the slow ones
QUICK = ("coords", "process_lists", "geojson", "contour_pickles")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")


@pytest.mark.parametrize("kind", QUICK)
def test_fuzz_a_few(tmp_path, kind):
    assert fuzz(kind, FEW, tmp_path) == []


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_fuzz_many(tmp_path, kind):
    """To see an input again: ``fuzz(kind, 1, folder, first=NUMBER)`` leaves it in the folder."""
    assert fuzz(kind, MANY, tmp_path) == []


def test_fuzz_notices_what_a_reader_must_not_do(tmp_path):
    """A reader that does all of it, one thing an input."""
    found = fuzz("careless", 8, tmp_path)
    for number, what in enumerate(
        ("KeyError", "Unable to allocate|MemoryError", "for writing", "subprocess.Popen", "fuzz_canary", "gave away",
         "too much work", "SIGKILL")
    ):  # fmt: skip
        assert any(word in found[number] for word in what.split("|")), found[number]
