"""Draws docs/images/statistics.png: pictures of a report, of fabricated predictions.

python -m demo.statistics_picture
"""

import io

import numpy as np
from PIL import Image
from scipy.special import softmax

from metrics.bootstrap import figures_with_intervals
from metrics.figures import class_estimator
from metrics.pictures import kaplan_meier_picture, png, regression_picture, reliability_picture, roc_picture
from metrics.predictions import Predictions
from metrics.survival import Risks, halves_by_risk
from utils.lookup import PROJECT_ROOT

PICTURE = PROJECT_ROOT / "docs" / "images" / "statistics.png"
N_PATIENTS = 150
HEIGHT_PX = 460


def main() -> None:
    """Draw the picture."""
    rng = np.random.default_rng(1)
    classes, risks = _classes(rng), _risks(rng)
    intervals = figures_with_intervals(class_estimator(classes), classes.patient_ids)
    targets = rng.normal(50, 12, N_PATIENTS)
    figures = [
        roc_picture(classes, intervals),
        reliability_picture(classes),
        regression_picture(targets, targets + rng.normal(0, 6, N_PATIENTS)),
        kaplan_meier_picture(halves_by_risk(risks), unit="months"),
    ]
    pictures = [Image.open(io.BytesIO(png(figure))).convert("RGB") for figure in figures]
    _in_rows_of_two(pictures).save(PICTURE, optimize=True)


def _classes(rng: np.random.Generator) -> Predictions:
    labels = np.arange(N_PATIENTS) % 3
    logits = rng.normal(size=(N_PATIENTS, 3)) + 1.8 * (labels[:, None] == np.arange(3))
    names = _names()
    return Predictions(names, names, labels, softmax(logits, axis=1), ("LUAD", "LUSC", "normal"))


def _risks(rng: np.random.Generator) -> Risks:
    names, risks = _names(), rng.normal(size=N_PATIENTS)
    to_event, observed = rng.exponential(40 * np.exp(-0.7 * risks)), rng.uniform(5, 90, N_PATIENTS)
    return Risks(names, names, np.minimum(to_event, observed), to_event <= observed, risks, np.zeros(N_PATIENTS, int))


def _names() -> tuple[str, ...]:
    return tuple(f"patient_{number}" for number in range(N_PATIENTS))


def _in_rows_of_two(pictures: list[Image.Image]) -> Image.Image:
    """Return pictures of one height, two a row."""
    scaled = [p.resize((round(p.width * HEIGHT_PX / p.height), HEIGHT_PX), Image.Resampling.LANCZOS) for p in pictures]
    column_px = max(picture.width for picture in scaled)
    sheet = Image.new("RGB", (2 * column_px, HEIGHT_PX * len(scaled) // 2), "white")
    for number, picture in enumerate(scaled):
        sheet.paste(picture, (number % 2 * column_px, number // 2 * HEIGHT_PX))
    return sheet


if __name__ == "__main__":
    main()
