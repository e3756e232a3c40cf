"""CLAM: gated attention with instance clustering (Lu et al. 2021, Nature Biomedical Engineering 5, 555-570).

The names of parameters and the order in which they are made are those of published checkpoints: one seed gives
one initialisation.
"""

import re
from collections.abc import Callable
from typing import Any, ClassVar, cast

import torch
from torch import nn

from models.attention import Attn_Net, Attn_Net_Gated
from models.bag_output import BagOutput
from models.drop_out import DropOut
from models.heads.base import State, size_name
from models.instance_clustering import choose_evidence, evidence_size
from models.losses import build_loss
from models.settings import ModelSettings
from utils.errors import UsageError

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# size -> (embedding of an instance, hidden layer of the attention)
SIZES = {"small": (512, 256), "big": (512, 384)}


class _Clam(nn.Module):
    """What the two variants share: embedding, attention, instance clustering.

    Args:
        gate: use gated attention.
        size_arg: ``small`` or ``big``.
        dropout: rate after the embedding; above 0 the attention drops out too, at its own rate.
        k_sample: instances taken as evidence for and against a class.
        n_classes: number of classes.
        instance_loss_fn: loss of (2K, 2) logits against (2K,) targets.
        subtyping: classes exclude each other, so the top instances of other classes are evidence against them.
        embed_dim: length of a feature.
    """

    has_attention: ClassVar[bool] = True

    def __init__(
        self,
        gate: bool = True,
        size_arg: str = "small",
        dropout: float = 0.0,
        k_sample: int = 8,
        n_classes: int = 2,
        instance_loss_fn: Loss | None = None,
        subtyping: bool = False,
        embed_dim: int = 1024,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.n_classes = n_classes
        self.k_sample = k_sample
        self.subtyping = subtyping
        self.instance_loss_fn = instance_loss_fn or nn.CrossEntropyLoss()
        width, hidden = SIZES[size_arg]
        attention = Attn_Net_Gated if gate else Attn_Net
        self.attention_net = nn.Sequential(
            nn.Linear(embed_dim, width),
            nn.ReLU(),
            DropOut(dropout),
            attention(width, hidden, dropout > 0, self._n_branches()),
        )
        self.classifiers = self._bag_classifiers(width)
        self.instance_classifiers = nn.ModuleList([nn.Linear(width, 2) for _ in range(n_classes)])

    def _n_branches(self) -> int:
        raise NotImplementedError

    def _bag_classifiers(self, width: int) -> nn.Module:
        raise NotImplementedError

    def _bag_logits(self, bag: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(
        self,
        h: torch.Tensor,
        label: torch.Tensor | None = None,
        instance_eval: bool = False,
        return_features: bool = False,
        attention_only: bool = False,
    ) -> BagOutput | torch.Tensor:
        """Classify one bag.

        Args:
            h: (N, embed_dim) features of its instances.
            label: (1,) class of the bag, for ``instance_eval``.
            instance_eval: also cluster instances and return their loss.
            return_features: also return the bag's embedding, (1, 512) or (C, 512).
            attention_only: return the raw attention (branches, N) and nothing else.
        """
        scores, h = self.attention_net(h)  # (N, branches), (N, width)
        raw = scores.T  # (branches, N)
        if attention_only:
            return raw
        weights = raw.softmax(dim=1)
        extras = self._cluster(weights, h, label) if instance_eval and label is not None else {}
        bag = weights @ h  # (branches, width)
        logits = self._bag_logits(bag)
        if return_features:
            extras["features"] = bag
        return BagOutput.of(logits, raw, extras)

    def _cluster(self, weights: torch.Tensor, h: torch.Tensor, label: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the instance loss, and pseudo-labels and predictions of the instances looked at."""
        total = h.new_zeros(())
        targets: list[torch.Tensor] = []
        predictions: list[torch.Tensor] = []
        k = evidence_size(len(h), self.k_sample)
        for number, classifier in enumerate(self.instance_classifiers):
            in_class = number == int(label)
            if k == 0 or not (in_class or self.subtyping):
                continue
            chosen, target = choose_evidence(weights[number if len(weights) > 1 else 0], k, in_class)
            logits = classifier(h[chosen])
            total = total + self.instance_loss_fn(logits, target)
            targets.append(target)
            predictions.append(logits.argmax(dim=1))
        if self.subtyping:
            total = total / self.n_classes
        return {"instance_loss": total, "inst_labels": _joined(targets), "inst_preds": _joined(predictions)}


class CLAM_SB(_Clam):
    """CLAM with a single attention branch."""

    def _n_branches(self) -> int:
        return 1

    def _bag_classifiers(self, width: int) -> nn.Module:
        return nn.Linear(width, self.n_classes)

    def _bag_logits(self, bag: torch.Tensor) -> torch.Tensor:
        return self.classifiers(bag)


class CLAM_MB(_Clam):
    """CLAM with an attention branch and a one-number classifier for each class."""

    def _n_branches(self) -> int:
        return self.n_classes

    def _bag_classifiers(self, width: int) -> nn.Module:
        return nn.ModuleList([nn.Linear(width, 1) for _ in range(self.n_classes)])

    def _bag_logits(self, bag: torch.Tensor) -> torch.Tensor:
        one_per_class = cast(nn.ModuleList, self.classifiers)
        return torch.stack([classifier(row) for classifier, row in zip(one_per_class, bag, strict=True)], dim=1)


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.long)


def build(settings: ModelSettings) -> CLAM_SB | CLAM_MB:
    """Return an untrained model."""
    clam = CLAM_SB if settings.model_type == "clam_sb" else CLAM_MB
    return clam(
        gate=settings.gate,
        size_arg=settings.model_size,
        dropout=settings.drop_out,
        k_sample=settings.k_sample,
        n_classes=settings.n_classes,
        instance_loss_fn=build_loss(settings.inst_loss, 2),
        subtyping=settings.subtyping,
        embed_dim=settings.embed_dim,
    )


def recognise(state: State) -> dict[str, Any] | None:
    """Return what the parameters show of the settings; None where they are another head's."""
    if "attention_net.0.weight" not in state:
        return None
    gate = "attention_net.3.attention_a.0.weight" in state
    hidden = state[f"attention_net.3.{'attention_a' if gate else 'module'}.0.weight"].shape[0]
    n_classes = sum(re.fullmatch(r"instance_classifiers\.\d+\.weight", name) is not None for name in state)
    if not n_classes:
        raise UsageError("the checkpoint has no instance classifiers, so it is no CLAM model")
    return {
        "model_type": "clam_mb" if "classifiers.0.weight" in state else "clam_sb",
        "embed_dim": state["attention_net.0.weight"].shape[1],
        "n_classes": n_classes,
        "model_size": size_name({name: attention for name, (_, attention) in SIZES.items()}, hidden),
        "gate": gate,
    }
