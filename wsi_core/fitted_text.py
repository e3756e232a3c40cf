"""Text that fits into a width in pixels."""

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

ELLIPSIS = "…"
HEAD = 0.6  # of what is kept of a long name; the rest is its end


@cache
def font(height_px: int) -> ImageFont.FreeTypeFont:
    """Return a font that has Latin, Greek and Cyrillic letters; others, such as Chinese, are drawn as boxes."""
    # the other engine, Raqm, refuses some characters
    return ImageFont.truetype(_font_path(), max(1, height_px), layout_engine=ImageFont.Layout.BASIC)


@cache
def _font_path() -> Path:
    """Find the font that comes with matplotlib, without the time its import takes; Pillow's own is ASCII only."""
    package = find_spec("matplotlib")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def shortened(text: str, letters: ImageFont.FreeTypeFont, width_px: float, *, head: float = HEAD) -> str:
    """Leave out the middle of a text that is wider than ``width_px``; ``head`` 1 leaves out its end."""
    if letters.getlength(text) <= width_px:
        return text
    for kept in range(len(text) - 1, 0, -1):
        first = math.ceil(head * kept)
        shorter = text[:first] + ELLIPSIS + text[len(text) - (kept - first) :]
        if letters.getlength(shorter) <= width_px:
            return shorter
    return ""


def wrapped(text: str, letters: ImageFont.FreeTypeFont, width_px: float, max_lines: int) -> list[str]:
    """Break a text into lines, at its line ends and between words; what is too much ends in an ellipsis."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".lstrip()
            if line and letters.getlength(longer) > width_px:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], " ".join(lines[max_lines - 1 :]) + ELLIPSIS]
    return [shortened(line.replace(ELLIPSIS * 2, ELLIPSIS), letters, width_px, head=1) for line in lines]
