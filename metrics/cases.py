"""Slides, or patients, of which something is known and something was predicted: what all statistics start from."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from utils.errors import UsageError

C = TypeVar("C", bound="Cases")


@dataclass(frozen=True)
class Cases:
    """N slides, or N patients; a class a kind of outcome adds what is known and what was predicted.

    Attributes:
        slide_ids: N names.
        patient_ids: N names; slides of one patient are not independent of one another.
    """

    known: ClassVar[tuple[str, ...]] = ()  # attributes (N, ...) that are known of a row
    predicted_as: ClassVar[tuple[str, ...]] = ()  # attributes (N, ...) that a model said; means are taken of them
    kept: ClassVar[tuple[str, ...]] = ()  # other attributes (N, ...)

    slide_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.slide_ids)

    @property
    def n_patients(self) -> int:
        """How many patients the slides are from."""
        return len(set(self.patient_ids))

    @property
    def models(self) -> np.ndarray:
        """Which model each row (N,) is of, where what models say cannot be compared; all 0 where it can."""
        return np.zeros(len(self), int)

    def as_of_one_model(self: C) -> C:
        """Return the same rows, to be taken as one model's."""
        return self

    def rows(self: C, rows: np.ndarray | Sequence[int]) -> C:
        """Return some rows, by their numbers and in their order."""
        rows = np.asarray(rows, int)
        changed: dict[str, Any] = {name: values[rows] for name, values in self._arrays().items()}
        for name in ("slide_ids", "patient_ids"):
            changed[name] = tuple(getattr(self, name)[row] for row in rows)
        return replace(self, **changed)

    def by_patient(self: C, voting: str = "max") -> C:
        """Return one row a patient, and model: the mean of what was said of its slides.

        Args:
            voting: what is known of a patient whose slides differ; see the classes.
        """
        groups = list(rows_by_name(zip(self.models.tolist(), self.patient_ids, strict=True)).values())
        patients = self.merged(groups)
        return replace(patients, slide_ids=patients.patient_ids, **self.known_of(groups, voting))

    def known_of(self, groups: Sequence[np.ndarray], voting: str) -> dict[str, Any]:
        """Return what is known of groups of rows where it is not what is known of their first."""
        return {}

    def merged(self: C, groups: Sequence[np.ndarray]) -> C:
        """Return one row a group of rows: the first, with the mean of what was said."""
        firsts = self.rows([rows[0] for rows in groups])
        means: dict[str, Any] = {name: _means(getattr(self, name), groups) for name in self.predicted_as}
        return replace(firsts, **means)

    def patients_that_differ(self) -> list[str]:
        """Return the patients of whose slides different things are known."""
        groups = rows_by_name(self.patient_ids)
        return [name for name, rows in groups.items() if not self._agrees(rows)]

    def agreement(self, other: "Cases") -> np.ndarray:
        """Say of each row (N,) whether both know the same of it, and of whom it is."""
        same = np.array(self.patient_ids, object) == np.array(other.patient_ids, object)
        for name in filter(self._has, self.known):
            # numbers pass through 32 bits and a CSV
            same &= np.isclose(getattr(self, name), getattr(other, name), rtol=1e-5, equal_nan=True)
        return same

    def _agrees(self, rows: np.ndarray) -> bool:
        return all(len(np.unique(getattr(self, name)[rows])) == 1 for name in filter(self._has, self.known))

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

    def _arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in filter(self._has, (*self.known, *self.predicted_as, *self.kept))}


def rows_by_name(names: Iterable[Hashable]) -> dict[Any, np.ndarray]:
    """Return the numbers of the rows of each name, names in the order in which they first appear."""
    rows: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return {name: np.array(numbers) for name, numbers in rows.items()}


def pooled(parts: Sequence[C]) -> C:
    """Return the predictions of all folds as one set.

    A slide that several folds tested (Monte-Carlo splits) is there once, with the mean of what they say; where models
    cannot be compared, once a model.

    Raises:
        UsageError: the folds disagree on the classes, or on what is known of a slide, or on its patient.
    """
    together = concatenated(parts)
    row_of = {name: rows[0] for name, rows in rows_by_name(together.slide_ids).items()}
    agreed = together.agreement(together.rows([row_of[name] for name in together.slide_ids]))
    if not agreed.all():
        name = together.slide_ids[np.argmin(agreed)]
        raise UsageError(f"slide {name}: folds disagree on its patient or label; were they made from one table?")
    return together.merged(list(rows_by_name(zip(together.models.tolist(), together.slide_ids, strict=True)).values()))


def ensemble(parts: Sequence[C]) -> C:
    """Return the mean of what several models say of the same slides.

    Raises:
        UsageError: they are not of the same slides.
    """
    for part in parts[1:]:
        others = sorted(set(part.slide_ids) ^ set(parts[0].slide_ids))
        if others:
            raise UsageError(f"the models were not given the same slides, so no mean is taken ({others[0]}, ...)")
    return pooled([part.as_of_one_model() for part in parts])


def times_tested(parts: Sequence[Cases]) -> dict[str, int]:
    """Return how many of the sets each slide is in."""
    return {name: len(rows) for name, rows in rows_by_name(s for part in parts for s in part.slide_ids).items()}


def concatenated(parts: Sequence[C]) -> C:
    """Return the rows of all parts, one after another.

    Raises:
        UsageError: they are predictions of other classes.
    """
    if not parts:
        raise ValueError("no predictions to put together")
    if len({getattr(part, "class_names", None) for part in parts}) > 1:
        raise UsageError("the folds do not have the same classes")
    arrays = [part._arrays() for part in parts]
    everywhere = set.intersection(*map(set, arrays))
    joined = {name: np.concatenate([each[name] for each in arrays]) for name in arrays[0] if name in everywhere}
    missing = dict.fromkeys(set(arrays[0]) - everywhere)
    return replace(
        parts[0],
        slide_ids=tuple(name for part in parts for name in part.slide_ids),
        patient_ids=tuple(name for part in parts for name in part.patient_ids),
        **joined,
        **missing,
    )


def _means(values: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean (G, ...) of the rows of each group."""
    return np.array([values[rows].mean(axis=0) for rows in groups]).reshape(len(groups), *values.shape[1:])


def no_figure_because(cases: Cases, is_broken: np.ndarray) -> list[str]:
    """Return why no figure of some cases is defined at all; empty where that is not so.

    Args:
        cases: N rows.
        is_broken: (N,) whether what was predicted is no number.
    """
    if not len(cases):
        return ["no slide, so no figure is defined"]
    broken = np.flatnonzero(is_broken)
    if not len(broken):
        return []
    name = cases.slide_ids[broken[0]]
    return [f"{len(broken)} predictions are no numbers, such as that of {name}, so no figure is defined"]
