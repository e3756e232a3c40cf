"""What models say of slides, and of patients: the one thing all statistics are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.errors import UsageError

VOTINGS = ("max", "maj")


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of N slides, or of N patients, over C classes.

    Attributes:
        slide_ids: N names.
        patient_ids: N names; slides of one patient are not independent of one another.
        labels: (N,) classes from 0; None where they are not known.
        probabilities: (N, C), rows sum to 1; NaN where a model gave no number.
        class_names: C names.
    """

    slide_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
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

    def __len__(self) -> int:
        return len(self.slide_ids)

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def n_patients(self) -> int:
        """How many patients the slides are from."""
        return len(set(self.patient_ids))

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

    def rows(self, rows: np.ndarray | Sequence[int]) -> "Predictions":
        """Return some slides, by their numbers and in their order."""
        rows = np.asarray(rows, int)
        return replace(
            self,
            slide_ids=tuple(self.slide_ids[row] for row in rows),
            patient_ids=tuple(self.patient_ids[row] for row in rows),
            labels=None if self.labels is None else self.labels[rows],
            probabilities=self.probabilities[rows],
        )

    def with_probabilities(self, probabilities: np.ndarray) -> "Predictions":
        """Return the same slides with other probabilities (N, C)."""
        return replace(self, probabilities=probabilities)

    def by_patient(self, voting: str = "max") -> "Predictions":
        """Return one prediction a patient, in the order in which patients first appear.

        Its probabilities are the mean over the patient's slides, NaN where one of them is. Its label is that of all
        slides; where they differ, by ``voting``.

        Args:
            voting: ``max``, the highest class; ``maj``, the most frequent one, the lowest of equals.
        """
        if voting not in VOTINGS:
            raise ValueError(f"voting is {' or '.join(VOTINGS)}, not {voting!r}")
        groups = rows_by_name(self.patient_ids)
        return Predictions(
            slide_ids=tuple(groups),
            patient_ids=tuple(groups),
            labels=None if self.labels is None else _voted(self.labels, list(groups.values()), voting),
            probabilities=_means(self.probabilities, list(groups.values())),
            class_names=self.class_names,
        )

    def patients_of_several_classes(self) -> list[str]:
        """Return the patients whose slides differ in their label."""
        labels = self.known_labels
        return [name for name, rows in rows_by_name(self.patient_ids).items() if len(set(labels[rows])) > 1]


def rows_by_name(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the numbers of the rows of each name, names in the order in which they first appear."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return {name: np.array(numbers) for name, numbers in rows.items()}


def pooled(parts: Sequence[Predictions]) -> Predictions:
    """Return the predictions of all folds as one set.

    A slide that several folds tested (Monte-Carlo splits) is there once, with the mean of its probabilities.

    Raises:
        UsageError: the folds disagree on the classes, or on the label or the patient of a slide.
    """
    together = _concatenated(parts)
    groups = rows_by_name(together.slide_ids)
    for name, rows in groups.items():
        patients = {together.patient_ids[row] for row in rows}
        labels = set() if together.labels is None else set(together.labels[rows].tolist())
        if len(patients) > 1 or len(labels) > 1:
            raise UsageError(f"slide {name}: folds disagree on its patient or label; were they made from one table?")
    firsts = together.rows([rows[0] for rows in groups.values()])
    return firsts.with_probabilities(_means(together.probabilities, list(groups.values())))


def ensemble(parts: Sequence[Predictions]) -> Predictions:
    """Return the mean of what several models say of the same slides.

    Raises:
        UsageError: they are not of the same slides.
    """
    for part in parts[1:]:
        others = sorted(set(part.slide_ids) ^ set(parts[0].slide_ids))
        if others:
            raise UsageError(f"the models were not given the same slides, so no mean is taken ({others[0]}, ...)")
    return pooled(parts)


def times_tested(parts: Sequence[Predictions]) -> dict[str, int]:
    """Return how many of the sets each slide is in."""
    return {name: len(rows) for name, rows in rows_by_name([s for part in parts for s in part.slide_ids]).items()}


def _concatenated(parts: Sequence[Predictions]) -> Predictions:
    if not parts:
        raise ValueError("no predictions to put together")
    if len({part.class_names for part in parts}) > 1:
        raise UsageError("the folds do not have the same classes")
    labels = [part.labels for part in parts if part.labels is not None]
    return Predictions(
        slide_ids=tuple(name for part in parts for name in part.slide_ids),
        patient_ids=tuple(name for part in parts for name in part.patient_ids),
        labels=np.concatenate(labels) if len(labels) == len(parts) else None,
        probabilities=np.concatenate([part.probabilities for part in parts]),
        class_names=parts[0].class_names,
    )


def _means(values: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Return the mean (G, C) of the rows of each group."""
    return np.array([values[rows].mean(axis=0) for rows in groups]).reshape(len(groups), values.shape[1])


def _voted(labels: np.ndarray, groups: list[np.ndarray], voting: str) -> np.ndarray:
    """Return the label of each group."""
    if voting == "max":
        return np.array([labels[rows].max() for rows in groups], int)
    return np.array([np.bincount(labels[rows]).argmax() for rows in groups], int)
