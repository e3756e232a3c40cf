"""What a model is made from. Free of torch, so that command lines can read it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSettings:
    """What a model is made from; which of these a model heeds stands in its module.

    Attributes:
        model_type: name of a head in ``models/heads/registry.py``.
        embed_dim: length of a feature.
        n_classes: number of outputs: classes, time bins of hazards, or 1 for a number.
        model_size: ``small`` or ``big``, for the heads that have sizes.
        drop_out: rate after the embedding.
        subtyping: classes exclude each other (CLAM).
        k_sample: instances taken as evidence on either side (CLAM).
        inst_loss: ``ce`` or ``svm`` (CLAM).
        gate: gated attention (CLAM).
    """

    model_type: str = "clam_sb"
    embed_dim: int = 1024
    n_classes: int = 2
    model_size: str = "small"
    drop_out: float = 0.25
    subtyping: bool = False
    k_sample: int = 8
    inst_loss: str = "ce"
    gate: bool = True
