"""Filters of patches: areas against shapely's, colours against what they stand for, and against real tissue."""

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.inputs import SEGMENTATIONS, slide_path
from utils.errors import UsageError
from wsi_core.contours import Contour
from wsi_core.quality import (
    FILTER_NAMES,
    PEN_HIGHEST_HSV,
    PEN_LOWEST_HSV,
    QualityFilters,
    mean_saturation,
    pen_fraction,
    reason_to_drop,
    sharpness,
    tissue_fraction,
)
from wsi_core.segmentation import segment_slide
from wsi_core.slide import Slide

PINK, GLASS = (205, 120, 165), (243, 243, 245)
ALL = QualityFilters(white_thresh=5, black_thresh=50, blur_thresh=20, pen_thresh=0.2)
# An outline that crosses a patch's rim cuts two cells there, whose tissue is taken as evenly spread: each is wrong by
# at most half a cell, and a cell is 1/64 of a patch where they are widest. Outlines that cross more often add theirs.
TOLERANCE = 0.02


def blob(rng, center, radius, n_points):
    angles = np.sort(rng.uniform(0, 2 * np.pi, n_points))
    waves = sum(rng.uniform(0, 0.2 / k) * np.cos(k * angles + rng.uniform(0, 2 * np.pi)) for k in range(2, 9))
    r = radius * (1 + waves)
    return np.rint(np.stack([center[0] + r * np.cos(angles), center[1] + r * np.sin(angles)], axis=1)).astype(np.int32)


def tissue(rng, side, n_points=400):
    """One piece of tissue with holes, and one without, on a square slide."""
    holes = [blob(rng, (side * (0.3 + 0.08 * i), side / 2), side * 0.03, 60) for i in (-1, 0, 1)]
    first = Contour(blob(rng, (side * 0.3, side / 2), side * 0.22, n_points), holes)
    return [first, Contour(blob(rng, (side * 0.77, side / 2), side * 0.17, n_points))]


def grid(side, step):
    x = np.arange(0, side, step)
    return np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)


def exact(coords, size, contours):
    valid = [
        shapely.Polygon(c.outline).buffer(0) - shapely.union_all([shapely.Polygon(h).buffer(0) for h in c.holes])
        for c in contours
    ]
    boxes = shapely.box(*coords.T, *(coords + size).T)
    return shapely.area(shapely.intersection(boxes, shapely.union_all(valid))) / np.prod(size)


def square(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.int32)


def flat(color, side=256):
    return np.full((side, side, 3), color, np.uint8)


def textured(color, spread=25.0):
    noise = np.random.default_rng(0).normal(0, spread, (256, 256, 1))
    return np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from([(256, 256), (250, 256), (96, 96), (512, 300)]),
    st.integers(30, 300),
)
def test_the_fraction_is_the_exact_area_within_what_is_stated(seed, size, step):
    contours = tissue(np.random.default_rng(seed), side=6000)
    coords = grid(6000, step)[::7]
    assert np.abs(tissue_fraction(coords, size, contours) - exact(coords, size, contours)).max() < TOLERANCE


def test_a_whole_resection_is_measured_as_finely_as_a_small_slide():
    rng = np.random.default_rng(1)
    contours = tissue(rng, side=60_000, n_points=8000)
    coords = grid(60_000, 93)
    fractions = tissue_fraction(coords, (256, 256), contours)
    at_edge = rng.choice(np.flatnonzero((fractions > 0) & (fractions < 1)), 1000, replace=False)
    errors = np.abs(fractions[at_edge] - exact(coords[at_edge], (256, 256), contours))
    assert len(coords) > 400_000 and errors.max() < TOLERANCE and errors.mean() < 0.003


def test_outlines_as_segmentation_finds_them_are_measured_too():
    mask = (cv2.GaussianBlur(np.random.default_rng(3).normal(size=(300, 300)), (0, 0), 8) > 0).astype(np.uint8)
    outlines, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [
        (outline.reshape(-1, 2) * 32, parent) for outline, parent in zip(outlines, hierarchy[0, :, 3], strict=True)
    ]
    contours = [
        Contour(ring, [hole for hole, above in rings if above == index])
        for index, (ring, parent) in enumerate(rings)
        if parent == -1 and len(ring) > 2
    ]
    coords = grid(9600, 131)
    assert np.abs(tissue_fraction(coords, (256, 256), contours) - exact(coords, (256, 256), contours)).max() < 0.05


@pytest.mark.parametrize("hole", [(800, 1500, 1300, 2500), (-400, 500, 700, 800), (100, -500, 300, 9000), (0, 0, 1, 1)])
def test_a_hole_that_reaches_beyond_its_outline_takes_from_that_alone(hole):
    contours = [Contour(square(500, 400, 1600, 1900), [square(*hole)]), Contour(square(0, 2000, 2000, 2600))]
    coords = grid(2600, 64)
    expected = exact(coords, (64, 64), contours)
    np.testing.assert_allclose(tissue_fraction(coords, (64, 64), contours), expected, atol=TOLERANCE)


def test_an_outline_that_crosses_itself_holds_what_the_tests_of_patches_take_for_inside():
    angles = np.arange(5) * 4 * np.pi / 5
    star = np.rint(1000 + 900 * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.int32)
    bow = np.array([[2000, 100], [3000, 900], [3000, 100], [2000, 900]], np.int32)
    coords = grid(3000, 50)
    fractions = tissue_fraction(coords, (50, 50), [Contour(star), Contour(bow)])
    centers = (coords + 25).astype(float)
    inside = [any(cv2.pointPolygonTest(ring, tuple(c), False) > 0 for ring in (star, bow)) for c in centers]
    whole = (fractions < 0.01) | (fractions > 0.99)
    assert whole.mean() > 0.8 and ((fractions > 0.5) == inside)[whole].all()


def test_a_patch_inside_is_one_outside_nought_and_in_a_hole_nought():
    contours = [Contour(square(0, 0, 9000, 9000), [square(3000, 3000, 6000, 6000)])]
    coords = np.array([[1000, 1000], [9500, 100], [4000, 4000], [2872, 4000]])
    assert tissue_fraction(coords, (256, 256), contours).tolist() == [1, 0, 0, 0.5]


def test_what_hangs_over_the_slide_is_no_tissue():
    contours = [Contour(square(0, 0, 1000, 1000))]
    assert tissue_fraction(np.array([[900, 100], [-100, -100]]), (200, 200), contours).tolist() == [0.5, 0.25]


def test_tissue_inside_a_hole_counts_and_overlapping_outlines_count_once():
    ring = Contour(square(0, 0, 4000, 4000), [square(1000, 1000, 3000, 3000)])
    island, twin = Contour(square(1500, 1500, 2500, 2500)), Contour(square(0, 0, 4000, 900))
    coords = np.array([[1800, 1800], [1100, 1100], [300, 300]])
    assert tissue_fraction(coords, (256, 256), [ring, island, twin]).tolist() == [1, 0, 1]


@pytest.mark.parametrize("turn", [slice(None), slice(None, None, -1)], ids=["clockwise", "anticlockwise"])
def test_it_does_not_matter_which_way_round_an_outline_runs(turn):
    contours = [Contour(square(0, 0, 4000, 4000)[turn], [square(1000, 1000, 3000, 3000)])]
    assert tissue_fraction(np.array([[100, 100], [1500, 1500]]), (256, 256), contours).tolist() == [1, 0]


@pytest.mark.parametrize("outline", [[[5, 5]], [[5, 5], [900, 5]], [[5, 5], [900, 5], [5, 5]]])
def test_outlines_without_area_and_no_outlines_hold_nothing(outline):
    coords = np.array([[0, 0], [1, 3]])
    assert tissue_fraction(coords, (256, 256), [Contour(np.array(outline, np.int32))]).tolist() == [0, 0]
    assert tissue_fraction(coords, (256, 256), []).tolist() == [0, 0]
    assert len(tissue_fraction(np.empty((0, 2), int), (256, 256), [Contour(square(0, 0, 9, 9))])) == 0


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (textured(PINK), ""),
        (textured(GLASS, 2), "white"),
        (textured((20, 20, 24), 5), "black"),
        (flat((0, 0, 0)), "black"),  # black has no saturation either
        (cv2.GaussianBlur(textured(PINK), (0, 0), 6), "blur"),
        (textured((40, 70, 170)), "pen"),
        (textured((30, 140, 90)), "pen"),
        (textured((60, 160, 180)), "pen"),
    ],
    ids=["tissue", "glass", "dark", "outside", "blurred", "blue", "green", "cyan"],
)
def test_a_patch_is_dropped_for_the_first_reason_that_applies(image, reason):
    assert reason_to_drop(image, ALL) == reason
    assert reason in ("", *FILTER_NAMES)
    assert reason_to_drop(image, QualityFilters()) == ""


def test_ink_counts_by_the_area_it_covers():
    half = textured(PINK)
    half[:, :128] = (40, 70, 170)
    assert pen_fraction(half) == 0.5
    assert reason_to_drop(half, QualityFilters(pen_thresh=0.5)) == ""
    assert reason_to_drop(half, QualityFilters(pen_thresh=0.49)) == "pen"


@given(st.tuples(*[st.floats(0, 4)] * 3))
def test_no_mixture_of_stains_has_the_hue_of_ink(amounts):
    densities = np.array([[0.65, 0.704, 0.286], [0.072, 0.99, 0.105], [0.268, 0.57, 0.776]])  # Ruifrok and Johnston
    color = np.exp(-np.array(amounts) @ densities).astype(np.float32)
    hue = cv2.cvtColor(color.reshape(1, 1, 3), cv2.COLOR_RGB2HSV)[0, 0, 0] / 2
    gray = np.ptp(color) < 1e-3
    assert gray or not PEN_LOWEST_HSV[0] + 0.5 < hue < PEN_HIGHEST_HSV[0] - 0.5


@pytest.mark.parametrize("name", ["cmu", "tcga_cr", "c3l_03262"])
def test_real_tissue_is_kept_and_real_glass_is_not(shared, name):
    with Slide(slide_path(shared, name)) as slide:
        width, height = slide.level_dimensions[0]
        image = slide.read((0, 0), 0, (width, height))
        contours = segment_slide(slide, SEGMENTATIONS["default"])
    coords = grid(max(width, height), 256)
    coords = coords[(coords + 256 <= (width, height)).all(axis=1)]
    fractions = tissue_fraction(coords, (256, 256), contours)
    patches = [image[y : y + 256, x : x + 256] for x, y in coords]
    reasons = np.array([reason_to_drop(patch, ALL) for patch in patches])
    assert set(reasons[fractions >= 0.5]) == {""}
    assert (reasons[fractions == 0] == "white").mean() > 0.9
    inner = [patch for patch, fraction in zip(patches, fractions, strict=True) if fraction >= 0.5]
    assert min(map(mean_saturation, inner)) > 30 and min(map(sharpness, inner)) > 70
    assert max(map(pen_fraction, inner)) < 0.1
    assert {reason_to_drop(cv2.GaussianBlur(patch, (0, 0), 4), ALL) for patch in inner} == {"blur"}


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({"min_tissue": 1.5}, "min_tissue 1.5: must be from 0 to 1"),
        ({"pen_thresh": -0.1}, "pen_thresh -0.1: must be from 0 to 1"),
        ({"white_thresh": 256}, "white_thresh 256: must be from 0 to 255"),
        ({"black_thresh": float("nan")}, "black_thresh nan: must be from 0 to 255"),
        ({"blur_thresh": -1}, "blur_thresh -1: must be 0 or more"),
    ],
)
def test_a_threshold_out_of_range_is_refused(threshold, message):
    with pytest.raises(UsageError, match=message):
        QualityFilters(**threshold)


def test_filters_say_what_they_are_and_whether_they_look_at_pixels():
    assert not QualityFilters().needs_pixels and QualityFilters().as_text() == {}
    assert not QualityFilters(min_tissue=0.5).needs_pixels
    assert QualityFilters(blur_thresh=0).needs_pixels
    assert QualityFilters(min_tissue=0.25, white_thresh=5).as_text() == {"min_tissue": "0.25", "white_thresh": "5"}
