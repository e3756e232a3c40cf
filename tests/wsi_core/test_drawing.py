"""Stitches: exactly the kept patches, whatever their number."""

import numpy as np
import pytest

from wsi_core import drawing
from wsi_core.drawing import draw_stitch
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


def test_no_patches_are_a_black_picture():
    image = np.full((8, 9, 3), 200, np.uint8)
    assert not draw_stitch(Overview(image, (1.0, 1.0)), np.empty((0, 2), np.int64), 4).any()
