"""The page of a slide in a browser: what is seen where, and what its controls do."""

import io
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlparse

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.slides import PINK
from tests.stages.viewer.conftest import key_of
from tests.stages.viewer.fabricated import SIDE, percentile_of, rightwards, upwards
from wsi_core.colour_map import colour_numbers, colour_table

PATCH = (384, 512)  # a corner; its tissue is plain
MIDDLE = (PATCH[0] + SIDE // 2, PATCH[1] + SIDE // 2)
PLAIN = {"x": MIDDLE[0], "y": MIDDLE[1], "zoom": 0, "scores_of": "block", "opacity": 50}


@pytest.fixture
def show(page: Page, viewer) -> Callable[..., Page]:
    """Open the page of a slide at a view, by default with a known patch in the middle."""

    def show(slide_id: str = "right", **view: object) -> Page:
        page.goto(f"/slides/{key_of(viewer, slide_id)}#{urlencode({**PLAIN, **view})}")
        settled(page)
        return page

    return show


def settled(page: Page) -> None:
    """Wait until all tiles are there."""
    for view in page.locator(".view:visible").all():
        expect(view).to_have_attribute("aria-busy", "false")


def picture_of(page: Page, view: str) -> np.ndarray:
    """Return what is seen of a view; int RGB (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(page.locator(view).screenshot())).convert("RGB")).astype(int)


def colour_in_the_middle(page: Page, view: str = "#map") -> np.ndarray:
    """Return the colour that is seen in the middle of a view; int (3,)."""
    settled(page)
    image = picture_of(page, view)
    row, column = image.shape[0] // 2, image.shape[1] // 2
    return np.median(image[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3), axis=0)


def blended(percentile: float, opacity: float, colours: str = "jet") -> np.ndarray:
    """Return the colour of the tissue under a score."""
    colour = colour_table(colours)[colour_numbers(np.array(percentile / 100))]
    return opacity * colour + (1 - opacity) * np.array(PINK)


def slide_to(slider: Locator, value: int) -> None:
    slider.fill(str(value))


def view_in(address: str) -> dict[str, str]:
    """Return what a link says."""
    return {name: values[0] for name, values in parse_qs(urlparse(address).fragment).items()}


def wait_for_link(page: Page, is_right: Callable[[dict[str, str]], bool]) -> None:
    """Wait until the link of the page says what it should, or fail."""
    page.wait_for_url(lambda address: is_right(view_in(address)))


def wait_for_view(page: Page, **expected: object) -> None:
    """Wait until the link has these values, where they are None none."""
    wait_for_link(
        page,
        lambda view: all(
            view.get(name) == (value if value is None else str(value)) for name, value in expected.items()
        ),
    )


def test_a_slide_opens_as_a_whole_with_what_is_known_of_it(page, viewer):
    page.goto(f"/slides/{key_of(viewer, 'wrong')}")
    settled(page)
    expect(page.locator("#said")).to_have_text(re.compile(r"Label normal.*clam tumor 0.600 ± 0.020wrong.*abmil tumor"))
    expect(page.locator("#predictions caption").first).to_have_text("clam (clam_mb, 5 folds)")
    expect(page.locator(".scale-bar")).to_have_text("100 µm")
    expect(page.locator("#strip img")).to_have_count(16)
    wait_for_view(page, x=None, zoom=None, opacity=40)


def test_the_colour_over_a_patch_is_that_of_its_score(show):
    page = show()
    expected = blended(percentile_of(PATCH, rightwards), 0.5)
    assert colour_in_the_middle(page) == pytest.approx(expected, abs=5)


def test_opacity_colours_and_the_switch_change_what_is_seen(show):
    page = show()
    percentile = percentile_of(PATCH, rightwards)
    slide_to(page.get_by_role("slider", name="Opacity"), 90)
    assert colour_in_the_middle(page) == pytest.approx(blended(percentile, 0.9), abs=5)
    page.get_by_label("Colours").select_option("viridis")
    assert colour_in_the_middle(page) == pytest.approx(blended(percentile, 0.9, "viridis"), abs=5)
    page.get_by_label("Show").uncheck()
    assert colour_in_the_middle(page) == pytest.approx(PINK, abs=5)
    wait_for_view(page, opacity=90, colours="viridis", overlay=0)


def test_scores_below_the_threshold_are_not_painted(show):
    page = show()
    percentile = percentile_of(PATCH, rightwards)
    slider = page.get_by_role("slider", name="Hide below")
    slide_to(slider, int(percentile))
    assert colour_in_the_middle(page) == pytest.approx(blended(percentile, 0.5), abs=5)
    slide_to(slider, int(percentile) + 1)
    assert colour_in_the_middle(page) == pytest.approx(PINK, abs=5)


def test_class_and_model_choose_the_scores(show):
    page = show()
    above = blended(percentile_of(PATCH, upwards), 0.5)
    page.get_by_label("Towards").select_option("normal")
    assert colour_in_the_middle(page) == pytest.approx(above, abs=5)
    page.get_by_label("Towards").select_option("tumor")
    page.get_by_label("Model").select_option("abmil")
    assert colour_in_the_middle(page) == pytest.approx(above, abs=5)
    expect(page.get_by_label("Towards")).to_be_hidden()  # it has one branch for all classes


def test_the_original_stands_beside_it_at_the_same_place(show):
    page = show()
    page.get_by_label("Original beside it").check()
    assert colour_in_the_middle(page, "#plain") == pytest.approx(PINK, abs=5)
    assert colour_in_the_middle(page) == pytest.approx(blended(percentile_of(PATCH, rightwards), 0.5), abs=5)
    box = page.locator("#plain").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 150, steps=4)
    page.mouse.up()
    wait_for_link(page, lambda view: int(view["x"]) >= MIDDLE[0] + 95 and int(view["y"]) >= MIDDLE[1] + 45)
    page.keyboard.press("o")
    page.mouse.move(box["x"] + 200, 5)
    settled(page)
    one, other = (picture_of(page, view)[100:400, 100:400] for view in ("#plain", "#map"))
    assert one.std() > 10 and abs(one - other).mean() < 1  # both show where the hole begins


def test_outlines_of_the_tissue_are_drawn_where_it_begins(show):
    page = show(x=256, y=512, overlay=0)
    without = colour_in_the_middle(page)
    page.get_by_label("Outline of the tissue").check()
    page.wait_for_timeout(200)
    assert abs(colour_in_the_middle(page) - without).max() > 40


def test_a_patch_of_the_strip_moves_the_view_there_and_tells_its_place(show):
    page = show()
    page.get_by_role("button", name="Rank 80").click()
    wait_for_view(page, x=256 + 64, y=256 + 64)
    expect(page.get_by_role("button", name="Rank 80")).to_have_attribute("aria-current", "true")


def test_a_click_on_the_slide_tells_the_score_there(show):
    page = show()
    page.locator("#map").click()
    percentile = percentile_of(PATCH, rightwards)
    said = page.locator(".leaflet-popup-content")
    expect(said).to_contain_text(f"Percentile{percentile:.1f}")
    expect(said).to_contain_text(re.compile(r"Rank\d+ of 80Raw score384.1Patch x, y384, 512"))
    page.keyboard.press("Escape")
    expect(said).to_have_count(0)
    page.locator("#map").click(position={"x": 60, "y": 560})
    expect(said).to_have_text("No patch here.")


def test_the_keyboard_does_what_the_help_says(show):
    page = show()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("attention on and off")
    page.keyboard.press("Escape")
    for key in ("o", "c", "s", ".", "]"):
        page.keyboard.press(key)
    wait_for_view(page, overlay=0, contours=1, side=1, opacity=55, **{"from": 5})
    page.keyboard.press("s")
    page.keyboard.press("+")
    wait_for_view(page, zoom=1)
    page.keyboard.press("ArrowRight")
    wait_for_view(page, x=MIDDLE[0] + 80)
    page.keyboard.press("0")
    wait_for_view(page, zoom=None)


def test_from_slide_to_slide_settings_stay(show, viewer):
    page = show("right", opacity=70, colours="magma")
    order = viewer.results.keys
    at = order.index(key_of(viewer, "right"))
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile(order[at - 1]))
    settled(page)
    wait_for_view(page, opacity=70, colours="magma", x=None)
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(order[at]))


def test_the_link_restores_the_view(show):
    link = {"x": 700, "y": 450, "zoom": 1.25, "model": "abmil", "class_name": "", "scores_of": "fine",
            "colours": "turbo", "opacity": 65, "from": 30, "overlay": 1, "contours": 1, "side": 1}  # fmt: skip
    page = show("right", **link)
    wait_for_link(page, lambda view: view == {name: str(value) for name, value in link.items() if value != ""})
    expect(page.get_by_label("Model")).to_have_value("abmil")
    expect(page.get_by_label("Original beside it")).to_be_checked()
    page.evaluate("location.hash = location.hash.replace('opacity=65', 'opacity=20').replace('x=700', 'x=800')")
    expect(page.get_by_role("slider", name="Opacity")).to_have_value("20")
    wait_for_view(page, x=800)


def test_a_link_that_makes_no_sense_shows_the_slide_all_the_same(show):
    page = show(x="nan", zoom="", model="<b>", scores_of="none", colours="nowhere", opacity=1000)
    wait_for_view(page, colours="jet", opacity=40)
    expect(page.get_by_label("Model")).to_have_value("clam")


def test_a_slide_whose_file_is_gone_says_so_and_is_seen_in_its_thumbnail(show):
    page = show("gone")
    expect(page.get_by_role("alert")).to_contain_text("gone.tif is not there")
    expected = blended(percentile_of(PATCH, rightwards), 0.5)
    assert colour_in_the_middle(page) == pytest.approx(expected, abs=8)
    expect(page.locator("#strip button")).to_have_count(16)


def test_on_a_phone_the_slide_its_patches_and_settings_are_below_one_another(phone, viewer):
    phone.goto(f"/slides/{key_of(viewer, 'right')}")
    settled(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    places = [phone.locator(part).bounding_box()["y"] for part in ("header", "#map", "#strip", "aside")]
    assert places == sorted(places)
    phone.locator("#map").tap()
    expect(phone.locator(".leaflet-popup-content")).to_be_visible()
    phone.get_by_label("Original beside it").tap()
    settled(phone)
    assert phone.locator("#plain").bounding_box()["width"] == 390
