import os
import pickle

import numpy as np
import pytest

from tests.wsi_core.outlines.shapes import FAR_SQUARE, HOLE, SLIDE_PX, SQUARE, plain
from utils.errors import ItemError
from wsi_core.outlines.contour_pickle import read_contour_pickle


def as_opencv(ring, dtype=np.int32):
    return np.array(ring, dtype)[:, None]


@pytest.fixture
def read(tmp_path):
    def read_value(value, protocol=pickle.DEFAULT_PROTOCOL):
        path = tmp_path / "a_mask.pkl"
        path.write_bytes(pickle.dumps(value, protocol))
        return read_contour_pickle(path, SLIDE_PX)

    return read_value


def test_the_same_points_again_and_again_are_refused(read):
    points = as_opencv(SQUARE * 500)
    with pytest.raises(ItemError, match="no contours of the original"):
        read({"tissue": [points] * 1000, "holes": [[]] * 1000})


@pytest.mark.parametrize("protocol", range(6))
def test_contours_of_the_original_are_read(read, protocol):
    value = {"holes": [[as_opencv(HOLE)], []], "tissue": [as_opencv(SQUARE), as_opencv(FAR_SQUARE)]}
    assert plain(read(value, protocol)) == [(0, SQUARE, [HOLE]), (1, FAR_SQUARE, [])]


def test_arrays_may_be_flat_and_of_other_numbers(read):
    value = {"tissue": (np.array(SQUARE, np.float32), np.array(FAR_SQUARE, np.int64)), "holes": ([], [])}
    assert plain(read(value)) == [(0, SQUARE, []), (1, FAR_SQUARE, [])]


def test_no_contours_are_a_slide_without_tissue(read):
    assert read({"tissue": [], "holes": []}) == []


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harmed",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "no contours of the original"),
        ({"tissue": [as_opencv(SQUARE)]}, "no contours of the original"),
        ({"tissue": [as_opencv(SQUARE)], "holes": []}, "no contours of the original"),
        ({"tissue": [as_opencv(SQUARE)], "holes": [None]}, "no contours of the original"),
        ({"tissue": [SQUARE], "holes": [[]]}, "no contours of the original"),
        ({"tissue": [np.zeros((4, 3))], "holes": [[]]}, "no contours of the original"),
        ({"tissue": [np.zeros(())], "holes": [[]]}, "no contours of the original"),
        ({"tissue": [np.zeros((4, 2), complex)], "holes": [[]]}, "no contours of the original"),
        ({"tissue": None, "holes": None}, "no contours of the original"),
        ({"tissue": "ab", "holes": "ab"}, "no contours of the original"),
        ({"tissue": [as_opencv(SQUARE), as_opencv([[1, 2]])], "holes": [[], []]}, "contour 1: a ring needs 3"),
        ({"tissue": [np.full((4, 2), np.nan)], "holes": [[]]}, "contour 0: a coordinate is not finite"),
        ({"tissue": [as_opencv(SQUARE) * 9], "holes": [[]]}, "contour 0: x 900 to 8100, y 1800 to 9000 is outside"),
        ({"tissue": [as_opencv(SQUARE)], "holes": [[as_opencv(HOLE) * 9]]}, "contour 0, hole 0: x 2700 to 4500"),
        ({"tissue": [Harmful()], "holes": [[]]}, "asks for"),
        ({"tissue": [np.array([None])], "holes": [[]]}, "no numbers"),
    ],
)
def test_what_does_not_serve_is_told_in_one_line(read, value, message):
    with pytest.raises(ItemError) as error:
        read(value)
    assert message in str(error.value) and "a_mask.pkl" in str(error.value) and "\n" not in str(error.value)
    assert error.value.status == "failed_seg"
