"""Which instances of a bag serve as evidence for and against a class, by their attention.

The pseudo-labels of CLAM (Lu et al. 2021, "Data-efficient and weakly supervised computational pathology on
whole-slide images", Methods, instance-level clustering).
"""

import torch


def evidence_size(n_instances: int, k_sample: int) -> int:
    """Return how many instances serve as evidence on either side; 0 where a bag has but one.

    A bag smaller than ``k_sample`` gives half of its instances to each side. A larger one gives ``k_sample``
    to each, even where the sides overlap: published models were trained so.
    """
    if n_instances < 2:
        return 0
    return k_sample if n_instances >= k_sample else max(1, n_instances // 2)


def choose_evidence(attention: torch.Tensor, k: int, in_class: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose instances, and say what each is: 1 evidence for the class, 0 against it.

    Args:
        attention: (N,) of the class's branch.
        k: instances on either side.
        in_class: whether the bag is of this class; if not, its k most attended instances are evidence against it.

    Returns:
        Positions and pseudo-labels: (2k,) with the most attended first, (k,) where the bag is not of the class.
    """
    top = attention.topk(k).indices
    if not in_class:
        return top, torch.zeros_like(top)
    bottom = (-attention).topk(k).indices
    return torch.cat([top, bottom]), torch.cat([torch.ones_like(top), torch.zeros_like(bottom)])
