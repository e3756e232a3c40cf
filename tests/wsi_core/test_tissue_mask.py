import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsi_core.contours import Contour, TissueMask

SCALE = (0.5, 0.61)


@given(st.integers(0, 2**32 - 1))
def test_a_window_shows_what_the_whole_would_however_long_the_edges(seed):
    rng = np.random.default_rng(seed)
    contours = [
        Contour(rng.integers(-500, 1500, (6, 2), np.int32), [rng.integers(0, 900, (4, 2), np.int32)]) for _ in range(3)
    ]
    mask = TissueMask(contours, SCALE, (17, 23))
    whole = mask.window((0, 0), (500, 400))
    x, y, width, height = rng.integers((0, 0, 1, 1), (400, 300, 100, 100)).tolist()
    np.testing.assert_array_equal(mask.window((x, y), (width, height)), whole[y : y + height, x : x + width])


def test_cutting_edges_moves_the_border_by_no_more_than_a_pixel():
    outline = np.array([[310, 90], [1490, 420], [1200, 1433], [260, 1020]], np.int32)
    plain = np.zeros((1000, 800), np.uint8)
    cv2.drawContours(plain, [Contour(outline).scaled(SCALE).outline], -1, 1, cv2.FILLED)
    drawn = TissueMask([Contour(outline)], SCALE).window((0, 0), (800, 1000))
    square = np.ones((3, 3), np.uint8)
    assert drawn[cv2.erode(plain, square) > 0].all() and not drawn[cv2.dilate(plain, square) == 0].any()
