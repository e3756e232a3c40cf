"""A part of a list, for job arrays whose jobs know of each other nothing but how many they are."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One of several parts of equal size.

    Attributes:
        number: which, from 1.
        count: of how many.
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def part_of(self, names: Iterable[str]) -> set[str]:
        """Return every ``count``-th of the names in alphabetical order, from the ``number``-th on."""
        return set(sorted(set(names))[self.number - 1 :: self.count])


WHOLE = Shard(1, 1)


def shard(text: str) -> Shard:
    """Parse a part such as ``3/16``, for argparse."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 3/16: 1/16 is the first, 16/16 the last")
    return Shard(int(number), int(count))
