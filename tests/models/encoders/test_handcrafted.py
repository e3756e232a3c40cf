import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.encoders.build import HowToRun, build_encoder
from models.encoders.handcrafted import feature_names
from tests.models.encoders.pictures import tissue
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT

NAMES = feature_names()


@pytest.fixture(scope="module")
def describe():
    return build_encoder("handcrafted").prepare


def test_every_number_has_a_name_of_its_own():
    assert len(set(NAMES)) == len(NAMES) == build_encoder("handcrafted").dim


def test_the_document_explains_every_number_in_order():
    text = (PROJECT_ROOT / "docs" / "handcrafted.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \| \S", text, re.MULTILINE)
    assert [(int(number), name) for number, name in rows] == list(enumerate(NAMES))


@settings(max_examples=25, deadline=None)
@given(st.integers(16, 90), st.integers(16, 90), st.integers(0, 2**32 - 1), st.sampled_from(["noise", "flat"]))
def test_patches_of_any_size_give_finite_numbers_of_about_0_to_1(describe, height, width, seed, kind):
    rng = np.random.default_rng(seed)
    shape = (height, width, 3) if kind == "noise" else (1, 1, 3)
    image = np.broadcast_to(rng.integers(0, 256, shape, dtype=np.uint8), (height, width, 3))
    numbers = describe(np.ascontiguousarray(image))
    assert numbers.shape == (len(NAMES),) and numbers.dtype == np.float32
    assert numbers.min() >= -1e-6 and numbers.max() < 4  # NaN fails both


PATCHES_256 = {
    "black": np.zeros((256, 256, 3), np.uint8),
    "white": np.full((256, 256, 3), 255, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8),
    "checkers": np.kron(np.indices((64, 64)).sum(0) % 2, np.full((4, 4), 255))[..., None].repeat(3, 2).astype(np.uint8),
    "tissue": tissue(0, n_nuclei=60, radius_px=5),
}


@pytest.mark.parametrize("kind", PATCHES_256)
def test_no_patch_gives_numbers_far_from_0_to_1(describe, kind):
    numbers = describe(PATCHES_256[kind])
    outside = {name: value for name, value in zip(NAMES, numbers, strict=True) if not -0.01 <= value <= 2}
    assert not outside  # NaN is outside too


def test_the_same_pixels_give_the_same_numbers(describe):
    image = tissue(0, n_nuclei=30, radius_px=5)
    np.testing.assert_array_equal(describe(image), describe(image.copy()))


def test_dark_patches_have_more_haematoxylin_and_glass_is_glass(describe):
    def number(image: np.ndarray, name: str) -> float:
        return float(describe(image)[NAMES.index(name)])

    sparse, dense = (tissue(1, n_nuclei=n, radius_px=5) for n in (15, 90))
    glass = np.full((64, 64, 3), 245, np.uint8)
    assert number(dense, "haematoxylin_mean") > 1.5 * number(sparse, "haematoxylin_mean")
    assert number(dense, "nuclei_above_0.5") > 2 * number(sparse, "nuclei_above_0.5")
    assert number(glass, "glass_fraction") == 1 and number(dense, "glass_fraction") == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n_nuclei": 30, "radius_px": 5}, {"n_nuclei": 60, "radius_px": 5}),  # density
        ({"n_nuclei": 90, "radius_px": 4}, {"n_nuclei": 40, "radius_px": 6}),  # texture, at a like amount of stain
    ],
)
def test_density_and_texture_are_told_apart_on_unseen_patches(describe, one, other):
    known = [np.stack([describe(tissue(seed, **kind)) for seed in range(8)]) for kind in (one, other)]
    centres = [numbers.mean(axis=0) for numbers in known]
    for label, kind in enumerate((one, other)):
        for seed in range(100, 108):
            numbers = describe(tissue(seed, **kind))
            assert np.argmin([np.linalg.norm(numbers - centre) for centre in centres]) == label


def test_weights_make_no_sense_for_it():
    with pytest.raises(UsageError, match="no weights"):
        build_encoder("handcrafted", checkpoint="weights.pt")


@pytest.mark.parametrize("run", [HowToRun(compiled=True), HowToRun(dtype="bf16"), HowToRun(runtime="openvino")])
def test_how_a_network_would_be_run_changes_nothing_of_it_and_that_is_said(run, caplog):
    assert build_encoder("handcrafted", run=run).runtime == "numpy"
    assert "--compile, --dtype and --runtime change nothing" in caplog.text
