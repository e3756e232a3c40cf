"""Statistics of survival: the concordance of risks and times, and curves of the halves by risk."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from metrics.bootstrap import Estimator, Interval
from metrics.pictures import kaplan_meier_picture
from metrics.report import Picture, Table
from metrics.survival import Risks, concordance_estimator, halves_by_risk, undefined_because
from stages.statistics.kind import Findings, FoldCases, OutcomeStatistics, RunStatistics, StatisticsConfig, column, ids


class SurvivalStatistics(OutcomeStatistics[Risks]):
    """How well risks order times to an event."""

    main_figures = ("concordance", "log_rank_p")
    curve = ("val_cindex", "concordance")
    drawn_within = "those with the event and those without"
    of_pooled = (
        "Pooled: risks of different folds are on different scales, so the concordance is the mean of the folds', and "
        "patients are of high risk above the median of their fold."
    )
    of_repeated = "each counts in every fold that tested it"
    of_patients = "A patient's risk is the mean of the slides'."
    known_of_slides = "times or events"

    def cases(self, table: pd.DataFrame, fold: int) -> Risks:
        """Return the rows of a table with ``time, event, risk``."""
        return Risks(
            **ids(table),
            times=column(table, "time"),
            events=column(table, "event") == 1,
            risks=column(table, "risk"),
            of_model=np.full(len(table), fold),
        )

    def rule(self, config: StatisticsConfig) -> str:
        """Return which time counts."""
        return "the longest time"

    def estimator(self, cases: Risks, config: StatisticsConfig) -> Estimator:
        """Return the concordance."""
        return concordance_estimator(cases)

    def figures(self, cases: Risks, config: StatisticsConfig) -> dict[str, Interval]:
        """Return the concordance; of one slide a patient also ``log_rank_p``, which takes for granted that rows are
        independent."""
        alone = cases.n_patients == len(set(cases.slide_ids))
        p = {"log_rank_p": Interval(halves_by_risk(cases).p)} if alone else {}
        return super().figures(cases, config) | p

    def undefined_because(self, cases: Risks) -> list[str]:
        """Return what is missing: slides, numbers, events."""
        return undefined_because(cases)

    def describe(self, cases: Risks) -> str:
        """Return how many have the event."""
        of_patient = dict(zip(cases.patient_ids, cases.events.tolist(), strict=True))
        n_events = sum(of_patient.values())
        return f"{n_events} patients with the event, {len(of_patient) - n_events} censored."

    def pictures(self, cases: Risks, intervals: Mapping[str, Interval], level: str, name: str) -> dict[str, Picture]:
        """Return Kaplan-Meier curves of patients; those of slides would count who has many slides more."""
        if "log_rank_p" not in intervals:
            return {}
        title = f"Survival by predicted risk ({level}s, {name})"
        caption = "Kaplan-Meier; shaded: 95 % interval. The halves are those of these patients, and no rule for others"
        return {"kaplan_meier": Picture.of(kaplan_meier_picture(halves_by_risk(cases), title=title), caption)}

    def more(self, folds: Sequence[FoldCases[Risks]], run: RunStatistics[Risks]) -> Findings:
        """Return how many patients and events the halves have."""
        groups = halves_by_risk(run.sets["patient"][run.main])
        rows = [_half(name, curve) for name, curve in groups.curves.items()]
        return Findings(tables=[Table("Halves by predicted risk", pd.DataFrame(rows))] if rows else [])


def _half(name: str, curve: pd.DataFrame) -> dict[str, object]:
    median = curve.index[curve["survival"] <= 0.5].min()
    return {
        "patients": name,
        "number": int(curve["at_risk"].max()),
        "events": int(curve["events"].sum()),
        "median time": "not reached" if np.isnan(median) else f"{median:.4g}",
    }
