"""Long lists of names, and long values, in messages for people."""

from collections.abc import Sequence

SHOWN_CHARACTERS = 80


def few(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and how many more there are: ``a, b, c and 2 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shortened(value: object, most: int = SHOWN_CHARACTERS) -> str:
    """Return a value as Python writes it, cut where it is longer than a line needs."""
    try:
        text = repr(value)
    except ValueError:  # whole numbers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}..."


def first_few(problems: Sequence[str], most: int = 10) -> str:
    """Return what is wrong, as one text: all of it, or the first and how many more there are."""
    more = f"; and {len(problems) - most} more" if len(problems) > most else ""
    return "; ".join(problems[:most]) + more
