"""Features of a real slide equal those of the original."""

import numpy as np
import pytest

from datasets.patches import SlidePatches
from models.encoders.build import HowToRun, build_encoder
from stages.encoding import SlideEncoder
from tests.golden.inputs import slide_path
from tests.runtimes import require_runtime
from wsi_core.coords_file import PatchCoords
from wsi_core.patch_reading import PatchReading


@pytest.fixture(scope="module")
def patches(shared):
    with np.load(shared / "goldens" / "coords.npz") as golden:
        coords = golden["cmu|biopsy|256|256|0|four_pt|True"].astype(np.int64)
    return PatchCoords(coords=coords, reading=PatchReading(0, 256, 256, 256))


def encode(shared, patches, encoder):
    with SlideEncoder([SlidePatches(slide_path(shared, "cmu"), patches)], [encoder], batch_size=16) as slides:
        return slides.next_slide().features[0]


def least_cosine(features, expected):
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
    return ((features * expected).sum(1) / lengths).min()


def test_resnet50_trunc_features_are_equal(shared, patches):
    encoder = build_encoder("resnet50_trunc", checkpoint=str(shared / "weights" / "resnet50_trunc_pruned.pt"))
    features = encode(shared, patches, encoder)
    with np.load(shared / "goldens" / "features_cmu_resnet50_pruned.npz") as golden:
        expected = golden["features"]
        np.testing.assert_array_equal(patches.coords, golden["coords"])
    assert least_cosine(features, expected) >= 0.9999
    assert np.abs(features - expected).max() <= 2e-3


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_lower_precision_keeps_the_direction_of_every_feature(shared, patches, runtime):
    require_runtime(runtime, "bf16")
    weights = str(shared / "weights" / "resnet50_trunc_pruned.pt")
    run = HowToRun(dtype="bf16", runtime=runtime)
    features = encode(shared, patches, build_encoder("resnet50_trunc", checkpoint=weights, run=run))
    with np.load(shared / "goldens" / "features_cmu_resnet50_pruned.npz") as golden:
        assert least_cosine(features, golden["features"]) >= 0.999


def test_every_handcrafted_number_says_something_about_a_real_slide(shared, patches):
    features = encode(shared, patches, build_encoder("handcrafted"))
    assert np.isfinite(features).all() and features.min() >= 0 and features.max() < 1.5
    assert features.std(axis=0).min() > 1e-3
