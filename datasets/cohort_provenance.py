"""What the features of a whole cohort were made from, told by the attributes of their h5 files alone."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from tqdm import tqdm

from datasets.encoder_facts import encoder_difference, encoder_facts_of
from datasets.features_file import read_provenance
from utils.errors import UsageError

BAR_AFTER_S = 1


def cohort_provenance(h5_paths: Iterable[Path]) -> dict[str, str]:
    """Return the attributes on which all files agree that state them.

    Args:
        h5_paths: the h5 of every slide, in any number of feature folders. A file that is missing or cannot be read
            counts as one that says nothing; ``bags.survey_bags`` is what finds those.

    Raises:
        UsageError: the features are of two encoders; names both, and a slide of each.
    """
    values: dict[str, set[str]] = defaultdict(set)
    made_by: dict[tuple[tuple[str, str], ...], list[Path]] = defaultdict(list)
    for path in tqdm(list(h5_paths), desc="origin of features", unit="slide", delay=BAR_AFTER_S, dynamic_ncols=True):
        made_from = read_provenance(path)
        made_by[tuple(encoder_facts_of(made_from).items())].append(path)
        for name, value in made_from.items():
            values[name].add(value)
    _refuse_two_encoders(made_by)
    return {name: next(iter(said)) for name, said in values.items() if len(said) == 1}


def _refuse_two_encoders(made_by: dict[tuple[tuple[str, str], ...], list[Path]]) -> None:
    for (facts, paths), (other_facts, other_paths) in combinations(made_by.items(), 2):
        difference = encoder_difference(dict(facts), dict(other_facts))
        if difference:
            raise UsageError(
                f"features of two encoders, {difference}: {_first_of(paths)} and {_first_of(other_paths)}; "
                "take features of one encoder for all slides"
            )


def _first_of(paths: list[Path]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else str(paths[0])
