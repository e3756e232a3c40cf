"""The list of slides in a browser."""

import re

from playwright.sync_api import Page, expect

from tests.stages.viewer.fabricated import ODD_ID


def names(page: Page) -> list[str]:
    """Return the slides that are shown, in their order."""
    return page.locator(".name:visible").all_text_contents()


def sort_by(page: Page, column: str) -> None:
    page.get_by_role("columnheader", name=column).get_by_role("button").click()


def test_slides_are_listed_with_pictures_labels_and_predictions(page):
    page.goto("/")
    expect(page.locator("#count")).to_have_text("4 slides")
    assert set(names(page)) == {"right", "wrong", "gone", ODD_ID}
    row = page.get_by_role("row", name="wrong").filter(has=page.get_by_role("link", name="wrong", exact=True))
    assert row.locator("td").all_inner_texts()[1:5] == ["wrong", "normal", "tumorwrong", "0.600 ± 0.020"]
    expect(page.locator(".verdict.wrong")).to_have_count(2)  # of both models
    for picture in page.locator(".pictures img").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 0


def test_a_click_on_a_column_sorts_by_it_and_another_the_other_way(page):
    page.goto("/")
    sort_by(page, "Probability, clam")
    assert names(page) == ["wrong", "gone", ODD_ID, "right"]
    sort_by(page, "Probability, clam")
    assert names(page) == ["right", ODD_ID, "gone", "wrong"]
    expect(page.get_by_role("columnheader", name="Probability, clam")).to_have_attribute("aria-sort", "descending")
    sort_by(page, "Slide")
    assert names(page) == [ODD_ID, "gone", "right", "wrong"]


FILTERS = [
    ("text", "RIG", {"right"}),
    ("text", "onerror=alert(1)> #?%2f", {ODD_ID}),
    ("label", "normal", {"wrong", "gone"}),
    ("predicted", "normal", {"gone"}),
    ("verdict", "wrong", {"wrong"}),
    ("text", "no such slide", set()),
]


def test_filters_leave_what_is_asked_for_and_the_link_keeps_them(page):
    page.goto("/")
    for field, value, shown in FILTERS:
        control = page.locator(f"[name={field}]")
        if field == "text":
            control.fill(value)
        else:
            control.select_option(value)
        assert set(names(page)) == shown
        expect(page.locator("#count")).to_have_text(f"{len(shown)} of 4 slides")
        expect(page.locator("#nothing")).to_be_visible(visible=not shown)
        if field == "text":
            control.fill("")
        else:
            control.select_option("")
    page.locator("[name=label]").select_option("normal")
    page.reload()
    expect(page.locator("[name=label]")).to_have_value("normal")
    assert set(names(page)) == {"wrong", "gone"}


def test_the_keyboard_finds_and_opens_a_slide_and_the_way_back_leads_to_the_same_list(page):
    page.goto("/")
    sort_by(page, "Slide")
    page.keyboard.press("/")
    page.keyboard.type("g")
    page.keyboard.press("Escape")
    assert names(page) == [ODD_ID, "gone", "right", "wrong"] and page.locator("[name=text]").input_value() == "g"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("link", name="gone")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="gone")).to_be_visible()
    page.locator("#back").click()
    expect(page).to_have_url(re.compile(r"#text=g&sort=1$"))
    assert names(page) == [ODD_ID, "gone", "right", "wrong"]


def test_a_question_mark_shows_the_keys(page):
    page.goto("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("find a slide")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_row_opens_its_slide_and_a_name_stays_text_there(page):
    page.goto("/")
    page.get_by_text("0.800").first.click()
    expect(page.locator("h1")).to_have_text(ODD_ID)
    expect(page).to_have_title(ODD_ID)


def test_on_a_phone_nothing_is_wider_than_the_screen(phone):
    phone.goto("/")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.get_by_role("searchbox").fill("right")
    assert names(phone) == ["right"]
    phone.get_by_role("link", name="right").tap()
    expect(phone.get_by_role("heading", name="right")).to_be_visible()
