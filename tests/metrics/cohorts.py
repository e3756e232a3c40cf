"""Fabricated predictions of patients with several slides each."""

import numpy as np
from scipy.special import softmax

from metrics.predictions import Predictions
from metrics.survival import Risks


def predictions(
    n_slides: int = 60, n_classes: int = 2, *, n_patients: int = 30, separation: float = 1.5, seed: int = 0
) -> Predictions:
    """Return predictions in which slides of one patient resemble one another; every class is there."""
    rng = np.random.default_rng(seed)
    patients = np.arange(n_slides) % n_patients
    labels = patients % n_classes
    logits = rng.normal(size=(n_patients, n_classes))[patients] + rng.normal(size=(n_slides, n_classes))
    logits[np.arange(n_slides), labels] += separation
    return Predictions(
        slide_ids=tuple(f"slide_{i}" for i in range(n_slides)),
        patient_ids=tuple(f"patient_{i}" for i in patients),
        labels=labels,
        probabilities=softmax(logits, axis=1),
        class_names=tuple(f"class_{i}" for i in range(n_classes)),
    )


def of(labels: list[int], positive: list[float], patients: list[str] | None = None) -> Predictions:
    """Return predictions of two classes by the probability of the second."""
    probabilities = np.array(positive, float)
    names = tuple(f"slide_{i}" for i in range(len(labels)))
    return Predictions(
        slide_ids=names,
        patient_ids=tuple(patients) if patients else names,
        labels=np.array(labels, int),
        probabilities=np.stack([1 - probabilities, probabilities], axis=1),
        class_names=("normal", "tumor"),
    )


def risks(n_patients: int = 60, *, n_models: int = 1, effect: float = 1.0, seed: int = 0) -> Risks:
    """Return risks of patients with one slide each, a third of them censored; each model has its own scale."""
    rng = np.random.default_rng(seed)
    names = tuple(f"patient_{i}" for i in range(n_patients))
    hazard = rng.normal(size=n_patients)
    of_model = np.arange(n_patients) % n_models
    return Risks(
        slide_ids=names,
        patient_ids=names,
        times=np.round(rng.exponential(np.exp(-effect * hazard)), 2),
        events=np.arange(n_patients) % 3 != 2,
        risks=hazard * (1 + of_model) + 5 * of_model,
        of_model=of_model,
    )
