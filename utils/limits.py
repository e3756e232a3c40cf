"""What working on one item may take."""

from dataclasses import dataclass

DEFAULT_TIMEOUT_S = 7200.0  # a slide takes seconds to minutes: what takes this long hangs


@dataclass(frozen=True)
class Limits:
    """Bounds for the process that works on an item.

    Attributes:
        seconds: until it is ended; None: any.
        memory_gib: beyond what it takes to begin with; None: any.
    """

    seconds: float | None = None
    memory_gib: float | None = None


NO_LIMITS = Limits()
