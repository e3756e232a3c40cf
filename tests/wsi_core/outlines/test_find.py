import json
import pickle

import numpy as np
import pytest
from PIL import Image

from tests.wsi_core.outlines.shapes import SLIDE_PX, SQUARE, plain
from utils.errors import ItemError
from wsi_core.outlines.find import READERS, find_outlines, read_outlines


def write_square(path):
    if path.suffix.lower() in {".geojson", ".json"}:
        path.write_text(json.dumps({"type": "Polygon", "coordinates": [[*SQUARE, SQUARE[0]]]}))
    elif path.suffix.lower() == ".xml":
        points = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in SQUARE)
        path.write_text(
            f"<Annotations><Annotation><Region><Vertices>{points}</Vertices></Region></Annotation></Annotations>"
        )
    elif path.suffix.lower() == ".pkl":
        path.write_bytes(pickle.dumps({"tissue": [np.array(SQUARE)], "holes": [[]]}))
    else:
        mask = np.zeros((SLIDE_PX[1], SLIDE_PX[0]), np.uint8)
        mask[200:1001, 100:901] = 1
        Image.fromarray(mask).save(path, "PNG")
    return path


@pytest.mark.parametrize("ending", [*READERS, ".GeoJSON", ".XML", ".PNG"])
def test_every_kind_is_read_by_its_ending(tmp_path, ending):
    (contour,) = read_outlines(write_square(tmp_path / f"b.1{ending}"), SLIDE_PX)
    (_, outline, holes) = plain([contour])[0]
    assert holes == [] and {tuple(point) for point in SQUARE} <= {tuple(point) for point in outline}
    assert np.ptp(contour.outline, axis=0).tolist() == [800, 800]


@pytest.mark.parametrize("ending", READERS)
def test_the_file_of_a_slide_is_found_in_a_folder(tmp_path, ending):
    for other in ("a", "b.1.x", "b", "xb.1"):
        (tmp_path / f"{other}{ending}").touch()
    assert find_outlines(tmp_path, "b.1") is None
    (tmp_path / f"b.1{ending}").touch()
    assert find_outlines(tmp_path, "b.1") == tmp_path / f"b.1{ending}"


def test_of_several_kinds_the_first_in_the_table_is_taken(tmp_path):
    for ending in reversed(READERS):
        (tmp_path / f"a{ending}").touch()
        assert find_outlines(tmp_path, "a") == tmp_path / f"a{ending}"


def test_a_folder_of_that_name_is_no_file(tmp_path):
    (tmp_path / "a.json").mkdir()
    assert find_outlines(tmp_path, "a") is None


def test_a_single_file_is_for_every_slide(tmp_path):
    path = write_square(tmp_path / "regions.geojson")
    assert find_outlines(path, "a") == find_outlines(path, "b") == path


@pytest.mark.parametrize("name", ["a.txt", "geojson", "a.png.bak"])
def test_another_ending_is_refused_with_those_there_are(tmp_path, name):
    with pytest.raises(ItemError, match=rf"{name}: outlines come as \.geojson, ") as error:
        read_outlines(tmp_path / name, SLIDE_PX)
    assert error.value.status == "failed_seg"
