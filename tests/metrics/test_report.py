"""A report that needs nothing but itself, and pictures of whatever there is."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from metrics import pictures
from metrics.predictions import Predictions
from metrics.report import Picture, Report, Table, save_picture, write_report
from metrics.survival import RiskGroups
from tests.metrics.cohorts import of, predictions


class Elements(HTMLParser):
    """Collects tags and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]


def written(tmp_path, **parts) -> str:
    return write_report(tmp_path / "report.html", Report("A run", **parts)).read_text(encoding="utf-8")


def test_a_report_is_one_file_without_scripts_or_addresses(tmp_path):
    picture = Picture("ROC", pictures.roc_picture(predictions()))
    text = written(tmp_path, pictures=[picture], tables=[Table("T", pd.DataFrame({"a": [1.0]}))])
    elements = Elements(text)
    assert not {"script", "link", "iframe", "object"} & set(elements.tags)
    assert elements.references and all(address.startswith("data:image/png;base64,") for address in elements.references)
    assert "://" not in text.replace(picture.address, "") and "url(" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_names_of_users_are_text_and_never_markup(tmp_path):
    evil = "<script>alert('x')</script>"
    text = written(tmp_path, tables=[Table(evil, pd.DataFrame({evil: [evil]}))], warnings=[evil], settings={evil: evil})
    assert "<script" not in text and text.count("&lt;script&gt;") == 6


def test_numbers_have_three_decimals_and_what_is_undefined_says_so(tmp_path):
    text = written(tmp_path, tables=[Table("T", pd.DataFrame({"a": [0.12345, np.nan], "b": [3, 4]}))])
    assert "<td>0.123</td><td>3</td>" in text and "<td>undefined</td><td>4</td>" in text


@pytest.mark.parametrize(
    "given",
    [predictions(), predictions(60, 3), predictions(90, 12), of([], []), of([1], [0.5]), of([0, 1], [np.nan] * 2)],
)
@pytest.mark.parametrize(
    "draw",
    [
        pictures.roc_picture,
        pictures.precision_recall_picture,
        pictures.reliability_picture,
        pictures.confusion_picture,
    ],
)
def test_whatever_is_predicted_there_is_a_picture(draw, given: Predictions):
    assert pictures.png(draw(given)).startswith(b"\x89PNG")


def test_a_picture_of_nothing_says_why():
    figure = pictures.roc_picture(of([0, 0], [0.2, 0.3]))
    assert "no slide of class tumor" in figure.axes[0].texts[0].get_text()


def test_the_curves_are_drawn_where_they_are():
    figure = pictures.roc_picture(of([0, 1, 0, 1], [0.1, 0.4, 0.35, 0.8]))
    curve = figure.axes[0].lines[-1]
    np.testing.assert_allclose(curve.get_xdata(), [0, 0, 0, 0.5, 1])
    np.testing.assert_allclose(curve.get_ydata(), [0, 0.5, 1, 1, 1])


def test_other_pictures_stand_what_is_missing(tmp_path):
    history = pd.DataFrame({"train_loss": [0.7], "val_loss": [np.nan]})
    figures = [
        pictures.learning_curves_picture({"fold 0": history, "fold 1": history}),
        pictures.regression_picture(np.array([]), np.array([])),
        pictures.regression_picture(np.array([1.0, 2]), np.array([1.0, 3])),
        pictures.kaplan_meier_picture(RiskGroups({}, float("nan"))),
    ]
    for figure in figures:
        assert save_picture(Picture.of(figure), tmp_path / "picture.png").stat().st_size > 1000
