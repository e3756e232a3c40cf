"""What should be on one side of a split and is on several: the same patient, site, or features under two names.

Pure functions of a split; splitting reports what they find, and a split file is checked by them before training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datasets.sites import DEFAULT_SITE_COL, known_sites
from datasets.slide_table import SlideTable
from datasets.split_file import SIDES, SplitIds
from utils.wording import few

OnSides = dict[str, set[str]]  # of each thing, the sides it is on

SHOWN_NAMES = 5


@dataclass(frozen=True)
class Leakage:
    """What is on more than one side of a split, and on which; None where that is not known.

    Attributes:
        patients: by case id.
        sites: by name; None where the cohort does not say where slides come from.
        features: by the slides that share them, ``a = b``; None without hashes.
    """

    patients: OnSides
    sites: OnSides | None
    features: OnSides | None


def leakage_report(
    split: SplitIds,
    table: SlideTable,
    hashes: Mapping[str, str] | None = None,
    site_col: str = DEFAULT_SITE_COL,
) -> Leakage:
    """Return what leaks between the sides of a split.

    Args:
        split: slide ids of every side.
        table: the cohort.
        hashes: of the features of slides, see ``feature_hashes``.
        site_col: the column that says where slides come from, see ``sites.known_sites``.

    Raises:
        UsageError: there is no such column.
    """
    site_of = known_sites(table.slides, site_col)
    return Leakage(
        patients=shared_patients(split, table),
        sites=shared_sites(split, site_of) if site_of else None,
        features=None if hashes is None else shared_features(split, hashes),
    )


def findings(leaks: Sequence[Leakage]) -> list[str]:
    """Describe what leaks in one or several splits, a line a kind; nothing where nothing does."""
    return [_finding(what, found) for what, found in _by_kind(leaks).items() if any(found)]


def kept_apart(leaks: Sequence[Leakage]) -> list[str]:
    """Return what was compared and is on one side only in every split, such as ``patients``."""
    return [what for what, found in _by_kind(leaks).items() if not any(found)]


def _by_kind(leaks: Sequence[Leakage]) -> dict[str, list[OnSides]]:
    """Return for what was compared what was found in every split."""
    kinds: dict[str, Sequence[OnSides | None]] = {
        "patients": [leak.patients for leak in leaks],
        "sites": [leak.sites for leak in leaks],
        "slides with the same features": [leak.features for leak in leaks],
    }
    return {what: [one for one in found if one is not None] for what, found in kinds.items() if None not in found}


def _finding(what: str, found: Sequence[OnSides]) -> str:
    first_seen: OnSides = {}
    for one in found:
        first_seen = {**one, **first_seen}
    where = f" in {sum(map(bool, found))} of {len(found)} splits" if len(found) > 1 else ""
    return f"{what} on more than one side{where}, {len(first_seen)}: {few(describe_shared(first_seen), SHOWN_NAMES)}"


def shared_patients(split: SplitIds, table: SlideTable) -> OnSides:
    """Return the patients with slides on more than one side."""
    return _shared(patients_on_sides(split, table))


def shared_sites(split: SplitIds, site_of: Mapping[str, str]) -> OnSides:
    """Return the sites with slides on more than one side; slides without a site are passed over."""
    return _shared(_on_sides(split, site_of))


def shared_features(split: SplitIds, hashes: Mapping[str, str]) -> OnSides:
    """Return the slides that have the very same features and are on more than one side, as ``a = b``."""
    slides_of: dict[str, list[str]] = {}
    for slide_id in sides_of(split):
        if slide_id in hashes:
            slides_of.setdefault(hashes[slide_id], []).append(slide_id)
    names = {slide_id: " = ".join(alike) for alike in slides_of.values() for slide_id in alike}
    return _shared(_on_sides(split, names))


def patients_on_sides(split: SplitIds, table: SlideTable) -> OnSides:
    """Return the sides on which every patient of a split has slides."""
    return _on_sides(split, dict(zip(table.slides["slide_id"], table.slides["case_id"], strict=True)))


def sides_of(split: SplitIds) -> OnSides:
    """Return the sides every slide is on."""
    sides: OnSides = {}
    for side, ids in zip(SIDES, split, strict=True):
        for one in ids:
            sides.setdefault(one, set()).add(side)
    return sides


def describe_shared(sides: OnSides) -> list[str]:
    """Return, as ``id (train, test)``, what is on more than one side."""
    return [f"{one} ({', '.join(side for side in SIDES if side in on)})" for one, on in _shared(sides).items()]


def _on_sides(split: SplitIds, group_of: Mapping[str, str]) -> OnSides:
    return sides_of(SplitIds(*([group_of[one] for one in side if one in group_of] for side in split)))


def _shared(sides: OnSides) -> OnSides:
    return {one: on for one, on in sides.items() if len(on) > 1}
