import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wsi_core.outlines.shapes import FAR_SQUARE, HOLE, SLIDE_PX, SQUARE, any_contours, plain
from utils.errors import ItemError
from wsi_core.contours import Contour
from wsi_core.grid import Grid, patch_coords
from wsi_core.outlines.geojson_file import is_edited, read_geojson, write_geojson


def closed(ring):
    return [*ring, ring[0]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [closed(ring) for ring in rings]}


def feature(geometry, **properties):
    return {"type": "Feature", "id": "PathAnnotationObject", "geometry": geometry, "properties": properties}


def collection(*features, **members):
    return {"type": "FeatureCollection", **members, "features": list(features)}


QUPATH = {"objectType": "annotation", "classification": {"name": "Tumor", "color": [200, 0, 0]}, "isLocked": False}
POINT = {"type": "Point", "coordinates": [1, 2]}
LINE = {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}


@pytest.fixture
def read(tmp_path):
    def read_value(value):
        path = tmp_path / "a.geojson"
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        return read_geojson(path, SLIDE_PX)

    return read_value


@given(any_contours)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read_exactly_and_gives_the_same_patches(tmp_path_factory, contours):
    path = tmp_path_factory.getbasetemp() / "a.geojson"
    write_geojson(path, contours)
    read = read_geojson(path, SLIDE_PX)
    assert plain(read) == plain(contours)
    for rule in ("four_pt", "basic"):
        grid = Grid((128, 128), (96.5, 96.5), SLIDE_PX, contour_fn=rule)
        np.testing.assert_array_equal(patch_coords(read, grid), patch_coords(contours, grid))


def test_our_files_are_as_qupath_has_them(tmp_path):
    write_geojson(tmp_path / "new" / "a.geojson", [Contour(np.array(SQUARE, np.int32), [np.array(HOLE, np.int32)], 7)])
    text = (tmp_path / "new" / "a.geojson").read_text()
    (written,) = json.loads(text)["features"]
    assert (json.loads(text)["type"], written["type"]) == ("FeatureCollection", "Feature")
    assert written["geometry"] == polygon(SQUARE, HOLE)
    assert written["properties"] == {
        "objectType": "annotation",
        "name": "7",
        "classification": {"name": "Tissue", "color": [0, 255, 0]},
    }
    assert "[[100,200],[900,200]" in text


def test_outlines_that_enclose_nothing_are_not_written(tmp_path):
    rings = [[[5, 5]], [[5, 5], [6, 6]], [[5, 5], [6, 6], [5, 5]], SQUARE]
    speck, line, back_and_forth, square = (np.array(ring, np.int32) for ring in rings)
    contours = [Contour(speck), Contour(line), Contour(back_and_forth), Contour(square, [speck, line], 3)]
    write_geojson(tmp_path / "a.geojson", contours)
    assert plain(read_geojson(tmp_path / "a.geojson", SLIDE_PX)) == [(0, SQUARE, [])]


@pytest.mark.parametrize(
    "value",
    [
        collection(feature(polygon(SQUARE, HOLE), **QUPATH), feature(polygon(FAR_SQUARE), name="b")),
        collection(
            feature(polygon(SQUARE, HOLE), tissue_id=0),
            feature(polygon(FAR_SQUARE), tissue_id=1),
            name="a",
            crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
        ),
        [feature(polygon(SQUARE, HOLE), **QUPATH), feature(polygon(FAR_SQUARE))],
        [polygon(SQUARE, HOLE), polygon(FAR_SQUARE)],
        feature(
            {
                "type": "MultiPolygon",
                "coordinates": [polygon(r, *h)["coordinates"] for r, h in ((SQUARE, [HOLE]), (FAR_SQUARE, []))],
            }
        ),
        {"type": "GeometryCollection", "geometries": [polygon(SQUARE, HOLE), polygon(FAR_SQUARE)]},
        collection(feature(None), feature(polygon(SQUARE, HOLE)), feature(polygon(FAR_SQUARE))),
    ],
    ids=["qupath", "trident", "older qupath", "geometries", "multipolygon", "collection", "unlocated"],
)
def test_polygons_are_read_however_they_are_wrapped(read, value):
    assert plain(read(value)) == [(0, SQUARE, [HOLE]), (1, FAR_SQUARE, [])]


def test_a_geometry_alone_is_read(read):
    assert plain(read(polygon(SQUARE, HOLE))) == [(0, SQUARE, [HOLE])]


def test_a_byte_order_mark_does_not_disturb(read):
    assert len(read("\ufeff" + json.dumps(polygon(SQUARE)))) == 1


def test_floats_are_rounded_and_a_third_coordinate_is_left(read):
    ring = [[10.5, 20.49, 7], [900.51, 20.2, 7], [900, 700.0, 7], [10.5, 20.49, 7]]
    (contour,) = read({"type": "Polygon", "coordinates": [ring]})
    assert contour.outline.tolist() == [[10, 20], [901, 20], [900, 700]]


def test_points_and_lines_are_passed_over_and_counted(read, caplog):
    both = {"type": "GeometryCollection", "geometries": [POINT, LINE, polygon(SQUARE)]}
    assert plain(read(collection(feature(LINE), feature(both), feature(polygon(FAR_SQUARE))))) == [
        (0, SQUARE, []),
        (1, FAR_SQUARE, []),
    ]
    assert "a.geojson: 3 shapes without an area" in caplog.text


def test_a_collection_of_nothing_is_a_slide_without_tissue(read):
    assert read(collection()) == []


def rings(*coordinates):
    return {"type": "Polygon", "coordinates": list(coordinates)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "a.geojson is no GeoJSON: JSONDecodeError"),
        ('{"type": "FeatureColl', "is no GeoJSON"),
        ("[" * 100_000, "is no GeoJSON: RecursionError"),
        ("null", "no feature or geometry of GeoJSON (type None)"),
        ("[null]", "feature 0: no feature or geometry of GeoJSON (type None)"),
        ("7", "no feature or geometry"),
        ({"type": ["Polygon"]}, "no feature or geometry"),
        ({"type": "Topology", "objects": {}}, "type 'Topology'"),
        ([[[[1, 2]]]], "feature 0: no feature or geometry"),
        (collection(feature(polygon(SQUARE)), {"type": "Sphere"}), "feature 1: no feature or geometry"),
        ({"type": "FeatureCollection", "features": 7}, "a list is missing"),
        ({"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection"}]}, "type 'GeometryCollection'"),
        ([POINT, LINE], "a.geojson: no polygon in it"),
        ({"type": "MultiPolygon", "coordinates": []}, "no polygon in it"),
        ({"type": "Polygon"}, "a list is missing"),
        (rings(), "a polygon without points"),
        (rings([]), "not a pair of numbers"),
        (rings([1, 2, 3, 1]), "not a pair of numbers"),
        (rings([["1", "2"], ["3", "4"], ["5", "1"], ["1", "2"]]), "not a pair of numbers"),
        (rings([[1], [2], [3], [1]]), "not a pair of numbers"),
        (rings([[1, 2], [3], [4, 4], [1, 2]]), "not a pair of numbers"),
        (rings([[1, 2], [3, None], [4, 4], [1, 2]]), "not a pair of numbers"),
        (rings([[1, 2], [3, 10**400], [4, 4.5], [1, 2]]), "not a pair of numbers"),
        (rings(["12", "34", "56", "12"]), "not a pair of numbers"),
        ([rings(closed(SQUARE)), rings(SQUARE)], "feature 1: a ring is not closed"),
        (rings(closed(SQUARE), HOLE), "hole 0: a ring is not closed"),
        (rings([[1, 2], [1, 2]]), "needs 3 different points"),
        (rings([[1, 2], [3, 4], [3, 4], [1, 2]]), "needs 3 different points"),
        (rings([[float("nan"), 2], [3, 4], [5, 1], [float("nan"), 2]]), "not finite"),
        (rings([[1, 2], [3, float("inf")], [5, 1], [1, 2]]), "not finite"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 1e999], [5, 1], [1, 2]]]}', "not finite"),
        (rings([[1, 2], [3, 1e300], [5, 1], [1, 2]]), "outside the slide, 4000x3000 px"),
        (
            rings(closed([[8000, 100], [9000, 100], [9000, 500]])),
            "a.geojson: x 8000 to 9000, y 100 to 500 is outside the slide, 4000x3000 px; coordinates must be level-0",
        ),
        (rings([[-41, 5], [100, 5], [100, 90], [-41, 5]]), "x -41 to 100, y 5 to 90 is outside"),
        (rings(closed(SQUARE), closed([[0, 0], [90, 0], [90, 3031]])), "hole 0: x 0 to 90, y 0 to 3031 is outside"),
    ],
)
def test_what_does_not_serve_is_told_in_one_line(read, value, message):
    with pytest.raises(ItemError) as error:
        read(value)
    assert message in str(error.value) and str(error.value).startswith("a.geojson") and "\n" not in str(error.value)
    assert error.value.status == "failed_seg"


def test_what_hangs_over_the_edge_a_little_is_moved_onto_it(read):
    (contour,) = read(rings(closed([[-40, -30], [4040, -30], [4040, 3030], [-40, 3030]])))
    assert contour.outline.tolist() == [[0, 0], [3999, 0], [3999, 2999], [0, 2999]]


@given(st.lists(st.tuples(st.floats(-40, 4040), st.floats(-30, 3030)), min_size=3, max_size=9, unique=True))
@settings(deadline=None, max_examples=50)
def test_coordinates_are_always_on_the_slide(tmp_path_factory, ring):
    path = tmp_path_factory.getbasetemp() / "a.geojson"
    path.write_text(json.dumps(rings(closed(ring))))
    (contour,) = read_geojson(path, SLIDE_PX)
    assert (contour.outline >= 0).all() and (contour.outline < SLIDE_PX).all()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ItemError, match=r"a\.geojson"):
        read_geojson(tmp_path / "a.geojson", SLIDE_PX)


def test_an_edit_is_noticed_and_our_own_writing_is_none(tmp_path):
    path = tmp_path / "a.geojson"
    assert not is_edited(path)
    write_geojson(path, [Contour(np.array(SQUARE, np.int32))])
    assert not is_edited(path)
    text = path.read_text()
    path.write_text(json.dumps(json.loads(text), indent=2))
    assert not is_edited(path)
    for edited in (text.replace("[900,200]", "[901,200]"), json.dumps(collection()), "[]", "", "{"):
        path.write_text(edited)
        assert is_edited(path)


def test_an_outline_of_very_many_points_comes_back(tmp_path):
    turn = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)
    circle = (np.stack([np.cos(turn), np.sin(turn)], axis=1) * 40_000 + 50_000).astype(np.int32)
    write_geojson(tmp_path / "a.geojson", [Contour(circle)])
    (read,) = read_geojson(tmp_path / "a.geojson", (100_000, 100_000))
    np.testing.assert_array_equal(read.outline, circle)
