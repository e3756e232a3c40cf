"""One page with the segmentation of every slide, so that a cohort is judged at a glance."""

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

from wsi_core.process_list import EMPTY_STATUSES, TO_BE_PROCESSED

Color = tuple[int, int, int]
PAGE_RGB, CARD_RGB, EDGE_RGB, NO_PICTURE_RGB = (238, 240, 243), (255, 255, 255), (208, 212, 218), (226, 229, 233)
TEXT_RGB, SMALL_TEXT_RGB = (28, 32, 38), (92, 99, 110)
GOOD_RGB, EMPTY_RGB, FAILED_RGB, WAITING_RGB = (46, 125, 50), (217, 130, 0), (198, 40, 40), (120, 126, 136)

CARD_WIDTHS_PX = (140, 420)  # the least and the most, within what a page of these pixels allows
PAGE_PIXELS = 12e6
MAX_PAGE_SIDE_PX = 10_000
PAGE_ASPECT = 1.4
PICTURE_ASPECT = 4 / 3
CAPTION_LINES = 2


@dataclass(frozen=True)
class SheetEntry:
    """What is shown of one slide.

    Attributes:
        slide_id: its name.
        status: what became of it.
        caption: parameters and counts, one or two lines.
        picture: its mask, or None where there is none.
        failed: whether it failed.
        reason: what is said where there is no picture.
    """

    slide_id: str
    status: str
    caption: str
    picture: Path | None
    failed: bool
    reason: str = ""

    @property
    def color(self) -> Color:
        """The colour of its status."""
        if self.failed:
            return FAILED_RGB
        return {**dict.fromkeys(EMPTY_STATUSES, EMPTY_RGB), TO_BE_PROCESSED: WAITING_RGB}.get(self.status, GOOD_RGB)


def draw_contact_sheet(entries: Sequence[SheetEntry]) -> np.ndarray:
    """Draw the slides row by row below a line that counts them by status.

    Cards are 420 pixels wide for a small cohort, 140 for a large one, and smaller beyond about 3000 slides: no side
    of the page is longer than 10,000 pixels. A picture that cannot be read counts as none.

    Returns:
        uint8 RGB (H, W, 3).
    """
    layout = _Layout.of(len(entries))
    page = Image.new("RGB", layout.page_px, PAGE_RGB)
    _draw_header(ImageDraw.Draw(page), entries, layout)
    for number, entry in enumerate(tqdm(entries, unit="slide", desc="contact sheet", leave=False, dynamic_ncols=True)):
        page.paste(_card(entry, layout), layout.card_corner(number))
    return np.asarray(page)


@dataclass(frozen=True)
class _Layout:
    """Where things are on the page; lengths in pixels."""

    columns: int
    rows: int
    width: int

    @classmethod
    def of(cls, count: int) -> "_Layout":
        card_aspect = cls(1, 1, CARD_WIDTHS_PX[1]).height / CARD_WIDTHS_PX[1]
        columns = max(1, min(count, math.ceil(math.sqrt(count * card_aspect * PAGE_ASPECT))))
        wanted = np.clip(math.sqrt(PAGE_PIXELS / max(1, count) / card_aspect), *CARD_WIDTHS_PX)
        fits = MAX_PAGE_SIDE_PX / (columns + 1) / 1.05  # a margin goes with each card
        return cls(columns, math.ceil(count / columns), int(min(wanted, fits)))

    @property
    def gap(self) -> int:
        return max(1, round(0.04 * self.width))

    @property
    def text(self) -> int:
        """Height of letters: readable on small cards, as long as there is room for a word."""
        return max(round(0.042 * self.width), min(10, round(0.075 * self.width)), 1)

    @property
    def line(self) -> int:
        return round(1.4 * self.text)

    @property
    def picture_px(self) -> tuple[int, int]:
        side = self.width - 2 * self.gap
        return side, round(side / PICTURE_ASPECT)

    @property
    def height(self) -> int:
        return 3 * self.gap + self.picture_px[1] + (2 + CAPTION_LINES) * self.line

    @property
    def header(self) -> int:
        """Height of what is above the cards, of a page wide enough for them."""
        return 2 * self.gap + round(1.6 * self.header_text)

    @property
    def header_text(self) -> int:
        return int(np.clip(self.page_px_width / 50, 14, 60))

    @property
    def page_px_width(self) -> int:
        return self.gap + self.columns * (self.width + self.gap)

    @property
    def page_px(self) -> tuple[int, int]:
        return self.page_px_width, self.header + self.rows * (self.height + self.gap)

    def card_corner(self, number: int) -> tuple[int, int]:
        row, column = divmod(number, self.columns)
        return self.gap + column * (self.width + self.gap), self.header + row * (self.height + self.gap)

    @cached_property
    def font(self) -> ImageFont.FreeTypeFont:
        return _font(self.text)

    @cached_property
    def small_font(self) -> ImageFont.FreeTypeFont:
        return _font(max(1, round(0.88 * self.text)))
