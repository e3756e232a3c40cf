"""``report.html``: all slides of a heatmap run on one page, with everything inside.

Slides can be searched, filtered and sorted, and their pictures enlarged, without a network. Pictures are encoded one
by one while the page is written, so memory does not grow with the number of slides.
"""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import itemgetter
from pathlib import Path

from markupsafe import Markup

from stages.embedded_picture import embedded_picture
from utils.atomic import atomic_path
from utils.page import page_environment
from wsi_core.heatmap_layers import ModelPrediction

AS_LABELLED, OTHERWISE = "as labelled", "other than labelled"
TEMPLATE, SCRIPT = "heatmap_report.html.j2", "heatmap_report.js"
PICTURE_BYTES, PATCHES_BYTES = 40_000, 120_000  # at most, of one; patches are many pictures, with small letters
SHOWN_VALUES = 8  # of a model at once
REPORT_BYTES = 50_000_000  # of all pictures as they stand in the page, where base64 takes 4 bytes for 3


@dataclass(frozen=True)
class SlideEntry:
    """What is shown of one slide.

    Attributes:
        slide_id: its name.
        label: the name of its class; empty where unknown.
        predictions: one a model.
        pictures: caption and file of each, such as thumbnail and overlays.
        patches: a picture of its patches of most attention.
        note: what somebody has to know.
    """

    slide_id: str
    label: str
    predictions: Sequence[ModelPrediction]
    pictures: Sequence[tuple[str, Path]]
    patches: Path | None = None
    note: str = ""

    @property
    def is_labelled(self) -> bool:
        """Whether its class is known."""
        return self.label != ""

    def agrees(self, prediction: ModelPrediction) -> bool | None:
        """Say whether a model predicts the label, or None where either is unknown."""
        return prediction.predicted == self.label if self.is_labelled and prediction.predicted else None

    @property
    def agreement(self) -> str:
        """Say ``as labelled`` of all models, ``other than labelled`` of one or more, or nothing."""
        known = [agrees for agrees in map(self.agrees, self.predictions) if agrees is not None]
        if not known:
            return ""
        return AS_LABELLED if all(known) else OTHERWISE


@dataclass(frozen=True)
class HeatmapReport:
    """What a report shows.

    Attributes:
        title: heading and title of the window.
        settings: what the run was made with.
        slides: in the order of the run.
        failed: name, status and reason of slides that have no entry.
    """

    title: str
    settings: Mapping[str, str]
    slides: Sequence[SlideEntry]
    failed: Sequence[tuple[str, str, str]] = field(default_factory=list)

    @cached_property
    def labels(self) -> list[str]:
        """The labels there are."""
        return sorted({slide.label for slide in self.slides if slide.is_labelled})

    @cached_property
    def predicted(self) -> list[str]:
        """The classes that are predicted."""
        return sorted({prediction.predicted for prediction in self._predictions} - {""})

    @cached_property
    def agreements(self) -> list[str]:
        """What there is to say of labels and predictions."""
        return sorted({slide.agreement for slide in self.slides} - {""})

    @cached_property
    def has_spread(self) -> bool:
        """Whether a model is an ensemble."""
        return any(prediction.spread for prediction in self._predictions)

    @cached_property
    def figures(self) -> list[str]:
        """The names of all numbers that slides can be sorted by."""
        return list(dict.fromkeys(name for slide in self.slides for name in self.figures_of(slide)))

    def figures_of(self, slide: SlideEntry) -> dict[str, float]:
        """Return the finite numbers of a slide; where there are several models their names say whose."""
        figures: dict[str, float] = {}
        for prediction in slide.predictions:
            of_model = f"{prediction.model}: " if self._has_models else ""
            figures |= {f"{of_model}{name}": value for name, value in prediction.values.items()}
            figures |= {f"{of_model}± {name}": value for name, value in prediction.spread.items()}
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    @cached_property
    def picture_share(self) -> float:
        """The part of their most bytes that pictures may have, so that the page stays small enough."""
        wanted = sum(
            len(slide.pictures) * PICTURE_BYTES + (slide.patches is not None) * PATCHES_BYTES for slide in self.slides
        )
        return min(1, REPORT_BYTES * 3 / 4 / max(1, wanted))

    @cached_property
    def _predictions(self) -> list[ModelPrediction]:
        return [prediction for slide in self.slides for prediction in slide.predictions]

    @cached_property
    def _has_models(self) -> bool:
        return len({prediction.model for prediction in self._predictions}) > 1


def write_heatmap_report(path: Path, report: HeatmapReport) -> Path:
    """Write a report, whole or not at all, and return the file.

    A picture has at most 40 KB, patches 120 KB, and less where there are many: the page stays below 60 MB, however many
    slides it shows. A picture that cannot be read is said to be so.
    """
    folder = Path(__file__).parent
    script = (folder / SCRIPT).read_text(encoding="utf-8")
    environment = page_environment(folder)
    environment.filters["number"] = _number
    environment.filters["ranked"] = _ranked
    parts = environment.get_template(TEMPLATE).generate(
        report=report,
        script=Markup(script),
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        picture=partial(embedded_picture, max_bytes=int(report.picture_share * PICTURE_BYTES)),
        patches=partial(embedded_picture, max_bytes=int(report.picture_share * PATCHES_BYTES)),
    )
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
    return path


def _ranked(prediction: ModelPrediction) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Return the values that are shown at once, and those behind a click: many classes, the most probable first."""
    items = list(prediction.values.items())
    if len(items) > SHOWN_VALUES and prediction.has_probabilities:
        items.sort(key=itemgetter(1), reverse=True)
    return items[:SHOWN_VALUES], items[SHOWN_VALUES:]


def _number(value: float) -> str:
    """Return a number with as many digits as somebody reads."""
    if math.isnan(value):
        return "undefined"
    if value and not 0.001 <= abs(value) < 1000:
        return f"{value:.3g}" if abs(value) < 0.001 else f"{value:,.1f}"
    return f"{value:.3f}"
