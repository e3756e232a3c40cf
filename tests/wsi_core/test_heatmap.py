import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import percentileofscore

from demo.slides import write_pyramid
from tests.slides import TISSUE, small_slide
from wsi_core.contours import Contour
from wsi_core.grid import Region
from wsi_core.heatmap import HeatmapStyle, draw_heatmap, in_region
from wsi_core.patch_sampling import sample_patches
from wsi_core.percentiles import percentiles_among, to_percentiles
from wsi_core.score_map import patch_cells, score_grid
from wsi_core.slide import Slide


@given(
    st.floats(1, 64, allow_nan=False),
    st.integers(16, 2048),
    hnp.arrays(np.int64, (5, 2), elements=st.integers(0, 200_000)),
)
def test_cells_are_within_a_pixel_of_the_truth_at_every_downsample(downsample, patch_px, corners):
    cells = patch_cells(corners, patch_px, np.array([downsample, downsample]))
    truth = np.concatenate([corners, corners + patch_px], axis=1) / downsample
    assert np.abs(cells - truth).max() <= 1 + 1e-6


@given(st.integers(0, 2**32 - 1))
def test_scores_are_averaged_where_patches_overlap(seed):
    rng = np.random.default_rng(seed)
    starts = rng.integers(-3, 20, (12, 2))
    cells = np.concatenate([starts, starts + rng.integers(1, 9, (12, 2))], axis=1)
    scores = rng.random(12)
    total, count = np.zeros((16, 18)), np.zeros((16, 18))
    for (x0, y0, x1, y1), score in zip(np.clip(cells, 0, None), scores, strict=True):
        total[y0:y1, x0:x1] += score
        count[y0:y1, x0:x1] += 1
    grid = score_grid(cells, scores, np.ones(12, bool), (18, 16))
    np.testing.assert_allclose(grid.expanded(grid.means), total / np.maximum(count, 1), atol=1e-6)


@given(
    hnp.arrays(float, st.integers(1, 40), elements=st.integers(0, 9)),
    hnp.arrays(float, 7, elements=st.integers(-2, 12)),
)
def test_percentiles_among_others_are_scipys(reference, scores):
    expected = percentileofscore(reference, scores, kind="rank")
    np.testing.assert_allclose(percentiles_among(scores, reference), expected)


def test_percentiles_share_the_average_rank():
    assert to_percentiles(np.array([3.0, 1.0, 3.0, 7.0])).tolist() == [62.5, 25.0, 62.5, 100.0]


def test_a_range_without_patches_gives_none():
    chosen, percentiles = sample_patches(np.arange(10.0), 5, "range_sample", score_range=(41, 49))
    assert len(chosen) == len(percentiles) == 0


@pytest.fixture
def slide(tmp_path):
    with Slide(small_slide(tmp_path / "a.tif")) as opened:
        yield opened


X0, Y0, X1, Y1 = TISSUE
CONTOURS = [Contour(np.array([[X0, Y0], [X1, Y0], [X1, Y1], [X0, Y1]], np.int32))]
COORDS = np.array([[256, 256], [512, 256], [1408, 256]])
SCORES = np.array([0.0, 0.6, 1.0])
PLAIN = HeatmapStyle(alpha=1.0, blank_canvas=True)


def draw(slide, style=PLAIN, **options):
    return draw_heatmap(slide, CONTOURS, COORDS, SCORES, 256, 0, style, **options)


def test_only_tissue_under_patches_is_painted(slide):
    picture = draw(slide)
    painted = (picture != 255).any(axis=2)
    assert painted[256:512, 256:768].all() and painted[256:512, 1408:1536].all()
    assert not painted[256:512, 1540:].any()  # the patch hangs over the tissue's edge
    assert not painted[600:].any() and not painted[:256].any()


def test_binarised_scores_below_the_threshold_are_not_painted(slide):
    picture = draw(slide, HeatmapStyle(alpha=1.0, blank_canvas=True, binarize=True, binary_thresh=0.5))
    painted = (picture != 255).any(axis=2)
    assert not painted[300, 300] and painted[300, 600] and painted[300, 1450]
    assert (picture[300, 600] == picture[300, 1450]).all()


def test_a_region_shows_its_part_and_patches_whose_corner_lies_in_it(slide):
    picture = draw(slide, region=Region((500, 200), (1500, 600)))
    assert picture.shape == (400, 1000, 3)
    painted = (picture != 255).any(axis=2)
    assert painted[100, 100]  # the patch at x 512
    assert not painted[100, :12].any()  # the patch at x 256 begins outside


def test_a_region_shows_patches_that_touch_it_where_asked_for(slide):
    region = Region((512, 256), (1408, 600))
    coords = np.array([[256, 256], [300, 400], [1200, 500], [1408, 300], [600, 0], [600, 1]])
    assert in_region(coords, 256, region, "touching").tolist() == [False, True, True, False, False, True]
    picture = draw(slide, region=Region((300, 300), (1500, 600)), roi_patches="touching")
    painted = (picture != 255).any(axis=2)
    assert painted[:200, :460].all()  # the patch whose corner is at 256


def test_alpha_blends_with_the_slide(slide):
    opaque = draw(slide, HeatmapStyle(alpha=1.0)).astype(float)
    half = draw(slide, HeatmapStyle(alpha=0.5)).astype(float)
    below = slide.read((0, 0), 0, slide.level_dimensions[0]).astype(float)
    assert np.abs(half - (opaque + below) / 2).max() <= 1


def test_blur_smooths_the_step_between_patches(slide):
    sharp = draw(slide)[380, 256:768].astype(int)
    blurred = draw(slide, HeatmapStyle(alpha=1.0, blank_canvas=True, blur=True))[380, 256:768].astype(int)
    assert np.abs(np.diff(blurred, axis=0)).max() < np.abs(np.diff(sharp, axis=0)).max() / 4


SLANTED = [Contour(np.array([[310, 90], [1490, 420], [1200, 1433], [260, 1020]], np.int32))]


@pytest.mark.parametrize("blur", [False, True])
@pytest.mark.parametrize("region", [None, Region((301, 103), (1703, 1399))])
@pytest.mark.parametrize(("blank_canvas", "grey_levels"), [(True, 1), (False, 40)])
def test_strips_show_what_the_whole_would(tmp_path, monkeypatch, blur, region, blank_canvas, grey_levels):
    rng = np.random.default_rng(1)
    noise = np.kron(rng.integers(0, 256, (150, 200, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    write_pyramid(tmp_path / "odd.tif", noise, sizes_px=((2000, 1500), (667, 501)))
    coords, scores = rng.integers(0, 1500, (300, 2)), rng.random(300)
    style = HeatmapStyle(alpha=0.5, blur=blur, blank_canvas=blank_canvas, overlap=0.75)
    with Slide(tmp_path / "odd.tif") as slide:
        whole = draw_heatmap(slide, SLANTED, coords, scores, 200, 1, style, region)
        monkeypatch.setattr("wsi_core.heatmap.BLOCK_PX", 70)
        monkeypatch.setattr("wsi_core.heatmap.WIDE_BLOCK_PX", 70)
        strips = draw_heatmap(slide, SLANTED, coords, scores, 200, 1, style, region)
    # OpenSlide takes whole level-0 pixels, so the slide below a strip may lie a sixth of a pixel off
    assert np.abs(strips.astype(int) - whole).max() <= grey_levels
