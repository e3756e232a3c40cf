"""Which attention is shown: of each model one branch, or one for each class that is asked for."""

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.heatmap_config import HeatmapConfig
from stages.heatmap_models import AttentionModel, SlidePrediction
from stages.outcomes.classification import Classification
from utils.errors import UsageError
from wsi_core.percentiles import to_percentiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ShownLayer:
    """Attention of a model towards one class.

    Attributes:
        model: the model.
        prediction: what it says of the slide.
        branch: which of its branches; 0 where it has one for all classes.
        class_name: of the branch; empty where there is one for all classes.
        tag: what names of its files end in; empty for the only model's predicted class.
    """

    model: AttentionModel
    prediction: SlidePrediction
    branch: int
    class_name: str
    tag: str

    @property
    def raw_of_folds(self) -> np.ndarray:
        """Raw scores of the patches that the slide is predicted from, float32 (folds, N)."""
        return self.prediction.attention[:, self.branch]

    @cached_property
    def percentiles_of_folds(self) -> np.ndarray:
        """The same as percentiles, each fold's among its own; (folds, N)."""
        return np.stack([to_percentiles(raw) for raw in self.raw_of_folds])


def shown_layers(
    model: AttentionModel, prediction: SlidePrediction, config: HeatmapConfig, label: str
) -> list[ShownLayer]:
    """Return what is shown of a model; the first is that of the class which the model predicts, where it is shown.

    Args:
        model: the model.
        prediction: what it says of the slide.
        config: the configuration.
        label: the name of the slide's class; empty where it has none.
    """
    of_model = f"_{model.name}" if model.name else ""
    if prediction.attention.shape[1] == 1:
        return [ShownLayer(model, prediction, 0, "", of_model)]
    names = branch_names(model)
    chosen, is_named = _chosen(config, names, prediction.predicted, label)
    return [
        ShownLayer(model, prediction, branch, names[branch], of_model + (f"_class_{names[branch]}" if is_named else ""))
        for branch in chosen
    ]


def branch_names(model: AttentionModel) -> tuple[str, ...]:
    """Return the names of the branches of a model that has one for each output."""
    if isinstance(model.outcome, Classification):
        return model.outcome.class_names
    return tuple(f"output_{number}" for number in range(model.outcome.n_outputs))


def require_known_classes(config: HeatmapConfig, models: list[AttentionModel]) -> None:
    """Refuse to show a class that no model has, naming those that there are."""
    asked = config.heatmap_arguments.classes
    known = list(dict.fromkeys(name for model in models for name in branch_names(model)))
    unknown = [name for name in asked if name not in known] if isinstance(asked, list) else []
    if unknown:
        raise UsageError(
            f"heatmap_arguments.classes: unknown {', '.join(map(repr, unknown))}; known are {', '.join(known)}, and "
            "the words predicted, label and all"
        )


def _chosen(config: HeatmapConfig, names: tuple[str, ...], predicted: int, label: str) -> tuple[list[int], bool]:
    """Return the branches to show, and whether names of files tell which."""
    asked = config.heatmap_arguments.classes
    if asked == "label" and label in names:  # by its name: several models may number their classes otherwise
        return [names.index(label)], True
    if asked in ("predicted", "label"):
        return [predicted], False
    wanted = names if asked == "all" else asked
    branches = [number for number, name in enumerate(names) if name in wanted]
    return sorted(branches, key=lambda number: number != predicted), True
