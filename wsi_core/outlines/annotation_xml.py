"""Annotations in XML, as Aperio ImageScope and ASAP write them: polygons in level-0 pixels."""

import logging
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
import shapely
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from utils.errors import ItemError, one_line
from wsi_core.contours import Contour
from wsi_core.outlines.polygons import STATUS, Polygon, Ring, contours_of, require_polygons

logger = logging.getLogger(__name__)

# ImageScope's types of regions that have an area; others are arrows and rulers.
APERIO_POLYGON, APERIO_RECTANGLE, APERIO_ELLIPSE = "0", "1", "2"
ASAP_AREAS = ("Polygon", "Rectangle", "Spline")
ELLIPSE_POINTS = 64


def read_annotation_xml(path: Path, slide_size_level0: tuple[int, int]) -> list[Contour]:
    """Read the regions of a file, numbered from 0 in their order; arrows, rulers and points are passed over.

    A region that ImageScope marks as negative is a hole of the smallest region around it, and has no number.

    Args:
        path: the file.
        slide_size_level0: width and height of the slide.

    Raises:
        ItemError: it is no XML of either kind, has no region with an area, or a region is none or lies outside the
            slide (status ``failed_seg``).
    """
    root = _parse(path)
    readers = {"Annotations": _aperio, "ASAP_Annotations": _asap}
    if root.tag not in readers:
        raise ItemError(f"{path.name}: {_line(root.tag)} is no root of Aperio's or ASAP's annotations", STATUS)
    return contours_of(readers[root.tag](root, path.name), slide_size_level0)


def _parse(path: Path) -> Element:
    try:
        return parse(path, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        message = f"{path.name} has a DTD or entities, which are refused; annotations need none"
        raise ItemError(message, STATUS) from error
    except (OSError, ParseError, ValueError, LookupError) as error:
        raise ItemError(f"{path.name} is no XML that can be read: {one_line(error)}", STATUS) from error


def _aperio(root: Element, name: str) -> list[Polygon]:
    regions = [
        (region, f"{name}, annotation {_label(layer, 'Id', i)}, region {_label(region, 'Id', j)}")
        for i, layer in enumerate(root.iter("Annotation"))
        for j, region in enumerate(layer.iter("Region"))
    ]
    areas = [(region, where) for region, where in regions if region.get("Type", APERIO_POLYGON) in _APERIO_AREAS]
    polygons = [Polygon(_aperio_ring(*area)) for area in areas if not _is_hole(area[0])]
    require_polygons(name, n_polygons=len(polygons), n_passed_over=len(regions) - len(areas))
    _cut_out([_aperio_ring(*area) for area in areas if _is_hole(area[0])], polygons)
    return polygons


def _is_hole(region: Element) -> bool:
    return region.get("NegativeROA") == "1"


def _aperio_ring(region: Element, where: str) -> Ring:
    vertices = _points(region.iter("Vertex"), where)
    return Ring(_APERIO_AREAS[region.get("Type", APERIO_POLYGON)](vertices), where)


def _rectangle(vertices: np.ndarray) -> np.ndarray:
    """Return four corners for four, or for two that are opposite."""
    if len(vertices) != 2:
        return vertices
    (x0, y0), (x1, y1) = vertices
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _ellipse(vertices: np.ndarray) -> np.ndarray:
    """Return a polygon for the ellipse whose bounding box has these corners."""
    if not len(vertices):
        return vertices
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
    return (low + high) / 2 + np.stack([np.cos(angle), np.sin(angle)], axis=1) * (high - low) / 2


_APERIO_AREAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    APERIO_POLYGON: np.asarray,
    APERIO_RECTANGLE: _rectangle,
    APERIO_ELLIPSE: _ellipse,
}


def _cut_out(holes: list[Ring], polygons: list[Polygon]) -> None:
    """Give every hole to the smallest polygon that most of its points lie in."""
    outlines = shapely.polygons([shapely.linearrings(polygon.exterior.points) for polygon in polygons])
    smallest_first = np.argsort(shapely.area(outlines), kind="stable").tolist()
    shapely.prepare(outlines)
    for hole in holes:
        around = (i for i in smallest_first if shapely.intersects_xy(outlines[i], hole.points).mean() > 0.5)
        index = next(around, None)
        if index is None:
            logger.warning("%s: is negative, but no region is around it; passed over", hole.where)
        else:
            polygons[index].holes.append(hole)


def _asap(root: Element, name: str) -> list[Polygon]:
    annotations = list(enumerate(root.iter("Annotation")))
    areas = [
        (annotation, f"{name}, annotation {_label(annotation, 'Name', number)}")
        for number, annotation in annotations
        if annotation.get("Type") in ASAP_AREAS
    ]
    require_polygons(name, n_polygons=len(areas), n_passed_over=len(annotations) - len(areas))
    return [Polygon(_asap_ring(*area)) for area in areas]


def _asap_ring(annotation: Element, where: str) -> Ring:
    ordered = sorted(annotation.iter("Coordinate"), key=lambda point: _number(point, "Order", where))
    return Ring(_points(ordered, where), where)


def _points(elements: Iterable[Element], where: str) -> np.ndarray:
    points = [(_number(element, "X", where), _number(element, "Y", where)) for element in elements]
    return np.array(points, float).reshape(-1, 2)


def _number(element: Element, name: str, where: str) -> float:
    text = element.get(name, "")
    try:
        number = float(text.replace(",", "."))  # some computers write decimals with a comma
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ItemError(f"{where}: {name}={_line(text)!r} is no number", STATUS)
    return number


def _label(element: Element, name: str, number: int) -> str:
    """Return what the user knows an element by, or else its number."""
    return _line(element.get(name) or str(number))


def _line(text: str) -> str:
    return " ".join(text.split())[:80]
