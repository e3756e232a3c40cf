"""One page with the segmentation of every slide, so that a cohort is judged at a glance."""

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

from utils.pictures import PICTURE_FORMATS
from wsi_core.fitted_text import font, shortened, wrapped
from wsi_core.process_list import EMPTY_STATUSES, TO_BE_PROCESSED

Color = tuple[int, int, int]
PAGE_RGB, CARD_RGB, EDGE_RGB, BEHIND_RGB = (238, 240, 243), (255, 255, 255), (208, 212, 218), (247, 248, 249)
NO_PICTURE_RGB: Color = (226, 229, 233)
TEXT_RGB, SMALL_TEXT_RGB = (28, 32, 38), (92, 99, 110)
GOOD_RGB, LOOK_RGB, FAILED_RGB, WAITING_RGB = (46, 125, 50), (217, 130, 0), (198, 40, 40), (120, 126, 136)

CARD_WIDTHS_PX = (140, 420)  # the least and the most
PAGE_PIXELS = 12e6  # what a page has in between
MAX_PAGE_SIDE_PX = 10_000
PAGE_ASPECT = 1.4
PICTURE_ASPECT = 4 / 3
CAPTION_LINES, REASON_LINES = 2, 3


@dataclass(frozen=True)
class SheetEntry:
    """What is shown of one slide.

    Attributes:
        slide_id: its name.
        status: what became of it.
        caption: parameters and counts, one or two lines; a line that is too wide loses its end.
        picture: its mask, or None where there is none.
        failed: whether it failed.
        reason: what somebody has to know; takes the place of a picture that is not there.
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
        if self.status == TO_BE_PROCESSED:
            return WAITING_RGB
        return LOOK_RGB if self.reason or self.status in EMPTY_STATUSES else GOOD_RGB

    @property
    def urgency(self) -> int:
        """Its place in a page: what failed comes first, what is as it should be last."""
        return (FAILED_RGB, LOOK_RGB, WAITING_RGB, GOOD_RGB).index(self.color)


def draw_contact_sheet(entries: Sequence[SheetEntry]) -> np.ndarray:
    """Draw the slides row by row below a line that counts them by status.

    Cards are 420 pixels wide for a small cohort, 140 for a large one, and smaller beyond about 3000 slides: no side
    of the page is longer than 10,000 pixels. A picture that cannot be read counts as none.

    Returns:
        uint8 RGB (H, W, 3).
    """
    has_reasons = any(entry.reason and entry.picture for entry in entries)
    layout = _Layout.of(len(entries), REASON_LINES if has_reasons else 0)
    page = np.full((*layout.page_px[::-1], 3), PAGE_RGB, np.uint8)
    page[: layout.header] = np.asarray(_header(entries, layout))
    for number, entry in enumerate(tqdm(entries, unit="slide", desc="contact sheet", leave=False, dynamic_ncols=True)):
        left, top = layout.card_corner(number)
        page[top : top + layout.height, left : left + layout.width] = np.asarray(_card(entry, layout))
    return page


@dataclass(frozen=True)
class _Layout:
    """Where things are on the page; lengths in pixels."""

    columns: int
    rows: int
    width: int
    reason_lines: int = 0

    @classmethod
    def of(cls, count: int, reason_lines: int = 0) -> "_Layout":
        card_aspect = cls(1, 1, CARD_WIDTHS_PX[1], reason_lines).height / CARD_WIDTHS_PX[1]
        columns = max(1, min(count, math.ceil(math.sqrt(count * card_aspect * PAGE_ASPECT))))
        rows = math.ceil(count / columns)
        wanted = int(np.clip(math.sqrt(PAGE_PIXELS / max(1, count) / card_aspect), *CARD_WIDTHS_PX))
        layouts = (cls(columns, rows, width, reason_lines) for width in range(wanted, 0, -1))
        return next(layout for layout in layouts if max(layout.page_px) <= MAX_PAGE_SIDE_PX)

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
        return 3 * self.gap + self.picture_px[1] + (2 + CAPTION_LINES + self.reason_lines) * self.line

    @property
    def header(self) -> int:
        """Height of what is above the cards, of a page wide enough for them."""
        return 2 * self.gap + round(1.6 * self.header_text)

    @property
    def header_text(self) -> int:
        return int(np.clip(self.page_px_width / 65, 14, 60))

    @property
    def page_px_width(self) -> int:
        return self.gap + self.columns * (self.width + self.gap)

    @property
    def page_px(self) -> tuple[int, int]:
        return self.page_px_width, self.header + self.rows * (self.height + self.gap)

    def card_corner(self, number: int) -> tuple[int, int]:
        row, column = divmod(number, self.columns)
        return self.gap + column * (self.width + self.gap), self.header + row * (self.height + self.gap)

    @property
    def name_font(self) -> ImageFont.FreeTypeFont:
        return font(self.text)

    @property
    def small_font(self) -> ImageFont.FreeTypeFont:
        return font(round(0.88 * self.text))


def _header(entries: Sequence[SheetEntry], layout: _Layout) -> Image.Image:
    """Count the slides by status, in letters small enough for one line."""
    header = Image.new("RGB", (layout.page_px_width, layout.header), PAGE_RGB)
    colors = {entry.status: entry.color for entry in entries}
    counts = Counter(entry.status for entry in entries).most_common()
    parts = [(f"{len(entries)} slide{'s' * (len(entries) != 1)}", TEXT_RGB)]
    parts += [(f"{count} {status}", colors[status]) for status, count in counts]
    space = "    "
    width = font(layout.header_text).getlength(space.join(text for text, _ in parts))
    room = layout.page_px_width - 2 * layout.gap
    letters = font(int(layout.header_text * min(1, room / width)))
    x, y = float(layout.gap), layout.header / 2
    for text, color in parts:
        ImageDraw.Draw(header).text((x, y), text, color, letters, anchor="lm")
        x += letters.getlength(text + space)
    return header


def _card(entry: SheetEntry, layout: _Layout) -> Image.Image:
    """Draw a slide: its picture, its name, its status in its colour, its caption."""
    card = Image.new("RGB", (layout.width, layout.height), CARD_RGB)
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, layout.width - 1, layout.height - 1), outline=EDGE_RGB)
    draw.rectangle((0, 0, layout.width - 1, max(1, layout.gap // 3)), entry.color)
    _draw_picture(card, entry, layout)
    left, room = layout.gap, layout.picture_px[0]
    top = 2 * layout.gap + layout.picture_px[1]
    caption = (shortened(line, layout.small_font, room, head=1) for line in entry.caption.splitlines()[:CAPTION_LINES])
    lines = [
        (shortened(entry.slide_id, layout.name_font, room), TEXT_RGB, layout.name_font),
        (shortened(entry.status, layout.small_font, room), entry.color, layout.small_font),
        *((line, SMALL_TEXT_RGB, layout.small_font) for line in caption),
    ]
    for number, (text, color, letters) in enumerate(lines):
        draw.text((left, top + (number + 0.5) * layout.line), text, color, letters, anchor="lm")
    if entry.picture is not None:
        below = top + len(lines) * layout.line
        for number, text in enumerate(wrapped(entry.reason, layout.small_font, room, layout.reason_lines)):
            draw.text((left, below + (number + 0.5) * layout.line), text, entry.color, layout.small_font, anchor="lm")
    return card


def _draw_picture(card: Image.Image, entry: SheetEntry, layout: _Layout) -> None:
    """Draw the mask as large as fits, or say in gray why there is none."""
    thumbnail = None if entry.picture is None else _thumbnail(entry.picture, layout.picture_px)
    (width, height), gap = layout.picture_px, layout.gap
    box = (gap, gap, gap + width - 1, gap + height - 1)
    ImageDraw.Draw(card).rectangle(box, NO_PICTURE_RGB if thumbnail is None else BEHIND_RGB)
    if thumbnail is not None:
        card.paste(thumbnail, (gap + (width - thumbnail.width) // 2, gap + (height - thumbnail.height) // 2))
    elif entry.picture is not None:
        _draw_reason(card, f"{entry.picture.name} cannot be read as a picture", layout)
    else:
        _draw_reason(card, entry.reason or "no mask; --seg draws it", layout)


def _draw_reason(card: Image.Image, reason: str, layout: _Layout) -> None:
    """Write into the middle of where the picture would be."""
    width, height = layout.picture_px
    lines = wrapped(reason, layout.small_font, width - 2 * layout.gap, height // layout.line)
    top = layout.gap + height / 2 - (len(lines) - 1) / 2 * layout.line
    for number, line in enumerate(lines):
        place = (layout.width / 2, top + number * layout.line)
        ImageDraw.Draw(card).text(place, line, SMALL_TEXT_RGB, layout.small_font, anchor="mm")


def _thumbnail(path: Path, box_px: tuple[int, int]) -> Image.Image | None:
    """Read a picture as large as fits into a box, or None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            # our masks may have 1e8 pixels, more than Pillow warns about; from 1.8e8 on it refuses
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=PICTURE_FORMATS) as picture:
                picture.draft("RGB", box_px)
                picture.thumbnail(box_px, reducing_gap=2.0)
                return ImageOps.contain(picture.convert("RGB"), box_px)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # SyntaxError: a damaged PNG
        return None
