"""``<slide>_patches.geojson``: patches with their attention, to be dropped onto the slide in QuPath 0.4 or later.

A FeatureCollection with one Polygon a patch, in level-0 pixels from the top left corner, as QuPath has them. RFC 7946
leaves coordinates other than longitude and latitude to those who agree on them. Written here, read by QuPath.

``objectType`` is ``tile``: QuPath's kind of detection for regions that are no structure by themselves. Like every
detection it may be there in large numbers, cannot be dragged by accident, and is coloured by *Measurement maps*;
annotations, which a feature without a type becomes, are and do none of that.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.atomic import atomic_path

OBJECT_TYPE = "tile"
NUMBER = "%.7g"  # all that a float32 tells
ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class PatchClass:
    """A classification of QuPath: its name and its colour, RGB 0 to 255."""

    name: str
    color: tuple[int, int, int]


def write_patches_geojson(
    path: Path,
    coords: np.ndarray,
    size_level0: int,
    measurements: Mapping[str, np.ndarray],
    classes: Sequence[PatchClass | None] | None = None,
) -> None:
    """Write patches, atomically, a feature a line.

    Args:
        path: the file.
        coords: integers (N, 2), level-0 (x, y) of the corners.
        size_level0: side of a patch in level-0 pixels.
        measurements: name in QuPath → values (N,). Values that are not finite are left out, which QuPath shows as NaN.
        classes: of each patch (N,); None for one that has none, or for all.

    Raises:
        ValueError: measurements or classes are of another number of patches.
    """
    features = _features(coords, size_level0, measurements, classes)
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type":"FeatureCollection","features":[')
        file.writelines(f"{',' if number else ''}\n{feature}" for number, feature in enumerate(features))
        file.write("\n]}\n")


def _features(
    coords: np.ndarray,
    size_level0: int,
    measurements: Mapping[str, np.ndarray],
    classes: Sequence[PatchClass | None] | None,
) -> Iterator[str]:
    rings = _rings(coords, size_level0).tolist()
    columns = [values.tolist() for values in measurements.values()]
    rows = zip(*columns, strict=True) if columns else [()] * len(rings)
    kinds = [None] * len(rings) if classes is None else classes
    for ring, values, kind in zip(rings, rows, kinds, strict=True):
        properties: dict[str, object] = {"objectType": OBJECT_TYPE}
        if kind is not None:
            properties["classification"] = {"name": kind.name, "color": kind.color}
        properties["measurements"] = {
            name: float(NUMBER % value)
            for name, value in zip(measurements, values, strict=True)
            if math.isfinite(value)
        }
        geometry = {"type": "Polygon", "coordinates": [ring]}
        yield ENCODER.encode({"type": "Feature", "geometry": geometry, "properties": properties})


def _rings(coords: np.ndarray, size_level0: int) -> np.ndarray:
    """Return the closed outlines (N, 5, 2).

    Counter-clockwise as RFC 7946 asks, which means it of coordinates whose y goes up: there this way round encloses an
    area above 0. On a screen, where y goes down, it looks clockwise.
    """
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    return coords[:, None] + size_level0 * corners
