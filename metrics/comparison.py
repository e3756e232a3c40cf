"""Are two models different on the same slides? Differences with intervals by patient, and DeLong's test for AUCs."""

import logging
from collections.abc import Callable

import numpy as np
import pandas as pd

from metrics.bootstrap import N_RESAMPLES, SEED, Estimator, intervals
from metrics.cases import C, Cases
from metrics.delong import DeLong, delong_test
from metrics.figures import curve_classes
from metrics.predictions import Predictions
from utils.errors import UsageError

logger = logging.getLogger(__name__)

NAN = float("nan")


def compare_runs(
    a: C,
    b: C,
    estimator: Callable[[C], Estimator],
    *,
    voting: str = "max",
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> pd.DataFrame:
    """Compare two models on the slides that both predicted.

    Args:
        a, b: labelled predictions of the same slides, in any order; what one side lacks is left out, with a warning.
        estimator: of the figures of either.
        voting: what is known of patients whose slides differ, see `Cases.by_patient`.
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
    if a.n_patients < len(set(a.slide_ids)):
        levels["slide"] = (a, b)
    tables = [_differences(*sides, estimator, n_resamples, seed).assign(level=level) for level, sides in levels.items()]
    tables[0]["p"] = tables[0]["figure"].map(_delong_p(*levels["patient"])).astype(float)
    tables = [table.assign(p=table.get("p", NAN)) for table in tables]
    return pd.concat(tables, ignore_index=True)[["level", "figure", "a", "b", "difference", "low", "high", "p"]]


def common_slides(a: C, b: C) -> tuple[C, C]:
    """Return the slides that both have, in the order of the first.

    Raises:
        UsageError: there is none, or they differ in classes, labels or patients.
    """
    of_a, of_b = (getattr(side, "class_names", ()) for side in (a, b))
    if of_a != of_b:
        raise UsageError(f"the runs have other classes: {', '.join(of_a)} and {', '.join(of_b)}")
    place = {name: number for number, name in enumerate(a.slide_ids)}
    common = place.keys() & set(b.slide_ids)
    if not common:
        raise UsageError("the runs predicted no slide in common, so they cannot be compared")
    left_out = len(place.keys() ^ set(b.slide_ids))
    if left_out:
        logger.warning("%d slides that only one run predicted are left out of the comparison", left_out)
    a = a.rows([row for row, name in enumerate(a.slide_ids) if name in common])
    rows = [row for row, name in enumerate(b.slide_ids) if name in common]
    b = b.rows(sorted(rows, key=lambda row: place[b.slide_ids[row]]))
    _require_agreement(a, b)
    return a, b


def _require_agreement(a: Cases, b: Cases) -> None:
    row_of = {name: row for row, name in enumerate(a.slide_ids)}
    agreed = b.agreement(a.rows([row_of[name] for name in b.slide_ids]))
    if not agreed.all():
        raise UsageError(f"slide {b.slide_ids[np.argmin(agreed)]}: the runs disagree on its label or patient")


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


def _delong_p(a: Cases, b: Cases) -> dict[str, float]:
    if not isinstance(a, Predictions) or not isinstance(b, Predictions):
        return {}
    return {name: test.p for name, test in delong_by_class(a, b).items()}


def _differences(a: C, b: C, estimator: Callable[[C], Estimator], n_resamples: int, seed: int) -> pd.DataFrame:
    of_a, of_b = estimator(a), estimator(b)
    row_of = {name: row for row, name in enumerate(a.patient_ids)}
    rows_of_b = [row_of[name] for name in b.patient_ids]  # a row of the same patient, so drawn as often
    bounds = intervals(
        lambda weights: of_a.of_draws(weights) - of_b.of_draws(weights[:, rows_of_b]),
        a.patient_ids,
        strata=of_a.strata,
        n_resamples=n_resamples,
        seed=seed,
    )
    first, second = of_a.values(len(a)), of_b.values(len(b))
    table = pd.DataFrame({"figure": of_a.names, "a": list(first.values()), "b": list(second.values())})
    return table.assign(difference=table["a"] - table["b"], low=bounds[:, 0], high=bounds[:, 1])
