"""Fabricated tables of predictions and histories, as the files of a fold hold them."""

import numpy as np
import pandas as pd

from stages.outcomes.classification import Classification
from stages.outcomes.outcome import Outcome
from stages.outcomes.regression import Regression
from stages.outcomes.survival import Survival
from stages.run_report import FoldTables
from tests.metrics.cohorts import predictions, risks

KINDS = ("classification", "regression", "survival")
FIGURE_OF = {"classification": "auc", "regression": "r2", "survival": "cindex"}
OUTCOMES: dict[str, Outcome] = {
    "classification": Classification(("class_0", "class_1")),
    "regression": Regression(0.0, 1.0),
    "survival": Survival("hazard", np.array([0.5, 1.0])),
}


def table(kind: str, n_slides: int = 60, *, n_patients: int = 30, seed: int = 0) -> pd.DataFrame:
    """Return predictions of patients with several slides each."""
    rows = np.arange(n_slides)
    patients = rows % n_patients
    ids = {"slide_id": [f"slide_{i}" for i in rows], "case_id": [f"patient_{i}" for i in patients]}
    rng = np.random.default_rng(seed)
    if kind == "classification":
        given = predictions(n_slides, n_patients=n_patients, seed=seed)
        shares = {f"p_{c}": given.probabilities[:, c] for c in range(2)}
        return pd.DataFrame({**ids, "Y": given.labels, "Y_hat": given.predicted, **shares})
    if kind == "regression":
        targets = np.random.default_rng(99).normal(40, 10, n_patients)[patients]
        return pd.DataFrame({**ids, "Y": targets, "Y_hat": targets + rng.normal(0, 5, n_slides)})
    given = risks(n_patients)
    risk = given.risks[patients] + rng.normal(0, 0.5, n_slides)
    return pd.DataFrame(
        {**ids, "time": given.times[patients], "event": given.events[patients].astype(int), "risk": risk}
    )


def history(kind: str) -> pd.DataFrame:
    """Return three epochs."""
    losses = {"epoch": [0, 1, 2], "train_loss": [0.8, 0.6, 0.4], "val_loss": [0.8, 0.7, 0.65]}
    return pd.DataFrame({**losses, f"val_{FIGURE_OF[kind]}": [np.nan, 0.6, 0.7]})


def folds(kind: str, n_folds: int = 2, **options) -> dict[int, FoldTables]:
    """Return folds that test other patients each, and validate on the next one's."""
    whole = table(kind, **options)
    fold_of = whole["case_id"].str.removeprefix("patient_").astype(int) // 2 % n_folds
    parts = [whole[fold_of == fold] for fold in range(n_folds)]
    return {fold: FoldTables(parts[fold], parts[(fold + 1) % n_folds], history(kind)) for fold in range(n_folds)}
