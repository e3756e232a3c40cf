"""What a request asks for, taken apart and checked."""

import math

from flask import abort, request
from werkzeug.routing import BaseConverter

from stages.viewer.results import KEY_DIGITS
from stages.viewer.tile_grid import Tile
from stages.viewer.viewer import SCORES_OF, ScoresOf


class KeyConverter(BaseConverter):
    """The key of a slide in an address."""

    regex = f"[0-9a-f]{{{KEY_DIGITS}}}"


class NumberConverter(BaseConverter):
    """A small whole number in an address."""

    regex = "[0-9]{1,7}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)


class TileConverter(BaseConverter):
    """A tile in an address: ``<shrink>/<column>_<row>``."""

    part_isolating = False
    regex = "[0-9]{1,2}/[0-9]{1,7}_[0-9]{1,7}"

    def to_python(self, value: str) -> Tile:
        """Return the tile."""
        shrink, _, place = value.partition("/")
        column, _, row = place.partition("_")
        return Tile(int(shrink), int(column), int(row))


class ScoresConverter(BaseConverter):
    """Which scores of a layer."""

    regex = "|".join(SCORES_OF)

    def to_python(self, value: str) -> ScoresOf:
        """Return the word."""
        return value  # type: ignore[return-value]  # the address would not have matched


def percent(name: str) -> int:
    """Return a parameter that is a whole number from 0 to 100, or refuse the request."""
    text = request.args.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= 100):
        abort(400, f"{name} is no whole number from 0 to 100")
    return int(text)


def coordinate(name: str) -> float:
    """Return a parameter that is a finite number, or refuse the request."""
    try:
        number = float(request.args.get(name, ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        abort(400, f"{name} is no number")
    return number
