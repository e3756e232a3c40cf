"""Models by name: settings in, an untrained model out; parameters in, what they show of the settings out."""

from importlib import import_module
from typing import Any

from torch import nn

from models.heads.base import State
from models.heads.registry import HEADS, NUMBER, find_head
from models.settings import ModelSettings
from utils.errors import UsageError
from utils.lookup import require_choice


def build_model(settings: ModelSettings) -> nn.Module:
    """Return an untrained model; its parameters are drawn from torch's global generator.

    Every model takes the features (N, embed_dim) of a bag and returns a ``BagOutput``; it has the attributes
    ``embed_dim``, ``n_classes`` and ``has_attention``.

    Raises:
        UsageError: unknown model type, size or loss, or a number of outputs that the model cannot have.
    """
    head = find_head(settings.model_type)
    if head.sizes:
        require_choice(settings.model_size, list(head.sizes), kind="model size")
    least = 1 if NUMBER in head.outputs else 2
    if settings.n_classes < least:
        raise UsageError(f"{head.name} has at least {least} outputs, not {settings.n_classes}")
    return import_module(head.module).build(settings)


def shown_settings(state: State) -> dict[str, Any]:
    """Return what the names and shapes of parameters show of the settings of their model.

    Raises:
        UsageError: they belong to none of the models here.
    """
    for module in dict.fromkeys(head.module for head in HEADS.values()):
        shown = import_module(module).recognise(state)
        if shown is not None:
            return shown
    raise UsageError(f"no model here has the parameters {', '.join(list(state)[:4])}, ...")
