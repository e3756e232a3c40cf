"""Losses of survival: hazards of time bins, and Cox's proportional hazards.

Hazards: Zadeh, Schmid 2020, "Bias in cross-entropy-based training of deep survival networks", IEEE TPAMI. Output j of
a model is the logit of the hazard h_j, the probability that the event happens in bin j when it has not before. Survival
beyond bin j is S_j = (1 - h_0) ... (1 - h_j).

Cox: Cox 1972, "Regression models and life-tables", with Breslow's handling of ties: everyone whose time is at least
that of an event is at risk in it, whoever else has the same time.
"""

import torch
from torch.nn.functional import logsigmoid


def hazard_nll(logits: torch.Tensor, time_bins: torch.Tensor, events: torch.Tensor) -> torch.Tensor:
    """Return the mean negative log likelihood of N patients under hazards of B bins.

    A patient with an event in bin k contributes log S_(k-1) + log h_k; a censored one log S_k, having lived through
    that bin.

    Args:
        logits: (N, B) of hazards.
        time_bins: whole (N,), the bin of the event or of the last contact.
        events: (N,), 1 or true where the event happened, else censored.
    """
    at = time_bins[:, None].long()
    survived = _log_survival(logits).gather(1, at)[:, 0]  # log S_k
    # log S_(k-1) + log h_k = log S_k - log(1 - h_k) + log h_k, and the last two are the logit
    odds = logits.gather(1, at)[:, 0]
    return -(survived + odds * events.to(logits)).mean()


def survival_curve(logits: torch.Tensor) -> torch.Tensor:
    """Return the survival (N, B) beyond each bin from logits (N, B) of hazards."""
    return _log_survival(logits).exp()


def risk_of(logits: torch.Tensor) -> torch.Tensor:
    """Return one number (N,) a patient that is larger the sooner the event is to be expected: -sum_j S_j."""
    return -survival_curve(logits).sum(dim=1)


def _log_survival(logits: torch.Tensor) -> torch.Tensor:
    return logsigmoid(-logits).cumsum(dim=1)


def cox_partial_likelihood(risks: torch.Tensor, times: torch.Tensor, events: torch.Tensor) -> torch.Tensor:
    """Return the negative log partial likelihood (Breslow) of N patients, divided by the number of events.

    It is zero, with zero gradients, where there is no event.

    Args:
        risks: (N,), logs of the relative hazards.
        times: (N,), of the event or of the last contact.
        events: (N,), 1 or true where the event happened, else censored.
    """
    happened = events.bool()
    if not happened.any():
        return 0 * risks.sum()
    at_risk = times >= times[happened, None]  # (events, N)
    total = risks.expand_as(at_risk).masked_fill(~at_risk, -torch.inf).logsumexp(dim=1)
    return (total - risks[happened]).mean()
