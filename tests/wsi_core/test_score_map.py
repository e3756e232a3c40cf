import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsi_core.score_map import ScoreMap


def naive(coords, values, shown, patch_px, downsample, size_px):
    """Paint the whole picture patch by patch."""
    total, count = np.zeros(size_px[::-1]), np.zeros(size_px[::-1])
    covered = np.zeros(size_px[::-1], bool)
    for corner, value, is_shown in zip(coords, values, shown, strict=True):
        x0, y0 = np.ceil(corner / downsample).astype(int).clip(0)
        x1, y1 = np.ceil((corner + patch_px) / downsample).astype(int).clip(0)
        total[y0:y1, x0:x1] += value
        count[y0:y1, x0:x1] += 1
        covered[y0:y1, x0:x1] |= is_shown
    return total / np.maximum(count, 1), covered


@given(
    seed=st.integers(0, 2**32 - 1),
    n_patches=st.integers(0, 60),
    patch_px=st.integers(1, 90),
    downsample=st.tuples(st.floats(0.7, 20), st.floats(0.7, 20)),
)
def test_any_window_at_any_downsample_shows_the_mean_of_the_patches(seed, n_patches, patch_px, downsample):
    rng = np.random.default_rng(seed)
    coords = rng.integers(-60, 400, (n_patches, 2))
    values, shown = rng.random(n_patches), rng.random(n_patches) < 0.7
    means, covered = naive(coords, values, shown, patch_px, np.array(downsample), (600, 600))
    x, y = rng.integers(0, 300, 2).tolist()
    width, height = rng.integers(1, 300, 2).tolist()
    got = ScoreMap(coords, values, patch_px, shown).window((x, y), (width, height), downsample)
    assert got[0].dtype == np.float32
    np.testing.assert_allclose(got[0], means[y : y + height, x : x + width], atol=1e-6)
    np.testing.assert_array_equal(got[1], covered[y : y + height, x : x + width])


@given(seed=st.integers(0, 2**32 - 1), patch_px=st.integers(1, 90))
def test_the_patches_over_a_point_are_found(seed, patch_px):
    rng = np.random.default_rng(seed)
    coords = rng.integers(0, 200, (50, 2))
    point = rng.integers(0, 250, 2)
    expected = np.flatnonzero(((coords <= point) & (point < coords + patch_px)).all(axis=1))
    np.testing.assert_array_equal(ScoreMap(coords, rng.random(50), patch_px).patches_at(*point), expected)


def test_a_window_works_only_on_the_patches_near_it():
    corners = np.stack(np.meshgrid(np.arange(300), np.arange(300)), axis=-1).reshape(-1, 2) * 64
    near = ScoreMap(corners, np.ones(len(corners)), 256)
    grid = near.grid((2048, 2048), (256, 256), (4, 4))
    assert grid.means.shape == (16, 16)  # parts of 64 level-0 pixels, not pixels
    assert grid.covered.all()
