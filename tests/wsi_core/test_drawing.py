"""Masks that can be judged, and stitches of exactly the kept patches."""

import numpy as np
import pytest

from wsi_core import drawing
from wsi_core.contours import Contour
from wsi_core.drawing import NUMBER_RGB, TISSUE_RGB, draw_mask, draw_stitch
from wsi_core.overview import Overview


@pytest.mark.parametrize("band_px", [7, 1024])
@pytest.mark.parametrize("downsample", [1.0, 3.7, 16.0])
def test_a_stitch_shows_the_kept_patches_alone(monkeypatch, downsample, band_px):
    monkeypatch.setattr(drawing, "BAND_PX", band_px)
    rng = np.random.default_rng(0)
    image = rng.integers(1, 256, (40, 60, 3), dtype=np.uint8)
    coords = (rng.random((30, 2)) * (60, 40) * downsample).astype(np.int64)  # some hang over the slide
    patch_px = int(6 * downsample)
    expected = np.zeros_like(image)
    for corner in coords:
        (x0, y0), (x1, y1) = (np.rint(c / downsample).astype(int) for c in (corner, corner + patch_px))
        expected[y0:y1, x0:x1] = image[y0:y1, x0:x1]
    np.testing.assert_array_equal(draw_stitch(Overview(image, (downsample,) * 2), coords, patch_px), expected)


def ring(x0, y0, x1, y1, number=0):
    return Contour(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.int32), number=number)


def masks(contours, size=(300, 400), thickness=1):
    return draw_mask(Overview(np.full((*size, 3), 90, np.uint8), (4.0, 4.0)), contours, thickness)


@pytest.mark.parametrize("corner", [(0, 0), (1560, 0), (0, 1160), (1560, 1160)])
def test_the_number_of_a_contour_at_the_edge_is_whole_and_has_a_rim(corner):
    at_edge, in_the_middle = (masks([ring(x, y, x + 40, y + 40, number=88)]) for x, y in (corner, (780, 580)))
    for color in (NUMBER_RGB, (255, 255, 255)):
        shown, whole = (near(picture, color).sum() for picture in (at_edge, in_the_middle))
        assert shown == pytest.approx(whole, rel=0.15) and whole > 20


def near(picture, color):
    return (np.abs(picture.astype(int) - color) < 90).all(axis=2)


def test_a_number_larger_than_the_picture_is_no_failure():
    assert masks([ring(0, 0, 10, 10, number=12345)], size=(6, 7)).shape == (6, 7, 3)
    assert masks([Contour(np.array([[4, 4]], np.int32))]).shape == (300, 400, 3)


def test_lines_leave_small_tissue_to_be_seen():
    thin, thick = (masks([ring(400, 400, 800, 800)], thickness=t) for t in (1, 100_000))
    widths = [(picture == TISSUE_RGB).all(axis=2)[:, 150].sum() for picture in (thin, thick)]
    assert widths[0] == 2 and widths[1] <= 2 * 6


def test_no_patches_are_a_black_picture():
    image = np.full((8, 9, 3), 200, np.uint8)
    assert not draw_stitch(Overview(image, (1.0, 1.0)), np.empty((0, 2), np.int64), 4).any()
