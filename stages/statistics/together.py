"""The folds of a run as one set."""

from collections.abc import Sequence

from metrics.cases import C, ensemble, pooled, times_tested
from stages.statistics.kind import FoldCases

ENSEMBLE, POOLED = "ensemble", "pooled"


def together(folds: Sequence[FoldCases[C]]) -> tuple[str, C]:
    """Return the name of the set that stands for a run, and the set.

    One fold: itself. Several that tested the same slides: ``ensemble``, the mean of what they say. Else
    ``pooled``: each slide as the folds that did not train on it predicted it.
    """
    parts = [fold.test for fold in folds]
    if len(parts) == 1:
        return folds[0].name, parts[0]
    if set(times_tested(parts).values()) == {len(parts)}:
        return ENSEMBLE, ensemble(parts)
    return POOLED, pooled(parts)
