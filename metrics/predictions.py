"""Class probabilities that models say of slides, and of patients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metrics.cases import Cases
from utils.errors import UsageError

VOTINGS = ("max", "maj")


@dataclass(frozen=True)
class Predictions(Cases):
    """Class probabilities of N slides, or of N patients, over C classes.

    Attributes:
        slide_ids: N names.
        patient_ids: N names; slides of one patient are not independent of one another.
        labels: (N,) classes from 0; None where they are not known.
        probabilities: (N, C), rows sum to 1; NaN where a model gave no number.
        class_names: C names.
    """

    known = ("labels",)
    predicted_as = ("probabilities",)

    labels: np.ndarray | None
    probabilities: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        n_slides = len(self.slide_ids)
        shapes = {len(self.patient_ids), len(self.probabilities), n_slides if self.labels is None else len(self.labels)}
        if shapes != {n_slides} or self.probabilities.shape[1:] != (len(self.class_names),):
            raise ValueError(
                f"{n_slides} slides and {len(self.class_names)} classes do not fit probabilities of shape "
                f"{self.probabilities.shape}, {len(self.patient_ids)} patients or the labels"
            )
        if self.labels is not None and not np.isin(self.labels, np.arange(self.n_classes)).all():
            raise ValueError(f"labels are classes from 0 to {self.n_classes - 1}")

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def known_labels(self) -> np.ndarray:
        """Labels (N,).

        Raises:
            UsageError: they are not known.
        """
        if self.labels is None:
            raise UsageError("these predictions have no labels, so nothing can be said of how good they are")
        return self.labels

    @property
    def predicted(self) -> np.ndarray:
        """The most probable classes (N,); the first of equals. Meaningless in rows that are NaN."""
        return np.argmax(self.probabilities, axis=1).astype(int) if len(self) else np.empty(0, int)

    def with_probabilities(self, probabilities: np.ndarray) -> "Predictions":
        """Return the same slides with other probabilities (N, C)."""
        return replace(self, probabilities=probabilities)

    def known_of(self, groups: Sequence[np.ndarray], voting: str) -> dict[str, Any]:
        """Return the labels of patients: the highest of their slides' (``max``) or the most frequent (``maj``, the
        lowest of equals)."""
        if voting not in VOTINGS:
            raise ValueError(f"voting is {' or '.join(VOTINGS)}, not {voting!r}")
        return {} if self.labels is None else {"labels": _voted(self.labels, groups, voting)}


def _voted(labels: np.ndarray, groups: Sequence[np.ndarray], voting: str) -> np.ndarray:
    """Return the label of each group."""
    if voting == "max":
        return np.array([labels[rows].max() for rows in groups], int)
    return np.array([np.bincount(labels[rows]).argmax() for rows in groups], int)
