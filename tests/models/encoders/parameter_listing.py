"""A network's parameters as a short text: a line for each name and shape, repeated layers in one.

``python -m tests.models.encoders.parameter_listing`` writes the listings of all networks anew.
"""

import re
from pathlib import Path

import torch

FOLDER = Path(__file__).parent / "listings"
NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def listing(state: dict[str, torch.Tensor]) -> str:
    """Return the lines of a state dict, sorted."""
    numbers: dict[tuple[str, str], list[tuple[int, ...]]] = {}
    for name, tensor in state.items():
        pattern = NUMBER.sub("#", name), "x".join(map(str, tensor.shape)) or "1"
        numbers.setdefault(pattern, []).append(tuple(int(number) for number in NUMBER.findall(name)))
    return "".join(sorted(f"{_named(name, found)} {shape}\n" for (name, shape), found in numbers.items()))


def _named(pattern: str, found: list[tuple[int, ...]]) -> str:
    """Put into a name, at each place, the numbers that stand there."""
    for place in range(pattern.count("#")):
        pattern = pattern.replace("#", _span(sorted({numbers[place] for numbers in found})), 1)
    return pattern


def _span(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    text = ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)
    return text if len(numbers) == 1 else f"{{{text}}}"


def main() -> None:
    """Write the listing of every network that is built here."""
    from tests.models.encoders.networks import NETWORKS, published, shapes_only

    for spec in NETWORKS:
        text = listing(published(shapes_only(spec).body))
        (FOLDER / f"{spec.name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
