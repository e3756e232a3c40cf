import numpy as np
import pytest

from wsi_core.heatmap_legend import Legend, colour_bar, draw_legend, with_legend

LINES = ("Model: s_0_checkpoint.pt (clam_sb)", "Predicted: tumour, p = 0.973", "Encoder: resnet50_trunc, 0.5 µm")


def rows_of_text(picture):
    """Count the lines of text below the bar, in the left quarter."""
    dark = (picture[:, : picture.shape[1] // 4].max(axis=2) < 100).any(axis=1)
    return np.count_nonzero(np.diff(dark.astype(int)) == 1)


@pytest.mark.parametrize("size", [(400, 300), (3000, 2000), (3000, 200), (60, 900)], ids=str)
def test_a_picture_stays_as_it_is_above_a_legend_that_is_no_larger_than_has_to_be(size):
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    both = with_legend(picture, LINES, "jet", "0", "100", "Attention")
    left = (both.shape[1] - size[0]) // 2
    np.testing.assert_array_equal(both[: size[1], left : left + size[0]], picture)
    assert 90 <= both.shape[0] - size[1] <= max(300, size[1])
    assert rows_of_text(both[size[1] :]) >= len(LINES) + 2  # and the title and the labels


def test_letters_grow_with_the_picture():
    heights = [
        with_legend(np.zeros((side, side, 3), np.uint8), LINES, "jet", "0", "100", "A").shape[0] - side
        for side in (400, 4000)
    ]
    assert 5 <= heights[1] / heights[0] <= 10


def test_the_bar_runs_from_the_first_colour_to_the_last():
    bar = colour_bar("gray", (512, 3))
    assert bar.shape == (3, 512, 3)
    np.testing.assert_allclose(bar[0, :, 0].astype(int), np.arange(512) // 2, atol=1)


def test_a_legend_by_itself_has_the_width_asked_for():
    assert draw_legend(Legend("viridis", "low", "high"), 600, 14).shape[1] == 600
