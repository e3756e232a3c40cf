import numpy as np
import pytest

from utils.errors import ItemError
from wsi_core.contours import tissue_mask
from wsi_core.overview import Overview
from wsi_core.params import SlideParams
from wsi_core.segmentation import find_tissue, select

PARAMS = SlideParams(a_t=0.5, a_h=0.1, close=0)
PINK = (220, 120, 170)


def image_with_tissue(*boxes, size=(1600, 1200), holes=()):
    image = np.full((size[1], size[0], 3), 245, np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = PINK
    for x0, y0, x1, y1 in holes:
        image[y0:y1, x0:x1] = 245
    return image


def test_blank_glass_has_no_tissue():
    assert find_tissue(Overview(image_with_tissue(), (1, 1)), PARAMS) == []


def test_small_tissue_is_dropped_and_the_rest_numbered_in_order():
    image = image_with_tissue((10, 10, 900, 700), (1000, 900, 1100, 1000), (1000, 10, 1590, 800))
    contours = find_tissue(Overview(image, (1, 1)), PARAMS)
    assert [contour.number for contour in contours] == [0, 1]


def test_only_the_largest_holes_are_kept():
    holes = [(100, 100, 400, 400), (500, 100, 700, 300), (800, 100, 850, 150)]
    contours = find_tissue(Overview(image_with_tissue((10, 10, 1500, 1100), holes=holes), (1, 1)), PARAMS)
    assert len(contours[0].holes) == 2
    params = PARAMS.model_copy(update={"max_n_holes": 1})
    contours = find_tissue(Overview(image_with_tissue((10, 10, 1500, 1100), holes=holes), (1, 1)), params)
    assert len(contours[0].holes) == 1
    assert np.ptp(contours[0].holes[0][:, 0]) > 290


def test_contours_are_in_level_0_pixels():
    contours = find_tissue(Overview(image_with_tissue((100, 100, 900, 700)), (4.0, 3.0)), PARAMS)
    assert contours[0].outline.min(axis=0).tolist() == [400, 300]


def test_an_id_to_exclude_that_is_none_is_told(caplog):
    contour = find_tissue(Overview(image_with_tissue((100, 100, 900, 700)), (1, 1)), PARAMS)
    assert select(contour, SlideParams(exclude_ids=(7,))) == contour
    assert "exclude_ids names 7, but there are 1 contours" in caplog.text


def test_keep_and_exclude_ids_select_by_number_in_ascending_order():
    boxes = [(10, 10, 700, 500), (800, 10, 1590, 500), (10, 600, 700, 1190), (800, 600, 1590, 1190)]
    contours = find_tissue(Overview(image_with_tissue(*boxes), (1, 1)), PARAMS)
    numbers = [c.number for c in select(contours, SlideParams(keep_ids=(3, 1, 0), exclude_ids=(0,)))]
    assert numbers == [1, 3]
    with pytest.raises(ItemError, match="keep_ids names 9, but the slide has 4 contours"):
        select(contours, SlideParams(keep_ids=(9,)))


def test_the_mask_leaves_holes_out_and_starts_at_the_offset():
    image = image_with_tissue((100, 100, 900, 700), holes=[(300, 300, 500, 500)])
    contours = find_tissue(Overview(image, (1, 1)), PARAMS)
    mask = tissue_mask(contours, (1600, 1200), (1, 1), (0, 0))
    assert mask[150, 150] and not mask[400, 400] and not mask[50, 50]
    shifted = tissue_mask(contours, (400, 300), (0.5, 0.5), (200, 200))
    assert shifted[0, 0] and not shifted[100, 100]
