"""The rules of RFC 7946 are numbered as its sections."""

import json
import math
import time
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsi_core.outlines.geojson_file import read_geojson
from wsi_core.qupath_patches import PatchClass, write_patches_geojson

TUMOR = PatchClass('Tumör, "sure"', (200, 0, 0))
COORDS = np.array([[0, 0], [256, 0], [1000, 70_000]])
values = st.floats(width=32)


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def written(path, *arguments):
    write_patches_geojson(path, *arguments)
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def is_position(value):  # 3.1.1
    return len(value) in (2, 3) and all(type(number) in (int, float) and math.isfinite(number) for number in value)


def area(ring):
    """Return the area by the shoelace formula: above 0 counter-clockwise, of a y that goes up."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring)) / 2


def assert_follows_the_rfc(value):
    assert value["type"] == "FeatureCollection" and type(value["features"]) is list  # 3.3
    assert not {"crs", "bbox"} & set(value)  # 4; 5 is optional
    assert not {"coordinates", "geometries", "geometry", "properties"} & set(value)  # 7.1
    for feature in value["features"]:
        assert feature["type"] == "Feature" and type(feature["properties"]) is dict  # 3.2
        assert not {"coordinates", "geometries", "features"} & set(feature)  # 7.1
        geometry = feature["geometry"]
        assert geometry["type"] == "Polygon" and set(geometry) == {"type", "coordinates"}  # 3.1
        (exterior,) = geometry["coordinates"]  # 3.1.6, of a polygon without holes
        assert len(exterior) >= 4 and exterior[0] == exterior[-1] and all(map(is_position, exterior))
        assert area(exterior) > 0


@given(
    arrays(np.int64, st.tuples(st.integers(0, 4), st.just(2)), elements=st.integers(-(2**31), 2**31)),
    st.integers(1, 2**16),
    st.data(),
)
@settings(deadline=None, max_examples=80)
def test_files_follow_the_rfc_and_are_the_squares_of_the_patches(tmp_path_factory, coords, size_level0, data):
    count = len(coords)
    scores = {name: data.draw(arrays(np.float32, count, elements=values)) for name in data.draw(st.sets(st.text()))}
    classes = data.draw(st.none() | st.lists(st.sampled_from([None, TUMOR]), min_size=count, max_size=count))
    value = written(tmp_path_factory.getbasetemp() / "a.geojson", coords, size_level0, scores, classes)
    assert_follows_the_rfc(value)
    shapes = [shapely.from_geojson(json.dumps(feature["geometry"])) for feature in value["features"]]
    assert all(shape.is_valid and shape.exterior.is_ccw for shape in shapes)
    assert [shape.bounds for shape in shapes] == [(x, y, x + size_level0, y + size_level0) for x, y in coords]


def test_a_patch_is_as_qupath_reads_it(tmp_path):
    scores = {"attention raw": np.array([0.1, -2, 3], np.float32), "attention percentile": np.array([100 / 3, 50, 100])}
    value = written(tmp_path / "a.geojson", COORDS, 256, scores, [TUMOR, None, None])
    assert value["features"][0]["properties"] == {
        "objectType": "tile",
        "classification": {"name": TUMOR.name, "color": [200, 0, 0]},
        "measurements": {"attention raw": 0.1, "attention percentile": 33.33333},
    }
    assert "classification" not in value["features"][1]["properties"]


def test_what_is_not_finite_is_left_out_of_its_patch(tmp_path):
    value = written(tmp_path / "a.geojson", COORDS, 256, {"a": np.array([np.nan, np.inf, 1]), "b": np.arange(3)})
    measured = [feature["properties"]["measurements"] for feature in value["features"]]
    assert measured == [{"b": 0}, {"b": 1}, {"a": 1, "b": 2}]


def test_our_own_reader_takes_the_patches_for_outlines(tmp_path):
    write_patches_geojson(tmp_path / "a.geojson", COORDS, 256, {})
    read = read_geojson(tmp_path / "a.geojson", (2000, 80_000))
    assert [contour.outline.min(axis=0).tolist() for contour in read] == COORDS.tolist()


@pytest.mark.parametrize("arguments", [({"a": np.arange(2)}, None), ({}, [None]), ({"a": np.arange(4)}, [None] * 3)])
def test_scores_of_other_patches_are_refused_and_leave_no_file(tmp_path, arguments):
    with pytest.raises(ValueError):
        write_patches_geojson(tmp_path / "a.geojson", COORDS, 256, *arguments)
    assert not list(tmp_path.iterdir())


def test_time_grows_as_the_number_of_patches_does(tmp_path):
    def seconds_once(count):
        start = time.process_time()
        write_patches_geojson(tmp_path / "a.geojson", np.zeros((count, 2), int), 256, {"a": np.zeros(count)})
        return time.process_time() - start

    def seconds(count):
        return min(seconds_once(count) for _ in range(3))  # without what else the process does, such as collect garbage

    assert seconds(20_000) < 40 * max(seconds(2_000), 1e-3)  # 10 times the patches; the square would be 100
