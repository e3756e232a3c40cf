"""Rectangles of whole pixels in a picture."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """A part of a picture, in its pixels.

    Attributes:
        x, y: its top-left corner.
        width, height: its size.
    """

    x: int
    y: int
    width: int
    height: int

    @property
    def corner_px(self) -> tuple[int, int]:
        """(x, y) of the top-left corner."""
        return self.x, self.y

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array with."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def grown(self, by_px: tuple[int, int]) -> "Rectangle":
        """Return it so much wider and higher at each side."""
        by_x, by_y = by_px
        return Rectangle(self.x - by_x, self.y - by_y, self.width + 2 * by_x, self.height + 2 * by_y)

    def aligned(self, step_px: int) -> "Rectangle":
        """Return the smallest one around it whose sides are at multiples of ``step_px``."""
        left, top = self.x // step_px * step_px, self.y // step_px * step_px
        right, bottom = -(-(self.x + self.width) // step_px), -(-(self.y + self.height) // step_px)
        return Rectangle(left, top, right * step_px - left, bottom * step_px - top)

    def reduced(self, times: int) -> "Rectangle":
        """Return where it is in a picture so many times smaller; it lies at a multiple of ``times`` here."""
        return Rectangle(self.x // times, self.y // times, max(1, self.width // times), max(1, self.height // times))

    def within(self, size_px: tuple[int, int]) -> "Rectangle":
        """Return what lies in a picture of this width and height."""
        left, top = max(0, self.x), max(0, self.y)
        right, bottom = min(self.x + self.width, size_px[0]), min(self.y + self.height, size_px[1])
        return Rectangle(left, top, max(0, right - left), max(0, bottom - top))

    def seen_from(self, outer: "Rectangle") -> "Rectangle":
        """Return it with its corner as seen from the corner of another one."""
        return Rectangle(self.x - outer.x, self.y - outer.y, self.width, self.height)


def rectangles(size_px: tuple[int, int], side_px: int) -> Iterator[Rectangle]:
    """Cut a picture of this width and height into squares, row by row; the last ones may be smaller."""
    width, height = size_px
    for y in range(0, height, side_px):
        for x in range(0, width, side_px):
            yield Rectangle(x, y, side_px, side_px).within(size_px)
