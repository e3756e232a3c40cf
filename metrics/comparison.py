"""Are two models different on the same slides? Differences with intervals by patient, and DeLong's test for AUCs."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from metrics.bootstrap import N_RESAMPLES, SEED, figures_of_rows, intervals
from metrics.delong import DeLong, delong_test
from metrics.figures import SPECIFICITIES, curve_classes
from metrics.predictions import Predictions
from utils.errors import UsageError

logger = logging.getLogger(__name__)

NAN = float("nan")


def compare_runs(
    a: Predictions,
    b: Predictions,
    *,
    voting: str = "max",
    specificities: Sequence[float] = SPECIFICITIES,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> pd.DataFrame:
    """Compare two models on the slides that both predicted.

    Args:
        a, b: labelled predictions of the same slides, in any order; what one side lacks is left out, with a warning.
        voting: how patients whose slides differ get their label, see `Predictions.by_patient`.
        specificities: where sensitivities are given.
        n_resamples, seed: of the intervals.

    Returns:
        A row a figure: ``level`` (``patient``; and ``slide`` where a patient has several), ``figure``, ``a``, ``b``,
        ``difference`` (a - b), ``low``, ``high`` (95 %, patients drawn anew), ``p``: DeLong's, for AUCs of patients
        alone, since the test takes for granted that rows are independent; NaN elsewhere.

    Raises:
        UsageError: no slide, or not the classes or labels, in common.
    """
    a, b = common_slides(a, b)
    levels = {"patient": (a.by_patient(voting), b.by_patient(voting))}
    if a.n_patients < len(a):
        levels["slide"] = (a, b)
    tables = [
        _differences(*sides, specificities, n_resamples, seed).assign(level=level) for level, sides in levels.items()
    ]
    tables[0]["p"] = tables[0]["figure"].map(_delong_p(*levels["patient"])).astype(float)
    tables = [table.assign(p=table.get("p", NAN)) for table in tables]
    return pd.concat(tables, ignore_index=True)[["level", "figure", "a", "b", "difference", "low", "high", "p"]]


def common_slides(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """Return the slides that both have, in the order of the first.

    Raises:
        UsageError: there is none, or they differ in classes, labels or patients.
    """
    if a.class_names != b.class_names:
        raise UsageError(f"the runs have other classes: {', '.join(a.class_names)} and {', '.join(b.class_names)}")
    row_in_b = {name: row for row, name in enumerate(b.slide_ids)}
    rows = [row for row, name in enumerate(a.slide_ids) if name in row_in_b]
    if not rows:
        raise UsageError("the runs predicted no slide in common, so they cannot be compared")
    left_out = len(a) + len(b) - 2 * len(rows)
    if left_out:
        logger.warning("%d slides that only one run predicted are left out of the comparison", left_out)
    a, b = a.rows(rows), b.rows([row_in_b[a.slide_ids[row]] for row in rows])
    differ = np.flatnonzero((a.known_labels != b.known_labels) | (np.array(a.patient_ids) != np.array(b.patient_ids)))
    if len(differ):
        raise UsageError(f"slide {a.slide_ids[differ[0]]}: the runs disagree on its label or patient")
    return a, b


def delong_by_class(a: Predictions, b: Predictions) -> dict[str, DeLong]:
    """Return DeLong's test by the name of the AUC: of class 1 of two, of each of more against the rest.

    Args:
        a, b: of the same patients in the same order, one row a patient.
    """
    labels, classes = a.known_labels, curve_classes(a.n_classes)
    names = ["auc_macro"] if a.n_classes == 2 else [f"auc[{name}]" for name in a.class_names]
    return {
        name: delong_test(labels == number, a.probabilities[:, number], b.probabilities[:, number])
        for name, number in zip(names, classes, strict=True)
    }


def _delong_p(a: Predictions, b: Predictions) -> dict[str, float]:
    return {name: test.p for name, test in delong_by_class(a, b).items()}


def _differences(
    a: Predictions, b: Predictions, specificities: Sequence[float], n_resamples: int, seed: int
) -> pd.DataFrame:
    of_a, of_b = (figures_of_rows(side, specificities) for side in (a, b))
    everyone = np.arange(len(a))
    first, second = of_a(everyone), of_b(everyone)
    bounds = intervals(
        _difference(of_a, of_b), a.patient_ids, strata=a.known_labels, n_resamples=n_resamples, seed=seed
    )
    table = pd.DataFrame({"figure": list(first), "a": list(first.values()), "b": list(second.values())})
    return table.assign(difference=table["a"] - table["b"], low=bounds[:, 0], high=bounds[:, 1])


def _difference(
    of_a: Callable[[np.ndarray], dict[str, float]], of_b: Callable[[np.ndarray], dict[str, float]]
) -> Callable[[np.ndarray], list[float]]:
    return lambda rows: [x - y for x, y in zip(of_a(rows).values(), of_b(rows).values(), strict=True)]
