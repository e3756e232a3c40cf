"""Annotations in XML, as Aperio ImageScope and ASAP write them: polygons in level-0 pixels."""

import logging
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
import shapely
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from utils.errors import ItemError
from wsi_core.contours import Contour
from wsi_core.outlines.polygons import MIN_POINTS, STATUS, Polygon, contours_of

logger = logging.getLogger(__name__)

Points = list[tuple[float, float]]

# ImageScope's types of regions that have an area.
APERIO_POLYGON, APERIO_RECTANGLE, APERIO_ELLIPSE = "0", "1", "2"
ASAP_AREAS = {"Polygon", "Rectangle", "Spline"}
ELLIPSE_POINTS = 64


def read_annotation_xml(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Read the regions of a file, numbered from 0 in their order; arrows, rulers and points are passed over.

    A region that ImageScope marks as negative is a hole of the smallest region around it.

    Args:
        path: the file.
        slide_size_level0: width and height of the slide.

    Raises:
        ItemError: it is no XML of either kind, a region is none or lies outside the slide (status ``failed_seg``).
    """
    try:
        root = parse(path, forbid_dtd=True).getroot()
    except (OSError, ParseError, DefusedXmlException, ValueError) as error:
        raise ItemError(f"{path.name} is no XML that can be read: {error}", STATUS) from error
    readers = {"Annotations": _aperio, "ASAP_Annotations": _asap}
    if root.tag not in readers:
        raise ItemError(f"{path.name}: {root.tag} is no root of Aperio's or ASAP's annotations", STATUS)
    return contours_of(readers[root.tag](root, path.name), slide_size_level0)


def _aperio(root: Element, name: str) -> list[Polygon]:
    tissue: list[Polygon] = []
    negative: list[Polygon] = []
    regions = [region for annotation in root.iter("Annotation") for region in annotation.iter("Region")]
    for number, region in enumerate(regions):
        where = f"{name}, region {region.get('Id', number)}"
        points = _aperio_points(region, where)
        if points is not None:
            (negative if region.get("NegativeROA") == "1" else tissue).append(Polygon(points, [], where))
    _report(name, len(regions) - len(tissue) - len(negative))
    for hole in negative:
        around = [polygon for polygon in tissue if _contains(polygon, hole)]
        if around:
            min(around, key=_area).holes.append(hole.exterior)
    return tissue


def _aperio_points(region: Element, where: str) -> Points | None:
    """Return the outline of a region, or None where it has no area."""
    points = [(_number(vertex, "X", where), _number(vertex, "Y", where)) for vertex in region.iter("Vertex")]
    kind = region.get("Type", APERIO_POLYGON)
    if kind == APERIO_ELLIPSE:
        return _ellipse(points, where)
    if kind == APERIO_RECTANGLE and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    return points if kind in {APERIO_POLYGON, APERIO_RECTANGLE} else None


def _ellipse(points: Points, where: str) -> Points:
    """Return a polygon for the ellipse in a bounding box."""
    if not points:
        raise ItemError(f"{where}: an ellipse without its bounding box", STATUS)
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return [(x, y) for x, y in ((low + high) / 2 + circle * (high - low) / 2).tolist()]


def _asap(root: Element, name: str) -> list[Polygon]:
    annotations = list(root.iter("Annotation"))
    areas = [annotation for annotation in annotations if annotation.get("Type") in ASAP_AREAS]
    _report(name, len(annotations) - len(areas))
    return [_asap_polygon(area, f"{name}, annotation {area.get('Name', number)}") for number, area in enumerate(areas)]


def _asap_polygon(annotation: Element, where: str) -> Polygon:
    coordinates = sorted(annotation.iter("Coordinate"), key=lambda point: _number(point, "Order", where))
    return Polygon([(_number(point, "X", where), _number(point, "Y", where)) for point in coordinates], [], where)


def _number(element: Element, name: str, where: str) -> float:
    try:
        return float(element.get(name, "").replace(",", "."))  # as ASAP writes it where people do
    except ValueError as error:
        raise ItemError(f"{where}: {name} {element.get(name)!r} is no number", STATUS) from error


def _contains(polygon: Polygon, hole: Polygon) -> bool:
    if min(len(polygon.exterior), len(hole.exterior)) < MIN_POINTS:
        return False
    return bool(shapely.Polygon(polygon.exterior).intersects(shapely.Point(np.mean(hole.exterior, axis=0))))


def _area(polygon: Polygon) -> float:
    return shapely.Polygon(polygon.exterior).area


def _report(name: str, n_passed_over: int) -> None:
    if n_passed_over:
        logger.warning("%s: %d annotations without an area (arrows, points) are passed over", name, n_passed_over)
