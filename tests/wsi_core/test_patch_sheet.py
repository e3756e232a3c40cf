import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsi_core.contact_sheet import PAGE_RGB
from wsi_core.fitted_text import font
from wsi_core.patch_sheet import (
    CAPTION_PX,
    CELL_PX,
    GAP_PX,
    RANK_PX,
    TILE_PX,
    PatchRow,
    SampledPatch,
    patch_sheet,
)

MAGENTA = (255, 0, 255)


def patch(size_px=(64, 64), *, percentile=99.5, corner=(256, 512)):
    return SampledPatch(np.full((*size_px, 3), MAGENTA, np.uint8), percentile, corner)


def sheet(count, title="topk: highest attention"):
    return patch_sheet([PatchRow(title, [patch()] * count)])


def is_page(pixels):
    return (pixels == PAGE_RGB).all(axis=-1)


@pytest.mark.parametrize(("count", "columns", "lines"), [(1, 4, 1), (5, 5, 1), (8, 8, 1), (15, 8, 2), (60, 8, 8)])
def test_a_set_is_drawn_in_lines_of_eight(count, columns, lines):
    image = sheet(count)
    assert image.dtype == np.uint8 and image.shape[1] == GAP_PX + columns * CELL_PX[0]
    assert image.shape[0] - sheet(0).shape[0] == pytest.approx(lines * CELL_PX[1], abs=40)
    assert (image == MAGENTA).all(axis=2).sum() == count * (TILE_PX - 2) ** 2  # all but their edges


def test_tiles_have_one_size_whatever_the_patches_have_and_keep_their_shape():
    areas = []
    for size_px in [(16, 16), (256, 256), (1024, 1024), (512, 256)]:
        areas.append((patch_sheet([PatchRow("a", [patch(size_px)])]) == MAGENTA).all(axis=2).sum())
    assert areas[0] == areas[1] == areas[2]
    assert areas[3] == pytest.approx(areas[0] / 2, rel=0.02)


@given(
    st.floats(0, 100),
    st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)),
    st.integers(1, 12),
)
@settings(deadline=None, max_examples=25)
def test_no_text_reaches_beyond_its_tile(percentile, corner, count):
    image = patch_sheet([PatchRow("", [patch(percentile=percentile, corner=corner)] * count)])
    between = np.arange(image.shape[1]) % CELL_PX[0] < GAP_PX
    assert is_page(image[:, between]).all()
    assert is_page(image[-GAP_PX:]).all()
    captions = image[-GAP_PX - CAPTION_PX - GAP_PX : -2 * GAP_PX, GAP_PX : GAP_PX + TILE_PX]
    assert not is_page(captions).all()


def test_the_longest_rank_and_percentile_stand_side_by_side():
    assert font(RANK_PX).getlength("#9999") + font(RANK_PX).getlength("perc. 100.00") < TILE_PX - 4


def test_rank_percentile_and_corner_are_each_written():
    base = patch_sheet([PatchRow("a", [patch()])])
    for other in (patch(percentile=99.4), patch(corner=(256, 513)), patch(corner=(255, 512))):
        assert (patch_sheet([PatchRow("a", [other])]) != base).any()
    first, second = (sheet(2)[:, start : start + TILE_PX] for start in (GAP_PX, GAP_PX + CELL_PX[0]))
    assert (first[-CELL_PX[1] :] != second[-CELL_PX[1] :]).any()


@pytest.mark.parametrize("title", ["", "x" * 500, "a long title " * 60, "Größe αβγ Ж"])
def test_any_title_fits(title):
    image = sheet(1, title)
    assert is_page(image[:, :GAP_PX]).all() and is_page(image[:, -GAP_PX:]).all()


def test_sets_stand_one_below_the_other_and_an_empty_one_says_so():
    rows = [PatchRow("a", [patch()]), PatchRow("b", [])]
    together, alone = patch_sheet(rows), patch_sheet(rows[:1])
    np.testing.assert_array_equal(together[: len(alone)], alone)
    below = together[len(alone) :]
    assert len(below) > 2 * GAP_PX and not is_page(below).all()
    assert patch_sheet([]).shape == (GAP_PX, GAP_PX + 4 * CELL_PX[0], 3)
