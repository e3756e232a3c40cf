"""Losses of survival against their formulas, number by number, and against lifelines."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.survival_losses import cox_partial_likelihood, hazard_nll, risk_of, survival_curve

LOGITS = st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4)
PATIENT = st.tuples(st.floats(-3, 3, width=32), st.integers(0, 5), st.booleans())


def likelihood(logits: list[float], time_bin: int, event: bool) -> float:
    """The probability of what was seen, bin by bin."""
    hazards = [1 / (1 + math.exp(-logit)) for logit in logits]
    before = math.prod(1 - hazard for hazard in hazards[:time_bin])
    return before * (hazards[time_bin] if event else 1 - hazards[time_bin])


def log_partial_likelihood(patients: list[tuple[float, int, bool]]) -> float:
    """Cox's, with Breslow's ties."""
    total = 0.0
    for risk, time, event in patients:
        if event:
            total += risk - math.log(sum(math.exp(other) for other, at, _ in patients if at >= time))
    return total


def columns(patients: list[tuple[float, int, bool]]) -> list[torch.Tensor]:
    return [torch.tensor(column) for column in zip(*patients, strict=True)]


@given(LOGITS, st.integers(0, 3), st.booleans())
def test_the_loss_of_hazards_is_its_likelihood(logits, time_bin, event):
    loss = hazard_nll(torch.tensor([logits]), torch.tensor([time_bin]), torch.tensor([event]))
    assert loss.item() == pytest.approx(-math.log(likelihood(logits, time_bin, event)), abs=1e-4)


def test_patients_are_averaged():
    logits, bins, events = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 3]), torch.tensor([1, 0, 1, 0, 1])
    each = [hazard_nll(logits[i : i + 1], bins[i : i + 1], events[i : i + 1]).item() for i in range(5)]
    assert hazard_nll(logits, bins, events).item() == pytest.approx(sum(each) / 5)


def test_all_that_can_happen_has_probability_1():
    """An event in one of the bins, or survival beyond the last."""
    logits = torch.randn(1, 4)
    ends = [(time_bin, 1) for time_bin in range(4)] + [(3, 0)]
    losses = [hazard_nll(logits, torch.tensor([time_bin]), torch.tensor([event])) for time_bin, event in ends]
    assert sum(math.exp(-loss) for loss in losses) == pytest.approx(1)


@pytest.mark.parametrize("event", [0, 1])
def test_sure_hazards_stay_finite(event):
    logits = torch.tensor([[500.0, -500.0, 500.0]], requires_grad=True)
    loss = hazard_nll(logits, torch.tensor([2]), torch.tensor([event]))
    loss.backward()
    assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


def test_risk_falls_with_survival():
    logits = torch.tensor([[2.0, 2.0], [-2.0, -2.0]])
    curve = survival_curve(logits)
    assert curve[0].tolist() == pytest.approx([1 - 0.880797, (1 - 0.880797) ** 2], abs=1e-5)
    assert risk_of(logits).tolist() == pytest.approx((-curve.sum(1)).tolist())
    assert risk_of(logits)[0] > risk_of(logits)[1]


def test_the_best_hazards_of_a_cohort_are_those_of_kaplan_and_meier():
    lifelines = pytest.importorskip("lifelines")
    dice = np.random.default_rng(0)
    bins, events = dice.integers(0, 4, 200), dice.integers(0, 2, 200)
    at_risk = [(bins >= k).sum() for k in range(4)]
    died = [((bins == k) & (events == 1)).sum() for k in range(4)]
    logits = torch.tensor(np.array(died) / at_risk).logit().requires_grad_()
    hazard_nll(logits.expand(200, 4), torch.tensor(bins), torch.tensor(events)).backward()
    assert logits.grad is not None and logits.grad.abs().max() < 1e-9
    published = lifelines.KaplanMeierFitter().fit(bins, events).survival_function_at_times(range(4))
    assert survival_curve(logits[None])[0].tolist() == pytest.approx(list(published))


@given(st.lists(PATIENT, min_size=1, max_size=8))
def test_coxs_loss_is_its_formula_divided_by_the_events(patients):
    n_events = sum(event for *_, event in patients)
    loss = cox_partial_likelihood(*columns(patients)).item()
    assert loss * n_events == pytest.approx(-log_partial_likelihood(patients), abs=1e-4)


def test_coxs_loss_is_that_of_lifelines():
    lifelines, pandas = pytest.importorskip("lifelines"), pytest.importorskip("pandas")
    dice = np.random.default_rng(0)
    table = pandas.DataFrame({"x": dice.normal(size=80), "t": dice.exponential(size=80), "e": dice.integers(0, 2, 80)})
    fitted = lifelines.CoxPHFitter().fit(table, "t", "e")
    risks, times, events = (torch.tensor(table[name].to_numpy()) for name in ("x", "t", "e"))
    loss = cox_partial_likelihood(risks * fitted.params_["x"], times, events)
    assert -loss.item() * int(events.sum()) == pytest.approx(fitted.log_likelihood_, abs=1e-6)


def test_without_an_event_coxs_loss_is_zero_and_teaches_nothing():
    risks = torch.randn(3, requires_grad=True)
    loss = cox_partial_likelihood(risks, torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3))
    loss.backward()
    assert loss == 0 and risks.grad is not None and not risks.grad.any()


def test_large_risks_stay_finite():
    risks = torch.tensor([1e4, -1e4, 0.0], requires_grad=True)
    loss = cox_partial_likelihood(risks, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1, 1, 0]))
    loss.backward()
    assert loss.isfinite() and risks.grad is not None and risks.grad.isfinite().all()


def test_only_differences_of_risks_matter():
    risks, times, events = torch.randn(6), torch.rand(6), torch.tensor([1, 0, 1, 1, 0, 1])
    one, other = (cox_partial_likelihood(risks + shift, times, events) for shift in (0, 7))
    assert one.item() == pytest.approx(other.item(), abs=1e-5)
