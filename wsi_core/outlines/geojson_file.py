"""GeoJSON as QuPath and TRIDENT write it: polygons in level-0 pixels. Owner of ``contours/<slide>.geojson``, version 1.

Our own files are a FeatureCollection with one Polygon a contour, its holes as interior rings, that opens in QuPath. A
member ``clam_sha256`` tells whether the features are as we wrote them.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from utils.atomic import write_text
from utils.errors import ItemError, one_line
from wsi_core.contours import Contour
from wsi_core.outlines.polygons import STATUS, Polygon, Ring, contours_of, encloses, require_polygons

TISSUE_CLASS = {"name": "Tissue", "color": [0, 255, 0]}
HASH, FEATURES = "clam_sha256", "features"
WITHOUT_AREA = ("Point", "MultiPoint", "LineString", "MultiLineString")


def write_geojson(path: Path, contours: list[Contour]) -> None:
    """Write contours, atomically; outlines of fewer than three different points, which no ring can have, are left out.

    A feature's name is the contour's number.
    """
    features = _dump([_feature(contour) for contour in contours if encloses(contour.outline)])
    text = f'{{"type":"FeatureCollection","{HASH}":"{_sha256(features)}","{FEATURES}":{features}}}\n'
    write_text(path, text)


def read_geojson(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Read the polygons of a file, numbered from 0 in their order; points and lines are passed over.

    Args:
        path: a FeatureCollection, a list of features, a single one, or geometries alone. A collection of no features
            is a slide without tissue.
        slide_size_level0: width and height of the slide.

    Raises:
        ItemError: it is no GeoJSON, or a ring is not closed, is none, or lies outside (status ``failed_seg``).
    """
    geometries = list(_geometries(_load(path), path.name))
    polygons = [polygon for geometry, where in geometries for polygon in _polygons(geometry, where)]
    if geometries:
        passed_over = sum(geometry["type"] in WITHOUT_AREA for geometry, _ in geometries)
        require_polygons(path.name, n_polygons=len(polygons), n_passed_over=passed_over)
    return contours_of(polygons, slide_size_level0)


def is_edited(path: Path) -> bool:
    """Tell whether the file is there and not as ``write_geojson`` left it."""
    if not path.is_file():
        return False
    try:
        value = _load(path)
    except ItemError:
        return True
    if not isinstance(value, dict) or HASH not in value:
        return True
    return value[HASH] != _sha256(_dump(value.get(FEATURES)))


def _feature(contour: Contour) -> dict[str, object]:
    rings = [contour.outline, *filter(encloses, contour.holes)]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()] for ring in rings]},
        "properties": {"objectType": "annotation", "name": str(contour.number), "classification": TISSUE_CLASS},
    }


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ItemError(f"{path.name} is no GeoJSON: {one_line(error)}", STATUS) from error


def _geometries(value: Any, name: str) -> Iterator[tuple[dict, str]]:
    """Yield all geometries with their place, however they are wrapped; a feature may be without one."""
    for item, where in _features(value, name):
        is_feature = _kind(item) == "Feature"
        geometry = item.get("geometry") if is_feature else item
        if is_feature and geometry is None:
            continue
        is_collection = _kind(geometry) == "GeometryCollection"
        for part in _list(geometry.get("geometries"), where) if is_collection else [geometry]:
            if _kind(part) not in ("Polygon", "MultiPolygon", *WITHOUT_AREA):
                kind = repr(_kind(part))[:40]
                raise ItemError(f"{where}: no feature or geometry of GeoJSON (type {kind})", STATUS)
            yield part, where


def _features(value: Any, name: str) -> list[tuple[Any, str]]:
    """Return the features, or geometries alone, of a file with their place."""
    if _kind(value) == "FeatureCollection":
        value = _list(value.get(FEATURES), name)
    if not isinstance(value, list):
        return [(value, name)]
    return [(item, f"{name}, feature {number}") for number, item in enumerate(value)]


def _kind(value: Any) -> object:
    return value.get("type") if isinstance(value, dict) else None


def _list(value: Any, where: str) -> list:
    if not isinstance(value, list):
        raise ItemError(f"{where}: a list is missing that GeoJSON has there", STATUS)
    return value


def _polygons(geometry: dict, where: str) -> Iterator[Polygon]:
    if geometry["type"] == "Polygon":
        yield _polygon(geometry.get("coordinates"), where)
    elif geometry["type"] == "MultiPolygon":
        for part in _list(geometry.get("coordinates"), where):
            yield _polygon(part, where)


def _polygon(rings: Any, where: str) -> Polygon:
    if not _list(rings, where):
        raise ItemError(f"{where}: a polygon without points", STATUS)
    exterior, *holes = rings
    return Polygon(_ring(exterior, where), [_ring(hole, f"{where}, hole {n}") for n, hole in enumerate(holes)])


def _ring(value: Any, where: str) -> Ring:
    """Check that a ring is closed, as GeoJSON asks for (RFC 7946, 3.1.6), and return it without the repeated point."""
    points = _points(value, where)
    if not np.array_equal(points[0], points[-1], equal_nan=True):
        raise ItemError(f"{where}: a ring is not closed: its last point must repeat its first", STATUS)
    return Ring(points[:-1], where)


def _points(value: Any, where: str) -> np.ndarray:
    """Return positions [x, y] or [x, y, z] as (N, 2)."""
    try:
        if not all(type(number) in (int, float) for point in value for number in point):
            raise TypeError("a text among numbers, which would make a text of all, or another list")
        points = np.array(value, float)
    except (TypeError, ValueError, OverflowError) as error:  # of unequal lengths, or larger than any number
        raise ItemError(f"{where}: a point is not a pair of numbers", STATUS) from error
    if points.ndim != 2 or points.shape[1] < 2:
        raise ItemError(f"{where}: a point is not a pair of numbers", STATUS)
    return points[:, :2]
