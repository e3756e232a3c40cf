"""The list of slides: what is known of each, and what models say of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from stages.viewer.results import ViewedSlide
from wsi_core.heatmap_layers import ModelPrediction

RIGHT, WRONG, UNKNOWN = "right", "wrong", ""


@dataclass(frozen=True)
class Said:
    """What a model says of a slide.

    Attributes:
        predicted: the class, or empty.
        value: the probability of that class, or the first number predicted; None where there is none.
        name: what ``value`` is.
        spread: its standard deviation over folds, or None.
        verdict: ``right`` or ``wrong``; empty where the label is unknown.
    """

    predicted: str = ""
    value: float | None = None
    name: str = ""
    spread: float | None = None
    verdict: str = UNKNOWN


@dataclass(frozen=True)
class Row:
    """A slide in the list; ``said`` has an entry for each model of the list, in its order."""

    key: str
    slide_id: str
    experiment: str
    label: str
    said: tuple[Said, ...]


def models_of(slides: Iterable[ViewedSlide]) -> dict[str, bool]:
    """Return the names of all models, in the order in which they appear, and whether they predict classes."""
    models: dict[str, bool] = {}
    for slide in slides:
        for said in slide.layers.predictions:
            models[said.model] = models.get(said.model, False) or bool(said.predicted)
    return models


def row_of(slide: ViewedSlide, models: Iterable[str]) -> Row:
    """Return what the list shows of a slide."""
    layers = slide.layers
    by_model = {prediction.model: said_by(prediction, layers.label) for prediction in layers.predictions}
    said = tuple(by_model.get(model, Said()) for model in models)
    return Row(slide.key, layers.slide_id, slide.experiment.name, layers.label, said)


def said_by(prediction: ModelPrediction, label: str) -> Said:
    """Return what a model says; a label that it does not know makes it neither right nor wrong."""
    name = prediction.predicted or next(iter(prediction.values), "")
    verdict = UNKNOWN
    if prediction.predicted and label in prediction.values:
        verdict = RIGHT if label == prediction.predicted else WRONG
    return Said(
        predicted=prediction.predicted,
        value=prediction.values.get(name),
        name="" if prediction.predicted else name,
        spread=prediction.spread.get(name),
        verdict=verdict,
    )
