import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wsi_core import contact_sheet
from wsi_core.contact_sheet import (
    FAILED_RGB,
    GOOD_RGB,
    LOOK_RGB,
    MAX_PAGE_SIDE_PX,
    NO_PICTURE_RGB,
    WAITING_RGB,
    SheetEntry,
    draw_contact_sheet,
)
from wsi_core.fitted_text import ELLIPSIS, font, shortened, wrapped

LONG_ID = "TCGA-CR-7395-01A-01-TS1.5d6a2f9c-8a0b-4c5e-9d3f-1b2c3d4e5f60"
MAGENTA = (255, 0, 255)


@pytest.fixture
def mask(tmp_path):
    path = tmp_path / "mask.png"
    Image.new("RGB", (800, 300), MAGENTA).save(path)
    return path


def entry(picture=None, *, slide_id="a", status="processed", failed=False, reason=""):
    return SheetEntry(slide_id, status, "sthresh 8\n3 contours, 12 patches", picture, failed, reason)


def area(sheet, color):
    """Return height and width of what has a colour, and its middle (x, y) as a part of the sheet."""
    rows, columns = np.nonzero((sheet == color).all(axis=2))
    middle = (columns.mean() / sheet.shape[1], rows.mean() / sheet.shape[0])
    return (int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1), middle


@pytest.mark.parametrize("size", [(800, 300), (300, 800), (40, 30), (4000, 10)])
def test_a_picture_keeps_its_shape_in_the_middle_of_its_card(tmp_path, size):
    Image.new("RGB", size, MAGENTA).save(tmp_path / "mask.png")
    (height, width), (x, _) = area(draw_contact_sheet([entry(tmp_path / "mask.png")]), MAGENTA)
    assert abs(width / height - size[0] / size[1]) <= max(width / height / height, 0.02) and abs(x - 0.5) < 0.01
    assert max(width / 4, height / 3) > 95  # it fills its box


@pytest.mark.parametrize(
    ("status", "failed", "color"),
    [
        ("processed", False, GOOD_RGB),
        ("no_tissue", False, LOOK_RGB),
        ("no_patches", False, LOOK_RGB),
        ("failed_open", True, FAILED_RGB),
        ("tbp", False, WAITING_RGB),
    ],
)
def test_a_status_has_its_colour_on_the_whole_width_of_a_card(mask, status, failed, color):
    (_, width), _ = area(draw_contact_sheet([entry(mask, status=status, failed=failed)]), color)
    assert width >= 420


def test_a_slide_without_picture_is_gray_and_says_why():
    silent, spoken = (
        draw_contact_sheet([entry(status="failed_open", failed=True, reason=reason)])
        for reason in ("", "a.svs cannot be opened: Not a file that OpenSlide can recognize")
    )
    assert area(silent, NO_PICTURE_RGB)[0][1] > 380
    assert (silent != spoken).any()


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:60], lambda data: data[:40] + b"x" * 99])
def test_a_picture_that_cannot_be_read_is_gray(mask, damage):
    mask.write_bytes(damage(mask.read_bytes()))
    assert area(draw_contact_sheet([entry(mask)]), NO_PICTURE_RGB)[0][1] > 380


def test_large_masks_are_read_without_a_word_and_huge_ones_left_out(mask, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 800 * 300 - 1)  # Pillow warns beyond, and refuses beyond twice
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert area(draw_contact_sheet([entry(mask)]), MAGENTA)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 800 * 300 // 2 - 1)
    assert area(draw_contact_sheet([entry(mask)]), NO_PICTURE_RGB)


@pytest.mark.parametrize(("count", "width"), [(0, 420), (1, 420), (3, 420), (60, 400), (200, 230), (2000, 140)])
def test_cards_are_as_large_as_the_cohort_allows(count, width):
    assert contact_sheet._Layout.of(count).width == pytest.approx(width, rel=0.05)


@given(st.integers(0, 200_000))
def test_the_page_stays_within_its_sides_and_holds_every_card(count):
    layout = contact_sheet._Layout.of(count)
    assert max(layout.page_px) <= MAX_PAGE_SIDE_PX
    if count:
        x, y = layout.card_corner(count - 1)
        assert x + layout.width < layout.page_px[0] and y + layout.height < layout.page_px[1]
        assert layout.columns * (layout.rows - 1) < count <= layout.columns * layout.rows


def test_a_cohort_has_a_card_for_each_slide_in_order(mask):
    statuses = ["processed", "no_tissue", "failed_open", "processed", "tbp"]
    entries = [entry(mask, slide_id=LONG_ID, status=s, failed=s == "failed_open") for s in statuses]
    sheet = draw_contact_sheet(entries)
    layout = contact_sheet._Layout.of(len(entries))
    corners = [layout.card_corner(number) for number in range(len(entries))]
    assert [tuple(sheet[y, x]) for x, y in corners] == [GOOD_RGB, LOOK_RGB, FAILED_RGB, GOOD_RGB, WAITING_RGB]


def test_an_empty_cohort_is_a_page_all_the_same():
    assert draw_contact_sheet([]).dtype == np.uint8


@given(st.text(min_size=1, max_size=80), st.integers(0, 400), st.sampled_from([0.6, 1]))
def test_a_shortened_text_fits_and_keeps_its_beginning_and_end(text, width, head):
    short = shortened(text, font(14), width, head=head)
    assert short == text or font(14).getlength(short) <= width
    first, _, last = short.partition(ELLIPSIS)
    assert short in ("", text) or (text.startswith(first) and text.endswith(last))


def test_a_long_id_loses_its_middle():
    short = shortened(LONG_ID, font(14), 250)
    assert short.startswith("TCGA-CR-7395-01A") and ELLIPSIS in short and short.endswith("4e5f60")


def test_a_text_is_wrapped_between_words_and_what_is_too_much_is_marked():
    text = "no tissue is larger than a_t 100 (26.2 million level-0 pixels); lower a_t or sthresh"
    lines = wrapped(text, font(12), 200, 9)
    assert " ".join(lines) == text and len(lines) > 2
    assert all(font(12).getlength(line) <= 200 for line in lines)
    cut = wrapped(text, font(12), 200, 2)
    assert cut[0] == lines[0] and len(cut) == 2 and cut[1].endswith(ELLIPSIS)


def test_letters_of_european_names_are_drawn_each_as_itself():
    drawn = {bytes(font(20).getmask(letter)) for letter in "øæößéłčΩЖ"}
    assert len(drawn) == 9
