"""One picture of the patches that a heatmap sampled, so that what draws attention is seen beside what does not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from wsi_core.contact_sheet import BEHIND_RGB, EDGE_RGB, PAGE_RGB, SMALL_TEXT_RGB, TEXT_RGB
from wsi_core.fitted_text import font, wrapped

MIN_COLUMNS, MAX_COLUMNS = 4, 8  # narrower leaves no room for a title
TILE_PX, GAP_PX = 176, 12
TITLE_PX, RANK_PX, PLACE_PX = 22, 18, 16  # heights of letters
TITLE_LINES = 3
CAPTION_PX = round(1.4 * (RANK_PX + PLACE_PX))
CELL_PX = TILE_PX + GAP_PX, TILE_PX + CAPTION_PX + GAP_PX  # width and height
NOTHING = "no patch"


@dataclass(frozen=True)
class SampledPatch:
    """A patch as it is shown.

    Attributes:
        image: uint8 RGB (H, W, 3).
        percentile: of its attention, 0 to 100.
        corner_level0: (x, y) of its top-left corner in level-0 pixels.
    """

    image: np.ndarray
    percentile: float
    corner_level0: tuple[int, int]


@dataclass(frozen=True)
class PatchRow:
    """A set of samples, in the order of their ranks, below its title; none is said so."""

    title: str
    patches: Sequence[SampledPatch]


def patch_sheet(rows: Sequence[PatchRow]) -> np.ndarray:
    """Draw sets of patches one below the other, each in lines of up to eight.

    Below a patch stand its rank from 1 on, its percentile, and its corner in level-0 pixels.

    Returns:
        uint8 RGB (H, W, 3), as wide as the longest line asks for, 764 pixels or more.
    """
    columns = max([MIN_COLUMNS, *(min(len(row.patches), MAX_COLUMNS) for row in rows)])
    width = GAP_PX + columns * CELL_PX[0]
    space = np.full((GAP_PX, width, 3), PAGE_RGB, np.uint8)
    return np.concatenate([space, *(part for row in rows for part in (_draw_row(row, width), space))])


def _draw_row(row: PatchRow, width_px: int) -> np.ndarray:
    columns = width_px // CELL_PX[0]
    letters, line_px = font(TITLE_PX), round(1.4 * TITLE_PX)
    title = wrapped(row.title, letters, width_px - 2 * GAP_PX, TITLE_LINES)
    top = len(title) * line_px + GAP_PX // 2
    height = top + (math.ceil(len(row.patches) / columns) * CELL_PX[1] if row.patches else line_px)
    picture = Image.new("RGB", (width_px, height), PAGE_RGB)
    draw = ImageDraw.Draw(picture)
    for number, text in enumerate(title):
        draw.text((GAP_PX, (number + 0.5) * line_px), text, TEXT_RGB, letters, anchor="lm")
    if not row.patches:
        draw.text((GAP_PX, top + line_px / 2), NOTHING, SMALL_TEXT_RGB, font(RANK_PX), anchor="lm")
    for number, patch in enumerate(row.patches):
        line, column = divmod(number, columns)
        picture.paste(_cell(patch, number + 1), (GAP_PX + column * CELL_PX[0], top + line * CELL_PX[1]))
    return np.asarray(picture)


def _cell(patch: SampledPatch, rank: int) -> Image.Image:
    """Draw a patch with its caption; its shape is kept, its size is not."""
    cell = Image.new("RGB", (TILE_PX, TILE_PX + CAPTION_PX), PAGE_RGB)
    draw = ImageDraw.Draw(cell)
    tile = ImageOps.contain(Image.fromarray(patch.image), (TILE_PX, TILE_PX))
    draw.rectangle((0, 0, TILE_PX - 1, TILE_PX - 1), BEHIND_RGB)
    cell.paste(tile, ((TILE_PX - tile.width) // 2, (TILE_PX - tile.height) // 2))
    draw.rectangle((0, 0, TILE_PX - 1, TILE_PX - 1), outline=EDGE_RGB)
    first, second = TILE_PX + 0.7 * RANK_PX, TILE_PX + 1.4 * RANK_PX + 0.7 * PLACE_PX
    draw.text((0, first), f"#{rank}", TEXT_RGB, font(RANK_PX), anchor="lm")
    draw.text((TILE_PX, first), f"perc. {patch.percentile:.2f}", TEXT_RGB, font(RANK_PX), anchor="rm")
    place = "x {}  y {}".format(*patch.corner_level0)
    draw.text((0, second), place, SMALL_TEXT_RGB, _fitting(place, PLACE_PX), anchor="lm")
    return cell


def _fitting(text: str, height_px: int) -> ImageFont.FreeTypeFont:
    """Return letters small enough for a tile: of a number no digit may be left out."""
    width = font(height_px).getlength(text)
    return font(min(height_px, int(height_px * TILE_PX / width)))
