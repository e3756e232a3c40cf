"""Outlines for tests, and how to compare what was read."""

import numpy as np
from hypothesis import strategies as st

from wsi_core.contours import Contour

SLIDE_PX = (4000, 3000)
SQUARE = [[100, 200], [900, 200], [900, 1000], [100, 1000]]
HOLE = [[300, 400], [500, 400], [500, 600], [300, 600]]
FAR_SQUARE = [[2000, 1500], [2600, 1500], [2600, 2100], [2000, 2100]]

points = st.tuples(st.integers(0, SLIDE_PX[0] - 1), st.integers(0, SLIDE_PX[1] - 1))
outlines = st.lists(points, min_size=3, max_size=12, unique=True).map(lambda ring: np.array(ring, np.int32))
any_contours = st.lists(st.tuples(outlines, st.lists(outlines, max_size=3)), max_size=4).map(
    lambda drawn: [Contour(outline, holes, number) for number, (outline, holes) in enumerate(drawn)]
)


def plain(contours: list[Contour]) -> list[tuple[int, list, list]]:
    """Return contours as lists that can be compared."""
    assert all(ring.dtype == np.int32 for contour in contours for ring in (contour.outline, *contour.holes))
    return [(c.number, c.outline.tolist(), [hole.tolist() for hole in c.holes]) for c in contours]
