"""What splits are worth: what kind they are, whom they test, how even the classes are, and what leaks.

Logged in a few lines, and written in full as ``report.txt`` beside the split files.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from datasets.leakage import Leakage, findings, kept_apart, leakage_report
from datasets.slide_table import SlideTable
from datasets.split_file import SIDES, SplitIds, count_classes
from datasets.split_modes import SplitMode
from datasets.splits import Split, slides_of_split
from datasets.units import Units
from utils.atomic import write_text

logger = logging.getLogger(__name__)

REPORT_NAME = "report.txt"


@dataclass(frozen=True)
class DrawnSplits:
    """Splits with the cohort they are drawn from.

    Attributes:
        splits: positions of patients.
        patients: the cohort by patient.
        table: the cohort by slide.
        mode: how they were drawn.
    """

    splits: Sequence[Split]
    patients: Units
    table: SlideTable
    mode: SplitMode

    @property
    def named(self) -> list[SplitIds]:
        """The slide ids of every split."""
        ids = self.table.slides["slide_id"].to_numpy(object)
        rows = (slides_of_split(split, self.patients) for split in self.splits)
        return [SplitIds(*(ids[side].tolist() for side in split)) for split in rows]

    def count(self, side: str) -> np.ndarray:
        """Return the number of patients of each class on a side of every split, (S, C)."""
        labels, n_classes = self.patients.labels, self.patients.n_classes
        return np.array([np.bincount(labels[getattr(split, side)], minlength=n_classes) for split in self.splits])


def log_classes(drawn: DrawnSplits) -> None:
    """Log how many patients of each class validate and test, and warn where there are none."""
    n_val, n_test = drawn.count("val"), drawn.count("test")
    for number, (name, members) in enumerate(zip(drawn.table.class_names, drawn.patients.of_class, strict=True)):
        sides = _span(n_val[:, number]), _span(n_test[:, number])
        logger.info("  %s: %d patients, %s for val, %s for test", name, len(members), *sides)
    _warn_of_absent_classes("train", drawn, "it cannot be learned")
    _warn_of_absent_classes("val", drawn, "its AUC is undefined; raise --val_frac")
    _warn_of_absent_classes("test", drawn, f"its AUC is undefined; {drawn.mode.test_advice}")


def _span(numbers: np.ndarray) -> str:
    least, most = numbers.min(), numbers.max()
    return f"{least}" if least == most else f"{least} to {most}"


def _warn_of_absent_classes(side: str, drawn: DrawnSplits, consequence: str) -> None:
    counts = drawn.count(side)  # (S, C)
    if not counts.any():
        logger.warning("%s is empty: there will be no figures for it", side)
        return
    n_absent = {name: int(n) for name, n in zip(drawn.table.class_names, (counts == 0).sum(axis=0), strict=True) if n}
    names = [name if n == len(counts) else f"{name} (in {n} of {len(counts)} splits)" for name, n in n_absent.items()]
    if names:
        logger.warning("%s has no patient of %s: %s", side, ", ".join(names), consequence)


def leaks_of(drawn: DrawnSplits, hashes: Mapping[str, str] | None, site_col: str) -> list[Leakage]:
    """Return what leaks in every split."""
    return [leakage_report(split, drawn.table, hashes, site_col) for split in drawn.named]


def log_summary(drawn: DrawnSplits, leaks: Sequence[Leakage]) -> None:
    """Say loudly what kind of splits these are, how much of the cohort is ever tested, and what leaks."""
    level = logging.WARNING if drawn.mode.overlaps else logging.INFO
    logger.log(level, "%s", _kind_and_coverage(drawn))
    for finding in findings(leaks):
        logger.warning("%s", finding)
    for line in _compared(leaks):
        logger.info("%s", line)


def write_report(path: Path, drawn: DrawnSplits, leaks: Sequence[Leakage], settings: Mapping[str, object]) -> None:
    """Write the whole report.

    Args:
        path: where to.
        drawn: the splits.
        leaks: of every split.
        settings: what they were drawn by.
    """
    times = Counter(np.bincount(_tests(drawn), minlength=len(drawn.patients)).tolist())
    sections = {
        "settings": "\n".join(f"{name} {value}" for name, value in settings.items() if value is not None),
        "kind and coverage": _kind_and_coverage(drawn),
        "times tested: patients": "\n".join(f"{n}: {times[n]}" for n in sorted(times)),
        "patients and slides of each class": _balance(drawn).to_string(index=False),
        "leakage": "\n".join([*findings(leaks), *_compared(leaks)]),
    }
    write_text(path, "\n\n".join(f"{title}\n{'-' * len(title)}\n{text}" for title, text in sections.items()) + "\n")


def _tests(drawn: DrawnSplits) -> np.ndarray:
    return np.array([patient for split in drawn.splits for patient in split.test], dtype=np.int64)


def _kind_and_coverage(drawn: DrawnSplits) -> str:
    times_tested = Counter(_tests(drawn).tolist())
    n_tested, n_all = len(times_tested), len(drawn.patients)
    n_slides = sum(len(drawn.patients.slides_of[patient]) for patient in times_tested)
    most = max(times_tested.values(), default=0)
    how_often = "each once" if most == 1 else f"the most often tested one {most} times"
    return (
        f"splits are {drawn.mode.kind}. Over all {len(drawn.splits)}, {n_tested} of {n_all} patients "
        f"({100 * n_tested / n_all:.0f} %; {n_slides} slides) are ever tested, {n_all - n_tested} never; {how_often}"
    )


def _balance(drawn: DrawnSplits) -> pd.DataFrame:
    """Return a row a side of every split: ``patients/slides`` of every class, and of all."""
    names = drawn.table.class_names
    label_of = dict(zip(drawn.table.slides["slide_id"], drawn.table.slides["label"], strict=True))
    n_patients = {side: drawn.count(side) for side in SIDES}
    rows = []
    for fold, split in enumerate(drawn.named):
        n_slides = count_classes(split, label_of, names)
        for side in SIDES:
            cells = zip(_and_sum(n_patients[side][fold]), _and_sum(n_slides[side]), strict=True)
            rows.append([fold, side, *(f"{patients}/{slides}" for patients, slides in cells)])
    return pd.DataFrame(rows, columns=["split", "side", *names, "all"])


def _and_sum(numbers: Iterable[int]) -> list[int]:
    numbers = list(numbers)
    return [*numbers, sum(numbers)]


def _compared(leaks: Sequence[Leakage]) -> list[str]:
    """Say what is kept apart, and what could not be compared."""
    apart = [f"on one side only in every split: {', '.join(kept_apart(leaks))}"] * bool(kept_apart(leaks))
    sites = ["sites are not known (no site column, see --site_col, nor TCGA barcodes): not compared"]
    features = ["features were not compared: pass --data_root_dir"]
    return apart + sites * (leaks[0].sites is None) + features * (leaks[0].features is None)
