"""One HTML file that shows a run: everything is inside, so it opens without a network and can be sent by mail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from metrics.pictures import png
from utils.atomic import atomic_path, write_text
from utils.page import data_uri, page_environment

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Table:
    """A table with the text above and below it; its cells are shown as they are, numbers with three decimals."""

    title: str
    rows: pd.DataFrame
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure with its caption, which is also read to those who cannot see it."""

    title: str
    figure: Figure
    caption: str = ""

    @classmethod
    def of(cls, figure: Figure, caption: str = "") -> "Picture":
        """Return a picture that is called as its figure is."""
        return cls(figure.get_suptitle(), figure, caption)

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of a page."""
        width, height = self.figure.get_size_inches()
        return bool(width > 1.5 * height)

    @cached_property
    def png(self) -> bytes:
        """The picture as a file; drawn once."""
        return png(self.figure)

    @property
    def address(self) -> str:
        """The picture itself, as a data URI."""
        return data_uri("image/png", self.png)


@dataclass(frozen=True)
class Report:
    """What a report shows, in this order.

    Attributes:
        title: heading and title of the window.
        summary: the first thing to read, one paragraph a line.
        warnings: what makes figures undefined or doubtful.
        tables, pictures: the results.
        settings: what the run was made with.
    """

    title: str
    summary: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)


def save_picture(picture: Picture, path: Path) -> Path:
    """Write a picture as PNG, whole or not at all, and return the file."""
    with atomic_path(path) as part:
        part.write_bytes(picture.png)
    return path


def write_report(path: Path, report: Report) -> Path:
    """Write a report, whole or not at all, and return the file."""
    environment = page_environment(Path(__file__).parent)
    environment.filters["cell"] = _cell
    write_text(path, environment.get_template(TEMPLATE).render(report=report))
    return path


def _cell(value: Any) -> str:
    """Return a cell of a table as text."""
    if isinstance(value, float):
        return "undefined" if pd.isna(value) else f"{value:.3f}"
    return str(value)
