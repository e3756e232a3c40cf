"""Tiles show the slide and its scores where they are."""

import io
import weakref

import numpy as np
import pytest
from PIL import Image

from stages.viewer.results import Results
from stages.viewer.slide_handles import OPENSLIDE_MIB, SlideHandles
from stages.viewer.slide_tiles import cut_out, read_area
from stages.viewer.tile_grid import Tile, max_shrink
from stages.viewer.viewer import Viewer
from tests.slides import GLASS, HOLE, PINK, TISSUE
from tests.stages.viewer.conftest import key_of
from tests.stages.viewer.fabricated import SIDE, percentile_of, rightwards
from utils.errors import ItemError
from wsi_core.colour_map import colour_numbers, colour_table
from wsi_core.score_map import patch_cells

SIZE = (2048, 1536)


def decoded(picture: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(picture))
    return np.asarray(image.convert("RGBA") if image.mode == "P" else image).astype(int)


def whole(viewer: Viewer, shrink: int, tile_of) -> np.ndarray:
    """Put all tiles of a zoom together."""
    columns, rows = (-(-side // (256 * 2**shrink)) for side in SIZE)
    return np.vstack([
        np.hstack([decoded(tile_of(Tile(shrink, column, row))) for column in range(columns)]) for row in range(rows)
    ])  # fmt: skip


@pytest.mark.parametrize("shrink", range(4))
def test_tiles_of_the_slide_join_to_the_slide(viewer, shrink):
    key = key_of(viewer, "right")
    image = whole(viewer, shrink, lambda tile: viewer.slide_tile(key, tile))
    assert image.shape == (1536 >> shrink, 2048 >> shrink, 3)
    margin, step = 8, 2**shrink
    for (x, y), colour in {
        (TISSUE[0] + margin * step, TISSUE[1] + margin * step): PINK,
        (HOLE[0] + margin * step, HOLE[1] + margin * step): GLASS,
        (TISSUE[2] + margin * step, TISSUE[1]): GLASS,
    }.items():
        assert image[y // step, x // step] == pytest.approx(colour, abs=6)


@pytest.mark.parametrize("shrink", range(4))
@pytest.mark.parametrize("threshold", [0, 60])
def test_tiles_of_scores_join_to_the_heatmap(viewer, shrink, threshold):
    key = key_of(viewer, "right")
    viewed = viewer.results.slide(key)
    scores = viewer.scores(viewed, 0, "fine")
    image = whole(viewer, shrink, lambda tile: viewer.overlay_tile(key, 0, "fine", tile, "magma", threshold))
    total, count = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    cells = patch_cells(scores._patches.coords, SIDE, np.array([2.0**shrink] * 2))
    for (x0, y0, x1, y1), percentile in zip(cells, scores._percentiles, strict=True):
        total[y0:y1, x0:x1] += percentile / 100
        count[y0:y1, x0:x1] += 1
    means = total / np.maximum(count, 1)
    is_painted = (count > 0) & (means * 100 >= threshold)
    assert np.array_equal(image[..., 3] > 0, is_painted)
    shown = colour_table("magma")[colour_numbers(means[is_painted])]
    assert abs(image[is_painted][:, :3] - shown).max() <= 12  # one colour of the table at the most


def test_the_last_zoom_is_one_tile_and_there_are_no_others(viewer):
    key = key_of(viewer, "right")
    assert max_shrink(SIZE) == 3 and max_shrink((256, 1)) == 0 and max_shrink((257, 1)) == 1
    for tile in (Tile(4, 0, 0), Tile(0, 8, 0), Tile(0, 0, 6)):
        with pytest.raises(ItemError, match="no such tile"):
            viewer.slide_tile(key, tile)


def test_the_ranking_begins_with_the_highest_and_the_lowest(viewer):
    ranking = viewer.ranking(key_of(viewer, "right"), 0)
    assert ranking["of"] == 80
    assert [patch["rank"] for patch in ranking["highest"]] == list(range(1, 9))
    assert [patch["rank"] for patch in ranking["lowest"]] == list(range(80, 72, -1))
    assert (ranking["highest"][0]["x"], ranking["highest"][0]["y"]) == (TISSUE[2] - SIDE, TISSUE[3] - SIDE)
    assert (ranking["lowest"][0]["x"], ranking["lowest"][0]["y"]) == TISSUE[:2]


def test_the_score_at_a_point_is_that_of_the_patch_over_it(viewer):
    key = key_of(viewer, "right")
    patch = viewer.score_at(key, 0, "block", 900.5, 700.25)["patch"]
    assert (patch["x"], patch["y"]) == (896, 640)
    assert patch["percentile"] == pytest.approx(percentile_of((896, 640), rightwards))
    assert patch["raw"] == pytest.approx(896 + 640 / 1e4)
    assert viewer.score_at(key, 0, "block", 10, 10) == {"patch": None, "of": 80}
    nearest = viewer.score_at(key, 0, "fine", 900.5, 700.25)["patch"]
    assert (nearest["x"], nearest["y"]) == (832, 640)


def test_a_slide_without_coarse_levels_is_shown_from_its_thumbnail(viewer, monkeypatch):
    monkeypatch.setattr("stages.viewer.slide_tiles.MAX_READ_PX", 1)
    viewed = viewer.results.slide(key_of(viewer, "right"))
    assert read_area(viewer._handles.get(viewed), (0, 0), SIZE, (256, 192)) is None
    image = cut_out(viewer._thumbnail(viewed), SIZE, (512, 512), (256, 256), (64, 64)).astype(int)
    assert image.shape == (64, 64, 3) and image[0, 0] == pytest.approx(PINK, abs=8)


def test_parts_over_the_edge_are_cut_and_fractions_are_kept(viewer):
    handle = viewer._handles.get(viewer.results.slide(key_of(viewer, "right")))
    assert read_area(handle, (2000.5, 1500.5), (100, 100), (50, 50)).shape == (50, 50, 3)
    assert read_area(handle, (-20, -20), (40, 40), (80, 80)).shape == (80, 80, 3)


def test_a_slide_that_makes_room_for_another_is_closed(experiment, monkeypatch):
    monkeypatch.setattr("stages.viewer.slide_handles.OPEN_SLIDES_MIB", OPENSLIDE_MIB)
    results, handles = Results(experiment), SlideHandles()
    slides = {slide.layers.slide_id: slide for slide in results.scan()}
    first = weakref.ref(handles.get(slides["right"]))
    assert first() is not None and handles.get(slides["right"]) is first()
    second = weakref.ref(handles.get(slides["wrong"]))
    assert first() is None and second() is not None
