"""The contour tests against OpenCV's, point by point."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsi_core.contour_tests import patches_in_contour
from wsi_core.contours import Contour
from wsi_core.polygon_grid import classify_grid

COMBINE = {"basic": all, "center": all, "four_pt": any, "four_pt_hard": all}


def by_opencv(outline, x, y):
    return cv2.pointPolygonTest(outline, (float(x), float(y)), False)


def points_of_rule(rule, patch_px, shift_part):
    """Return the points that a rule looks at, from a patch's corner."""
    half, shift = patch_px // 2, int(patch_px // 2 * shift_part)
    four = [(half + a * shift, half + b * shift) for a in (-1, 1) for b in (-1, 1)]
    return {"basic": [(0, 0)], "center": [(half, half)]}.get(rule, four)


def one_by_one(contour, corner, rule, patch_px, shift_part):
    """Test one patch as the definition reads."""
    x, y = corner
    points = points_of_rule(rule, patch_px, shift_part)
    inside = COMBINE[rule](by_opencv(contour.outline, x + a, y + b) >= 0 for a, b in points)
    in_hole = any(by_opencv(hole, x + patch_px / 2, y + patch_px / 2) > 0 for hole in contour.holes)
    return inside and not in_hole


def random_outline(rng, n_vertices, span):
    """Return any closed line: it may cross and touch itself, repeat vertices and run along the grid."""
    return rng.integers(0, span, (n_vertices, 2)).astype(np.int32)


@pytest.mark.parametrize("rule", COMBINE)
def test_100_000_random_points_on_edges_and_vertices_too(rule):
    rng = np.random.default_rng(sorted(COMBINE).index(rule))
    n_points = n_on_edge = 0
    while n_points < 30_000:  # for each of the four rules
        span = int(rng.choice([6, 9, 20, 300]))
        contour = Contour(
            random_outline(rng, rng.integers(1, 12), span),
            [random_outline(rng, rng.integers(1, 8), span) for _ in range(rng.integers(0, 3))],
        )
        patch_px, shift_part = int(rng.integers(1, span)), float(rng.choice([0, 0.375, 0.5, 0.625]))
        # columns and rows through vertices, so that many points lie exactly on the outline
        offset = points_of_rule(rule, patch_px, shift_part)[0][0]
        xs = np.unique(np.append(contour.outline[:, 0] - offset, rng.integers(-span, span, 12)))
        ys = np.unique(np.append(contour.outline[:, 1] - offset, rng.integers(-span, span, 12)))
        found = patches_in_contour(contour, xs, ys, rule, patch_px, shift_part)
        for i, x in enumerate(xs):
            for j, y in enumerate(ys):
                assert found[i, j] == one_by_one(contour, (x, y), rule, patch_px, shift_part), (contour, x, y, patch_px)
        n_points += found.size * len(points_of_rule(rule, patch_px, shift_part))
        n_on_edge += int(classify_grid(contour.outline, xs + offset, ys + offset)[1].sum())
    assert n_on_edge > 200


@st.composite
def traced_outlines(draw):
    """Outlines as segmentation makes them: traced around random pixels, with spikes and touching corners."""
    pixels = draw(st.lists(st.integers(0, 1), min_size=64, max_size=64))
    found, _ = cv2.findContours(np.array(pixels, np.uint8).reshape(8, 8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [outline.reshape(-1, 2) * 6 for outline in found]


@settings(deadline=None, max_examples=40)
@given(traced_outlines(), st.integers(1, 24), st.sampled_from([0.0, 0.375, 0.5, 0.625]), st.sampled_from([*COMBINE]))
def test_outlines_of_segmentation(found, patch_px, shift_part, rule):
    xs, ys = np.arange(-9, 48, 4), np.arange(-9, 48, 5)
    for outline in found:
        contour = Contour(outline, found[:2])
        expected = [[one_by_one(contour, (x, y), rule, patch_px, shift_part) for y in ys] for x in xs]
        assert patches_in_contour(contour, xs, ys, rule, patch_px, shift_part).tolist() == expected


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9),
    st.sampled_from([1, 1_000_003, 100_000_007]),
)
def test_any_polygon_at_any_size(vertices, scale):
    outline = np.array(vertices, np.int32) * np.int32(scale)
    xs = ys = np.arange(-10, 11) * (scale)
    inside, on_edge = classify_grid(outline, xs, ys)
    small = np.array(vertices, np.int32)  # OpenCV computes in single precision
    expected = np.array([[by_opencv(small, x, y) for y in range(-10, 11)] for x in range(-10, 11)])
    assert (inside == (expected >= 0)).all() and (on_edge == (expected == 0)).all()


@pytest.mark.parametrize(("n_columns", "n_rows"), [(0, 3), (3, 0), (0, 0)])
def test_an_empty_grid_has_no_points(n_columns, n_rows):
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]])
    assert classify_grid(square, np.arange(n_columns), np.arange(n_rows))[0].shape == (n_columns, n_rows)
