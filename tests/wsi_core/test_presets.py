"""The presets for pale slides: what they find and the default misses, and glass that stays glass under them.

Fabricated as scanners give it: tissue on glass, noise, JPEG. A pixel stands for 64 x 64 level-0 pixels, as it does
where slides are segmented. Faint H&E is the demo's tissue with a part of its optical density; IHC is barely tinted
stroma with pale blue nuclei and, in the tumour, brown ones.
"""

import cv2
import numpy as np
import pytest

from demo.tissue import GLASS_RGB, Plan, paint, plan_slide
from wsi_core.contours import tissue_mask
from wsi_core.overview import Overview
from wsi_core.params import SlideParams
from wsi_core.preset_file import COLUMNS, find_preset, read_preset
from wsi_core.segmentation import find_tissue

SIZE_PX = (1024, 768)
DOWNSAMPLE = 64.0
BLUE_DENSITY, BROWN_DENSITY = np.array([0.65, 0.60, 0.29]), np.array([0.27, 0.57, 0.78])


@pytest.fixture(scope="module")
def planned():
    """Where tissue is, and how it looks when it is stained well."""
    rng = np.random.default_rng(2)
    plan = plan_slide(SIZE_PX, True, rng)
    return plan, paint(plan, SIZE_PX, rng)


def where(plane):
    return cv2.resize(plane.astype(np.uint8), SIZE_PX, interpolation=cv2.INTER_NEAREST).astype(bool)


def faint(he_image, strength):
    return GLASS_RGB * (he_image / GLASS_RGB) ** strength


def ihc(plan: Plan, stroma_rgb):
    rng = np.random.default_rng(3)
    image = np.where(where(plan.tissue)[..., None], np.array(stroma_rgb, float), GLASS_RGB)
    for region, density, amount in ((plan.tissue, BLUE_DENSITY, 0.1), (plan.tumour, BROWN_DENSITY, 0.8)):
        spots = cv2.GaussianBlur((rng.random(SIZE_PX[::-1]) < 0.01).astype(float), (0, 0), 2) * 25
        image = image * np.exp(-amount * (spots * where(region))[..., None] * density)
    return image


def scanned(image, noise=2.5):
    """Add a scanner's noise and compress as scanners do."""
    noisy = image + np.random.default_rng(4).normal(0, noise, image.shape)
    rgb = np.clip(noisy, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def found(image, params):
    """Return where tissue is found in a scan, boolean (H, W)."""
    contours = find_tissue(Overview(image, (DOWNSAMPLE, DOWNSAMPLE)), params)
    return tissue_mask(contours, SIZE_PX, (1 / DOWNSAMPLE, 1 / DOWNSAMPLE), (0, 0))


def agreement(mask, plan):
    """Return the part of what is found or there that is both."""
    truth = where(plan.tissue)
    return (mask & truth).sum() / (mask | truth).sum()


def preset(name):
    return read_preset(find_preset(name))


@pytest.mark.parametrize("strength", [0.15, 0.12])
def test_faint_finds_tissue_that_the_default_misses(planned, strength):
    plan, he_image = planned
    image = scanned(faint(he_image, strength))
    assert agreement(found(image, preset("faint")), plan) > 0.9
    assert agreement(found(image, SlideParams()), plan) < 0.5


@pytest.mark.parametrize("stroma_rgb", [(236, 237, 242), (238, 239, 243)])
def test_ihc_finds_stroma_that_the_default_misses(planned, stroma_rgb):
    plan, _ = planned
    image = scanned(ihc(plan, stroma_rgb))
    assert agreement(found(image, preset("ihc")), plan) > 0.9
    assert agreement(found(image, SlideParams()), plan) < 0.5


@pytest.mark.parametrize("name", ["ihc", "faint"])
def test_pale_blue_and_full_stains_are_found_as_well(planned, name):
    plan, he_image = planned
    for image in (ihc(plan, (225, 228, 236)), he_image):
        assert agreement(found(scanned(image), preset(name)), plan) > 0.9


@pytest.mark.parametrize("name", ["ihc", "faint"])
@pytest.mark.parametrize("noise", [2, 3])
@pytest.mark.parametrize("glass_rgb", [tuple(GLASS_RGB), (246, 243, 243), (255, 255, 255)])
def test_glass_with_noise_stays_glass(name, noise, glass_rgb):
    glass = np.full((*SIZE_PX[::-1], 3), glass_rgb, float)
    tiny_areas_too = preset(name).model_copy(update={"a_t": 0})
    assert not found(scanned(glass, noise), tiny_areas_too).any()


def test_presets_for_pale_slides_differ_from_the_default_where_they_must():
    for name in ("ihc", "faint"):
        params = preset(name)
        assert params.sthresh < SlideParams().sthresh and not params.use_otsu  # Otsu makes tissue of blank glass


@pytest.mark.parametrize("name", ["bwh_biopsy", "bwh_resection", "faint", "ihc", "tcga"])
def test_a_shipped_preset_has_the_columns_of_the_original(name):
    assert tuple(find_preset(name).read_text().splitlines()[0].split(",")) == COLUMNS
