"""From where the slides of a run are read."""

from collections.abc import Sequence
from pathlib import Path


class Sources:
    """The slides where they lie.

    Args:
        paths: of the slides, in the order of the run.

    Attributes:
        n_ahead: how many slides that are wanted should be known after the one that is read.
    """

    n_ahead = 0

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)

    def decided(self, slide_number: int, is_wanted: bool) -> None:
        """Whether a slide is to be read is known now."""

    def is_ready(self, slide_number: int) -> bool:
        """Tell whether ``path`` would answer at once."""
        return True

    def path(self, slide_number: int) -> Path:
        """Return the file to read a slide from."""
        return self._paths[slide_number]

    def done(self, slide_number: int) -> None:
        """A slide is not read any more."""
