from types import SimpleNamespace

import pytest

from wsi_core.grid import Region
from wsi_core.heatmap_memory import finest_level_within, heatmap_memory_gib

SIDES = (65_536, 16_384, 4_096)
SLIDE = SimpleNamespace(
    level_dimensions=tuple((s, s) for s in SIDES), level_downsamples=tuple((SIDES[0] / s, SIDES[0] / s) for s in SIDES)
)


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr("wsi_core.heatmap_memory.usable_processors", lambda: 2)


def test_an_array_takes_its_pixels_and_a_tiff_hardly_any():
    assert heatmap_memory_gib(SLIDE, 0, "array") == pytest.approx(40 + 0.5)
    assert heatmap_memory_gib(SLIDE, 0, "tiff") < 0.6
    assert heatmap_memory_gib(SLIDE, 0, "array", Region((0, 0), (32_768, 16_384))) == pytest.approx(5 + 0.5)


@pytest.mark.parametrize(
    ("asked", "max_memory_gb", "output", "expected"),
    [
        (0, 8, "array", 1),
        (0, 41, "array", 0),
        (0, 1, "array", 2),
        (2, 8, "array", 2),
        (0, 1, "tiff", 0),
        (1, 0.4, "array", None),
    ],
)
def test_the_finest_level_that_fits_is_no_finer_than_asked(asked, max_memory_gb, output, expected):
    assert finest_level_within(SLIDE, asked, max_memory_gb, output) == expected
