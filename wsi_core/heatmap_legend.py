"""What the colours of a heatmap mean: a bar of them, and lines of text, below the picture or by themselves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wsi_core.colour_map import N_COLOURS, colour_table
from wsi_core.fitted_text import font, wrapped

BACKGROUND_RGB, TEXT_RGB, FRAME_RGB = (255, 255, 255), (30, 30, 30), (120, 120, 120)
LEAST_TEXT_PX = 12
TEXTS_IN_PICTURE = 50  # heights of text in the side of a square as large as the picture
TEXTS_IN_WIDTH = 30
LEAST_WIDTH = 28  # in heights of text; a narrower picture is set on white
WIDEST_BAR = 40
MAX_LINES = 3  # of one entry


@dataclass(frozen=True)
class Legend:
    """What stands beside a picture.

    Attributes:
        cmap: the matplotlib colour map of the picture.
        low_label, high_label: what its first and its last colour mean.
        title: in larger letters; may be empty.
        lines: what else there is to know: model, class, probability, encoder ...
    """

    cmap: str
    low_label: str
    high_label: str
    title: str = ""
    lines: Sequence[str] = ()


def with_legend(
    picture: np.ndarray, lines: Sequence[str], cmap: str, low_label: str, high_label: str, title: str
) -> np.ndarray:
    """Return a picture with a legend below it, in letters that fit its size.

    Args:
        picture: uint8 RGB (H, W, 3).
        lines, cmap, low_label, high_label, title: see ``Legend``.

    Returns:
        uint8 RGB, higher than the picture, and wider where that is narrower than a legend can be.
    """
    height, width = picture.shape[:2]
    text_px = max(LEAST_TEXT_PX, round(min(math.sqrt(height * width) / TEXTS_IN_PICTURE, width / TEXTS_IN_WIDTH)))
    below = draw_legend(Legend(cmap, low_label, high_label, title, lines), max(width, LEAST_WIDTH * text_px), text_px)
    both = np.full((height + below.shape[0], below.shape[1], 3), BACKGROUND_RGB, np.uint8)
    left = (below.shape[1] - width) // 2
    both[:height, left : left + width] = picture
    both[height:] = below
    return both


def draw_legend(legend: Legend, width_px: int, text_px: int = LEAST_TEXT_PX) -> np.ndarray:
    """Draw a legend by itself, for a picture that is kept in a format of its own; uint8 RGB (H, ``width_px``, 3)."""
    letters, large = font(text_px), font(round(1.4 * text_px))
    gap, room = text_px, width_px - 2 * text_px
    title = wrapped(legend.title, large, room, MAX_LINES)
    lines = [part for line in legend.lines for part in wrapped(line, letters, room, MAX_LINES)]
    bar_px = (min(room, WIDEST_BAR * text_px), round(1.2 * text_px))
    step_px = round(1.4 * text_px)
    bar_top = gap + len(title) * 2 * text_px
    lines_top = bar_top + bar_px[1] + round(2.2 * text_px)
    canvas = Image.new("RGB", (width_px, lines_top + len(lines) * step_px + gap // 2), BACKGROUND_RGB)
    draw = ImageDraw.Draw(canvas)
    _write(draw, title, (gap, gap), 2 * text_px, large)
    canvas.paste(Image.fromarray(colour_bar(legend.cmap, bar_px)), (gap, bar_top))
    frame_px = max(1, text_px // 12)
    draw.rectangle((gap, bar_top, gap + bar_px[0] - 1, bar_top + bar_px[1] - 1), outline=FRAME_RGB, width=frame_px)
    labels_top = bar_top + bar_px[1] + round(0.3 * text_px)
    half = bar_px[0] / 2 - gap / 2
    low, high = (wrapped(label, letters, half, 1) for label in (legend.low_label, legend.high_label))
    draw.text((gap, labels_top), "".join(low), TEXT_RGB, letters, anchor="la")
    draw.text((gap + bar_px[0], labels_top), "".join(high), TEXT_RGB, letters, anchor="ra")
    _write(draw, lines, (gap, lines_top), step_px, letters)
    return np.asarray(canvas)


def colour_bar(cmap: str, size_px: tuple[int, int]) -> np.ndarray:
    """Show a colour map from its first colour, left, to its last; uint8 RGB (H, W, 3) of this width and height."""
    width, height = size_px
    numbers = np.arange(width) * N_COLOURS // width
    return np.repeat(colour_table(cmap)[numbers][None], height, axis=0)


def _write(
    draw: ImageDraw.ImageDraw,
    lines: Sequence[str],
    corner_px: tuple[int, int],
    step_px: int,
    letters: ImageFont.FreeTypeFont,
) -> None:
    for number, line in enumerate(lines):
        draw.text((corner_px[0], corner_px[1] + number * step_px), line, TEXT_RGB, letters, anchor="la")
