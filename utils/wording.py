"""Long lists of names, in messages for people."""

from collections.abc import Sequence


def few(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and how many more there are: ``a, b, c and 2 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
