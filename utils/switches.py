"""Switches in tables, as people and spreadsheets write them."""

from utils.errors import UsageError
from utils.wording import shortened

ON, OFF = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no"}


def switch_of(text: str) -> bool | None:
    """Return what a text says, or None where it is neither on nor off."""
    word = text.strip().lower()
    return True if word in ON else False if word in OFF else None


def is_on(cell: str, *, where: str) -> bool:
    """Read a switch; an empty cell is on.

    Raises:
        UsageError: it is neither; names ``where`` it stands.
    """
    value = switch_of(cell) if cell.strip() else True
    if value is None:
        raise UsageError(f"{where} = {shortened(cell)}: must be 1 or 0")
    return value
