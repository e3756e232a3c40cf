"""How often the 95 % interval of an AUC holds the true one, on simulated patients with several slides each.

    python -m benchmarks.coverage [N_SIMULATIONS]

Prints a table, asserts nothing. A patient has 1 to 5 slides and is of either class with the same chance. A slide's
score is the sum of a normal effect of the patient, 60 % of the variance, one of the slide, and a shift by class that
sets the true AUC.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np
from scipy import stats

from benchmarks.setting import setting
from metrics.bootstrap import METHOD, intervals
from metrics.figures import curve_figures

N_SIMULATIONS = 1000
N_RESAMPLES = 400
PATIENT_PART = 0.6  # of the variance of scores within a class
MOST_SLIDES = 5


def main(argv: Sequence[str]) -> int:
    """Print how often the true AUC lies inside, below and above the interval."""
    n_simulations = int(argv[0]) if argv else N_SIMULATIONS
    print(setting("numpy", "scipy", "scikit-learn"))
    print(f"{n_simulations} simulations, {N_RESAMPLES} draws each, {METHOD}")
    print("patients  true_auc  inside  below  above  undefined")
    for n_patients in (30, 60, 120):
        for true_auc in (0.75, 0.9):
            below, above, undefined = misses(n_patients, true_auc, n_simulations)
            inside = 1 - (below + above) / (n_simulations - undefined)
            print(f"{n_patients:8d}  {true_auc:8g}  {inside:6.3f}  {below:5d}  {above:5d}  {undefined:9d}", flush=True)
    return 0


def misses(
    n_patients: int, true_auc: float, n_simulations: int, *, n_resamples: int = N_RESAMPLES, seed: int = 1
) -> tuple[int, int, int]:
    """Return how often the true AUC was below the interval, above it, and how often there was no interval."""
    rng = np.random.default_rng(seed)
    below = above = undefined = 0
    for number in range(n_simulations):
        patients, positive, scores = simulated_slides(n_patients, true_auc, rng)
        low, high = auc_interval(patients, positive, scores, n_resamples=n_resamples, seed=number)
        below += true_auc < low
        above += true_auc > high
        undefined += math.isnan(low)
    return below, above, undefined


def simulated_slides(
    n_patients: int, true_auc: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return patient, class and score of N slides, each (N,); two slides of unlike class are ranked right by chance
    ``true_auc``."""
    patients = np.repeat(np.arange(n_patients), rng.integers(1, MOST_SLIDES + 1, n_patients))
    positive = (rng.permutation(n_patients) < rng.binomial(n_patients - 4, 0.5) + 2)[patients]
    shift = stats.norm.ppf(true_auc) * math.sqrt(2)
    of_patient, of_slide = rng.normal(size=n_patients)[patients], rng.normal(size=len(patients))
    scores = math.sqrt(PATIENT_PART) * of_patient + math.sqrt(1 - PATIENT_PART) * of_slide + shift * positive
    return patients, positive, scores


def auc_interval(
    patients: np.ndarray, positive: np.ndarray, scores: np.ndarray, *, n_resamples: int, seed: int
) -> tuple[float, float]:
    """Return the interval of the AUC of N slides."""
    bounds = intervals(
        lambda weights: curve_figures(positive, scores, weights)["auc"][:, None],
        [str(patient) for patient in patients],
        strata=positive.astype(int),
        n_resamples=n_resamples,
        seed=seed,
    )
    low, high = bounds[0].tolist()
    return low, high


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
