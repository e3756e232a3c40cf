"""The heads by name, without importing torch. A new head is a module and one more entry here.

A head turns the features of a bag into its answer. Its module has two functions: ``build`` makes an untrained model
from ``ModelSettings``, and ``recognise`` says what the parameters of a checkpoint show of the settings, or None
where they are another head's.
"""

from dataclasses import dataclass

from utils.lookup import require_choice

# What the outputs of a model can be.
CLASSES = "classes"
NUMBER = "number"  # one output: regression, or the risk of Cox's model
HAZARDS = "hazards"  # one output for each bin of time

ANY_OUTPUT = (CLASSES, NUMBER, HAZARDS)
SIZES = ("small", "big")


@dataclass(frozen=True)
class HeadSpec:
    """The facts of a head.

    Attributes:
        name: what ``--model_type`` takes.
        summary: a few words for help texts.
        module: where ``build`` and ``recognise`` are.
        sizes: values of ``model_size``; none where it is not heeded.
        outputs: what the outputs may be.
        clusters: whether it can cluster instances while it learns.
        context_free: whether the raw score of an instance is the same in any bag, so that a large map of scores can be
            computed in parts.
        n_embeddings: how many embeddings of every instance it holds in memory at once while it answers, rounded up.
    """

    name: str
    summary: str
    module: str
    sizes: tuple[str, ...] = SIZES
    outputs: tuple[str, ...] = ANY_OUTPUT
    clusters: bool = False
    context_free: bool = False
    n_embeddings: int = 3


HEADS = {
    spec.name: spec
    for spec in (
        HeadSpec("clam_sb", "CLAM, one attention branch", "models.model_clam", clusters=True, context_free=True),
        HeadSpec("clam_mb", "CLAM, a branch for each class", "models.model_clam", clusters=True, context_free=True),
        HeadSpec("mil", "surest instance", "models.model_mil", sizes=(), outputs=(CLASSES,), context_free=True),
        HeadSpec("abmil", "gated attention", "models.heads.abmil", context_free=True),
        HeadSpec("dsmil", "attention to the critical instance", "models.heads.dsmil"),
        HeadSpec("transmil", "Nystrom transformer with positions", "models.heads.transmil", n_embeddings=12),
        HeadSpec("transformer", "plain transformer", "models.heads.transformer", n_embeddings=9),
        HeadSpec("mean_pool", "mean of embeddings", "models.heads.pooling"),
        HeadSpec("max_pool", "maximum of embeddings", "models.heads.pooling"),
    )
}


def find_head(name: str) -> HeadSpec:
    """Return the head of that name, or raise a UsageError that lists the known ones."""
    return HEADS[require_choice(name, list(HEADS), kind="model type")]
