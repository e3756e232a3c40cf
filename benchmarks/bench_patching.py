"""How much faster a whole contour is tested at once than point by point. Prints a table, asserts nothing.

    python -m benchmarks.bench_patching

Both ways run in turn in this process on the same outline; the ratio is that of their best times.
"""

import os
import platform
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from wsi_core.contours import Contour
from wsi_core.grid import Grid, patch_coords

N_ROUNDS = 3
# (vertices of the outline, side of the slide in pixels)
CASES = ((2_000, 20_000), (20_000, 50_000), (100_000, 100_000))
PATCH_PX = 256


def main() -> None:
    """Print a row for each size of slide."""
    print(_setting())
    print("vertices  slide_px  patches  at_once_s  point_by_point_s  ratio")
    cv2.setNumThreads(1)
    for n_vertices, side_px in CASES:
        outline = _outline(n_vertices, side_px)
        at_once_s, coords = _best(partial(_at_once, outline, side_px))
        by_point_s, same = _best(partial(_point_by_point, outline))
        if not np.array_equal(coords, same):
            raise SystemExit("the two ways differ")
        row = (n_vertices, side_px, len(coords), at_once_s, by_point_s, by_point_s / at_once_s)
        print("{:8d}  {:8d}  {:7d}  {:9.3f}  {:16.3f}  {:5.1f}".format(*row))


def _setting() -> str:
    """Return the date, the machine and the versions that the figures hold for."""
    machine = f"{platform.machine()}, {os.cpu_count()} processors (one thread used)"
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, OpenCV {cv2.__version__}"
    return f"{time.strftime('%Y-%m-%d')}, {machine}, {versions}"


def _outline(n_vertices: int, side_px: int) -> np.ndarray:
    """Return a wavy closed outline that fills most of a slide; int32 (V, 2)."""
    angle = np.linspace(0, 2 * np.pi, n_vertices, endpoint=False)
    radius = side_px * (0.4 + 0.04 * np.sin(9 * angle) + 0.01 * np.sin(81 * angle))
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None] + side_px / 2
    return points.astype(np.int32)


def _at_once(outline: np.ndarray, side_px: int) -> np.ndarray:
    return patch_coords([Contour(outline)], Grid(PATCH_PX, PATCH_PX, (1, 1), (side_px, side_px)))


def _point_by_point(outline: np.ndarray) -> np.ndarray:
    left, top, width, height = cv2.boundingRect(outline)
    shift = PATCH_PX // 4
    kept = []
    for x in range(left, left + width, PATCH_PX):
        for y in range(top, top + height, PATCH_PX):
            center_x, center_y = x + PATCH_PX // 2, y + PATCH_PX // 2
            corners = [(center_x + a * shift, center_y + b * shift) for a in (-1, 1) for b in (-1, 1)]
            if any(cv2.pointPolygonTest(outline, corner, False) >= 0 for corner in corners):
                kept.append((x, y))
    return np.array(kept)


def _best(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Return the best time in seconds of some rounds, and the result."""
    times = []
    for _ in range(N_ROUNDS):
        start_s = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start_s)
    return min(times), result


if __name__ == "__main__":
    main()
