"""Models by name: settings in, an untrained model out."""

from dataclasses import dataclass

from torch import nn

from models.losses import build_loss
from models.model_clam import CLAM_MB, CLAM_SB, SIZES
from models.model_mil import MIL_fc, MIL_fc_mc
from utils.lookup import require_choice

MODEL_TYPES = ("clam_sb", "clam_mb", "mil")
MODEL_SIZES = tuple(SIZES)


@dataclass(frozen=True)
class ModelSettings:
    """What a model is made from.

    Attributes:
        model_type: ``clam_sb``, ``clam_mb`` or ``mil``.
        embed_dim: length of a feature.
        n_classes: number of classes.
        model_size: ``small`` or ``big``; ``mil`` has one size.
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


def build_model(settings: ModelSettings) -> nn.Module:
    """Return an untrained model; its parameters are drawn from torch's global generator.

    Raises:
        UsageError: unknown model type, size or loss.
    """
    require_choice(settings.model_type, list(MODEL_TYPES), kind="model type")
    if settings.model_type == "mil":
        mil = MIL_fc if settings.n_classes == 2 else MIL_fc_mc
        return mil(dropout=settings.drop_out, n_classes=settings.n_classes, embed_dim=settings.embed_dim)
    require_choice(settings.model_size, list(MODEL_SIZES), kind="model size")
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
