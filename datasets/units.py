"""What is drawn into a split as one: a patient with all slides, or a single slide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from utils.lookup import require_choice
from utils.wording import few

VOTING = ("max", "maj")


@dataclass(frozen=True)
class Units:
    """Patients (or slides) of a cohort.

    Attributes:
        ids: (U,) case ids in ascending order, or slide ids in the order of the table.
        labels: (U,) class of each.
        slides_of: for each the rows of its slides in the table, ascending.
        n_classes: number of classes, present or not.
        word: what they are, for messages.
    """

    ids: np.ndarray
    labels: np.ndarray
    slides_of: list[np.ndarray]
    n_classes: int
    word: str

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def of_class(self) -> list[np.ndarray]:
        """Positions of the units of every class."""
        return [np.flatnonzero(self.labels == number) for number in range(self.n_classes)]


def patients_of(slides: pd.DataFrame, n_classes: int, voting: str = "max") -> Units:
    """Group slides by patient.

    Args:
        slides: ``case_id`` and ``label`` (int) of every slide.
        n_classes: number of classes.
        voting: a patient's label is the ``max`` of its slides' labels, or the most frequent one (``maj``; of
            equally frequent ones the smallest).

    Raises:
        UsageError: unknown voting.
    """
    require_choice(voting, list(VOTING), kind="patient_voting")
    case_ids, patient_of_slide = np.unique(slides["case_id"].to_numpy(object), return_inverse=True)
    by_patient = np.argsort(patient_of_slide, kind="stable")
    slides_of = np.split(by_patient, np.cumsum(np.bincount(patient_of_slide))[:-1])
    vote = np.max if voting == "max" else _most_frequent
    labels = slides["label"].to_numpy()
    return Units(case_ids, np.array([vote(labels[rows]) for rows in slides_of]), slides_of, n_classes, "patients")


def mixed_patients(slides: pd.DataFrame, patients: Units) -> list[int]:
    """Return the positions of the patients whose slides have several labels."""
    labels = slides["label"].to_numpy()
    return [patient for patient, rows in enumerate(patients.slides_of) if len(set(labels[rows])) > 1]


def describe_mixed(slides: pd.DataFrame, patients: Units, class_names: Sequence[str], voting: str) -> str:
    """Return which patients have slides of several labels, and what each counts as; empty where there is none."""
    mixed = mixed_patients(slides, patients)
    if not mixed:
        return ""
    shown = few([f"{patients.ids[one]} ({class_names[patients.labels[one]]})" for one in mixed], most=5)
    return (
        f"{len(mixed)} patients have slides of several labels. To draw splits each counts as one class "
        f"(voting {voting}): {shown}. Slides keep their own labels"
    )


def single_slides_of(slides: pd.DataFrame, n_classes: int) -> Units:
    """Take every slide on its own; slides of one patient may then part."""
    rows = [np.array([row]) for row in range(len(slides))]
    return Units(slides["slide_id"].to_numpy(object), slides["label"].to_numpy(), rows, n_classes, "slides")


def _most_frequent(labels: np.ndarray) -> int:
    return int(np.bincount(labels).argmax())  # argmax takes the first, hence the smallest, of equals
