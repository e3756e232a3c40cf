"""GeoJSON as QuPath and TRIDENT write it: polygons in level-0 pixels. Owner of ``contours/<slide>.geojson``, version 1.

Our own files are a FeatureCollection with one Polygon a contour, its holes as interior rings, that opens in QuPath. A
member ``clam_sha256`` tells whether the features are as we wrote them.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from utils.atomic import write_text
from utils.errors import ItemError
from wsi_core.contours import Contour
from wsi_core.outlines.polygons import MIN_POINTS, STATUS, Polygon, contours_of

logger = logging.getLogger(__name__)

TISSUE_CLASS = {"name": "Tissue", "color": [0, 255, 0]}
HASH, FEATURES = "clam_sha256", "features"


def write_geojson(path: Path, contours: list[Contour]) -> None:
    """Write contours, atomically; those of fewer than three points, which enclose nothing, are left out."""
    features = _dump([_feature(contour) for contour in contours if len(contour.outline) >= MIN_POINTS])
    text = f'{{"type":"FeatureCollection","{HASH}":"{_sha256(features)}","{FEATURES}":{features}}}\n'
    write_text(path, text)


def read_geojson(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Read the polygons of a file, numbered from 0 in their order; points and lines are passed over.

    Args:
        path: a FeatureCollection, a list of features, a single one, or geometries alone.
        slide_size_level0: width and height of the slide.

    Raises:
        ItemError: it is no GeoJSON, or a ring is not closed, is none, or lies outside (status ``failed_seg``).
    """
    value = _load(path)
    geometries = list(_geometries(value, path.name))
    polygons = [polygon for geometry, where in geometries for polygon in _polygons(geometry, where)]
    passed_over = len(geometries) - len({polygon.where for polygon in polygons})
    if passed_over:
        logger.warning("%s: %d shapes without an area (points, lines) are passed over", path.name, passed_over)
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
    rings = [ring for ring in (contour.outline, *contour.holes) if len(ring) >= MIN_POINTS]
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
        raise ItemError(f"{path.name} is no GeoJSON: {error}", STATUS) from error


def _geometries(value: Any, where: str) -> Iterator[tuple[dict, str]]:
    """Yield all geometries with their place, however they are wrapped."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _geometries(item, f"{where}, feature {number}")
        return
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "FeatureCollection":
        yield from _geometries(_list(value.get(FEATURES), where), where)
    elif kind == "Feature":
        yield from _geometries(value.get("geometry"), where)
    elif kind == "GeometryCollection":
        for geometry in _list(value.get("geometries"), where):
            yield from _geometries(geometry, where)
    elif kind in {"Polygon", "MultiPolygon", "Point", "MultiPoint", "LineString", "MultiLineString"}:
        yield value, where
    else:
        raise ItemError(f"{where}: no feature or geometry of GeoJSON (type {kind!r})", STATUS)


def _list(value: Any, where: str) -> list:
    if not isinstance(value, list):
        raise ItemError(f"{where}: a list is missing that GeoJSON has there", STATUS)
    return value


def _polygons(geometry: dict, where: str) -> Iterator[Polygon]:
    coordinates = geometry.get("coordinates")
    if geometry["type"] == "Polygon":
        yield _polygon(coordinates, where)
    elif geometry["type"] == "MultiPolygon":
        for part in _list(coordinates, where):
            yield _polygon(part, where)


def _polygon(rings: Any, where: str) -> Polygon:
    if not _list(rings, where):
        raise ItemError(f"{where}: a polygon without points", STATUS)
    exterior, *holes = (_opened(ring, where) for ring in rings)
    return Polygon(exterior, holes, where)


def _opened(ring: Any, where: str) -> list[tuple[float, float]]:
    """Check that a ring is closed, as GeoJSON asks for (RFC 7946, 3.1.6), and return it without the repeated point."""
    try:
        points = [(float(point[0]), float(point[1])) for point in _list(ring, where)]
    except (TypeError, ValueError, LookupError) as error:
        raise ItemError(f"{where}: a point is not a pair of numbers", STATUS) from error
    if len(points) < MIN_POINTS or not np.array_equal(points[0], points[-1]):
        raise ItemError(f"{where}: a ring is not closed: its last point must repeat its first", STATUS)
    return points[:-1]
