import cv2
import numpy as np
import pytest

from demo.tissue import paint, plan_slide
from wsi_core.heatmap_blur import Blur
from wsi_core.rectangle import Rectangle

SIZE = (701, 503)


@pytest.fixture(scope="module")
def tissue():
    rng = np.random.default_rng(3)
    return paint(plan_slide(SIZE, True, rng), SIZE, rng)


@pytest.mark.parametrize("kernel", [(1, 1), (13, 13), (33, 33), (65, 63), (129, 129), (257, 255)], ids=str)
def test_a_blur_is_opencvs_within_2_of_255(tissue, kernel):
    whole = Rectangle(0, 0, *SIZE)
    difference = Blur(kernel).apply(tissue, whole, whole) - cv2.GaussianBlur(tissue, kernel, 0).astype(float)
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("kernel", [(13, 13), (65, 63), (129, 129)], ids=str)
@pytest.mark.parametrize("part", [Rectangle(0, 0, 90, 70), Rectangle(333, 217, 57, 101), Rectangle(650, 480, 51, 23)])
def test_a_part_shows_what_the_whole_would(tissue, kernel, part):
    blur, whole = Blur(kernel), Rectangle(0, 0, *SIZE)
    source = blur.source_of(part, SIZE)
    expected = blur.apply(tissue, whole, whole)[part.slices]
    difference = blur.apply(tissue[source.slices], source, part) - expected.astype(float)
    assert np.abs(difference).max() <= 1
