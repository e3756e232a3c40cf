"""Pictures of statistics, as matplotlib figures of their own: nothing is global, nothing needs a display."""

import io
from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import precision_recall_curve, roc_curve

from metrics.bootstrap import Interval
from metrics.calibration import reliability_curve
from metrics.figures import confusion_matrix, curve_classes, undefined_because
from metrics.predictions import Predictions
from metrics.survival import RiskGroups, p_text

DPI = 150
# M. Okabe and K. Ito, Color Universal Design: told apart by the colour-blind; yellow is left out, too pale on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")
GREY = "#8a8a8a"
SQUARE_IN = (5.2, 5.2)
LONGEST_NAME = 28
ROWS_IN_PLOT = 4  # of a legend; a longer one goes below the axes
LETTERS_SIDE_BY_SIDE = 40  # of class names; more are slanted
CELLS_WITH_NUMBERS = 20  # classes up to which a confusion matrix is written on
Corner = Literal["lower right", "lower left", "best"]
NO_INTERVALS: Mapping[str, Interval] = {}


def roc_picture(
    predictions: Predictions, intervals: Mapping[str, Interval] = NO_INTERVALS, *, title: str = "ROC curve"
) -> Figure:
    """Draw the ROC curve of class 1 of two, or of each class against the rest.

    Args:
        predictions: labelled.
        intervals: AUCs by the names of `metrics.figures`, for the legend.
        title: above the picture.
    """
    figure, axes = _square(title, x="1 - specificity", y="sensitivity")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    for order, number, positive, scores in _curves(predictions):
        false_rate, true_rate, _ = roc_curve(positive, scores, drop_intermediate=False)
        label = _curve_label(predictions, number, intervals, "auc", "AUC")
        axes.plot(false_rate, true_rate, label=label, clip_on=False, **_line(order))
    return _finished(figure, axes, predictions, "lower right")


def precision_recall_picture(
    predictions: Predictions, intervals: Mapping[str, Interval] = NO_INTERVALS, *, title: str = "Precision and recall"
) -> Figure:
    """Draw precision over recall (= sensitivity), as steps; dotted: what guessing reaches. Arguments: `roc_picture`."""
    figure, axes = _square(title, x="recall", y="precision")
    for order, number, positive, scores in _curves(predictions):
        precision, recall, _ = precision_recall_curve(positive, scores)
        label = _curve_label(predictions, number, intervals, "average_precision", "AP")
        axes.step(recall, precision, where="post", label=label, clip_on=False, **_line(order))
        axes.axhline(float(np.mean(positive)), color=_line(order)["color"], linewidth=1, linestyle=":")
    return _finished(figure, axes, predictions, "lower left")


def reliability_picture(
    predictions: Predictions, scaled: Predictions | None = None, *, title: str = "Calibration"
) -> Figure:
    """Draw how often a class is right against how probable it was said to be.

    Args:
        predictions: labelled; of class 1 of two, or of the predicted class.
        scaled: the same after temperature scaling.
        title: above the picture.
    """
    two = predictions.n_classes == 2
    what = predictions.class_names[1] if two else "the predicted class"
    figure, axes = _square(title, x=f"predicted probability of {_short(what)}", y="observed part")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="perfect")
    for order, (label, shown) in enumerate({"as predicted": predictions, "temperature-scaled": scaled}.items()):
        if shown is None or not len(shown):
            continue
        labels, probabilities = shown.known_labels, shown.probabilities
        positive = labels == (1 if two else shown.predicted)
        said, observed = reliability_curve(positive, probabilities[:, 1] if two else probabilities.max(axis=1))
        axes.plot(said, observed, marker="os"[order], markersize=5, label=label, clip_on=False, **_line(order))
    return _finished(figure, axes, predictions, "best")


def confusion_picture(predictions: Predictions, *, title: str = "Confusion matrix") -> Figure:
    """Draw how many slides of each class (rows) were predicted as each class (columns); shades are parts of a row."""
    counts = confusion_matrix(predictions)
    n_classes = predictions.n_classes
    side_in = max(SQUARE_IN[0], 2.5 + 0.42 * n_classes)
    figure, axes = _axes((side_in, side_in), title, x="predicted", y="true")
    axes.grid(False)
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure.set_layout_engine("compressed")  # no space between title and square
    axes.imshow(parts, cmap="Blues", vmin=0, vmax=1)
    names = [_short(name) for name in predictions.class_names]
    if max(map(len, names)) * n_classes < LETTERS_SIDE_BY_SIDE:
        axes.set_xticks(range(n_classes), names)
    else:
        axes.set_xticks(range(n_classes), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n_classes), names)
    if n_classes <= CELLS_WITH_NUMBERS:
        _write_counts(axes, counts, parts)
    return figure


def learning_curves_picture(
    histories: Mapping[str, pd.DataFrame], column: str = "val_auc", name: str = "AUC", *, title: str = "Learning curves"
) -> Figure:
    """Draw losses and a figure of the validation slides over the epochs, one colour a fold.

    Args:
        histories: fold name -> a row an epoch, with some of the columns ``train_loss``, ``val_loss`` and ``column``.
        column: of the figure.
        name: of the figure, for readers.
        title: above the picture.
    """
    figure = _figure((9.0, 4.2), title)
    losses, figures = figure.subplots(1, 2)
    _style(losses, x="epoch", y="loss")
    _style(figures, x="epoch", y=f"{name} of the validation slides")
    for colour, (fold, history) in zip(_colours(len(histories)), histories.items(), strict=True):
        for axes, drawn, dash in ((losses, "train_loss", "--"), (losses, "val_loss", "-"), (figures, column, "-")):
            if drawn in history:
                epochs = np.arange(1, len(history) + 1)
                label = fold if axes is figures else None
                marker = "o" if len(history) == 1 else None
                axes.plot(epochs, history[drawn], dash, color=colour, linewidth=1.6, label=label, marker=marker)
    sides = [Line2D([], [], color="black", linestyle=dash) for dash in ("--", "-")]
    losses.legend(sides, ["training", "validation"], loc="upper right", fontsize=9, edgecolor="none")
    for axes in (losses, figures):
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(histories) > 1 and figures.lines:
        figure.legend(*figures.get_legend_handles_labels(), loc="outside lower center", ncols=min(len(histories), 5))
    return figure


def regression_picture(
    targets: np.ndarray, predicted: np.ndarray, *, title: str = "Predicted and true values", unit: str = ""
) -> Figure:
    """Draw predicted against true numbers, both (N,); dotted: equality."""
    ends = f" ({unit})" if unit else ""
    figure, axes = _axes(SQUARE_IN, title, x=f"true value{ends}", y=f"predicted value{ends}")
    values = np.concatenate([targets, predicted]).astype(float)
    values = values[np.isfinite(values)]
    if len(values):
        low, high = values.min(), values.max()
        margin = 0.05 * (high - low) or 1.0
        limits = (low - margin, high + margin)
        axes.plot(limits, limits, color=GREY, linewidth=1, linestyle=":")
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.scatter(targets, predicted, s=22, alpha=0.6, color=COLOURS[0], edgecolors="none")
    else:
        _say(axes, "no value")
    return figure


def kaplan_meier_picture(groups: RiskGroups, *, title: str = "Survival by predicted risk", unit: str = "") -> Figure:
    """Draw the Kaplan-Meier curves of the risk groups with their 95 % bands, and how many are at risk."""
    figure = _figure((6.4, 5.2), title)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(6, 1))
    _style(axes, x="", y="part without event")
    axes.set_ylim(0, 1.02)
    for order, (name, curve) in enumerate(groups.curves.items()):
        times, colour = curve.index.to_numpy(float), COLOURS[1 - order % 2]
        axes.step(times, curve["survival"], where="post", color=colour, linewidth=2, linestyle=DASHES[order],
                  label=f"{name} (n = {int(curve['at_risk'].max())})")  # fmt: skip
        axes.fill_between(times, curve["low"], curve["high"], step="post", color=colour, alpha=0.15, linewidth=0)
    _write_at_risk(below, groups, x=f"time{f' ({unit})' if unit else ''}")
    if groups.curves:
        p = p_text(groups.p)
        title = f"log-rank p {p}" if p.startswith("<") else f"log-rank p = {p}"
        axes.legend(loc="upper right", edgecolor="none", title=title, alignment="left")
    else:
        _say(axes, "no patient")
    return figure


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _curves(predictions: Predictions) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """Return order, class, who is of the class (N,) and scores (N,) of each curve that is defined."""
    labels, probabilities = predictions.known_labels, predictions.probabilities
    if np.isnan(probabilities).any():
        return []
    classes = [c for c in curve_classes(predictions.n_classes) if 0 < (labels == c).sum() < len(labels)]
    return [(order, number, labels == number, probabilities[:, number]) for order, number in enumerate(classes)]


def _curve_label(
    predictions: Predictions, number: int, intervals: Mapping[str, Interval], figure: str, abbreviation: str
) -> str:
    name = _short(predictions.class_names[number])
    key = f"{figure}_macro" if predictions.n_classes == 2 else f"{figure}[{predictions.class_names[number]}]"
    return f"{name}: {abbreviation} {intervals[key]}" if key in intervals else name


def _line(order: int) -> dict:
    """Return colour and dashes of the n-th line: those of one colour differ in their dashes."""
    dash = DASHES[order // len(COLOURS) % len(DASHES)]
    return {"color": COLOURS[order % len(COLOURS)], "linestyle": dash, "linewidth": 2.0}


def _colours(n_lines: int) -> Sequence:
    if n_lines <= len(COLOURS):
        return COLOURS[:n_lines]
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.85, n_lines)).tolist()


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _figure(size_in: tuple[float, float], title: str) -> Figure:
    figure = Figure(figsize=size_in, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure


def _axes(size_in: tuple[float, float], title: str, *, x: str, y: str) -> tuple[Figure, Axes]:
    figure = _figure(size_in, title)
    axes = figure.subplots()
    _style(axes, x=x, y=y)
    return figure, axes


def _square(title: str, *, x: str, y: str) -> tuple[Figure, Axes]:
    """Return axes from 0 to 1 on both sides."""
    figure, axes = _axes(SQUARE_IN, title, x=x, y=y)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    return figure, axes


def _style(axes: Axes, *, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=11)
    axes.set_ylabel(y, fontsize=11)
    axes.tick_params(labelsize=10)
    axes.grid(color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _finished(figure: Figure, axes: Axes, predictions: Predictions, corner: Corner) -> Figure:
    """Add the legend, or say why there is no curve."""
    handles, labels = axes.get_legend_handles_labels()
    reasons = undefined_because(predictions)
    if not handles and reasons:
        _say(axes, reasons[0])
    if 0 < len(handles) <= ROWS_IN_PLOT:
        axes.legend(loc=corner, fontsize=9, framealpha=0.85, edgecolor="none")
    elif handles:
        figure.set_size_inches(SQUARE_IN[0], SQUARE_IN[1] + 0.25 * len(handles) + 0.3)
        figure.legend(handles, labels, loc="outside lower center", fontsize=9, frameon=False)
    return figure


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", wrap=True,
              bbox={"facecolor": "white", "edgecolor": "none"})  # fmt: skip


def _write_at_risk(axes: Axes, groups: RiskGroups, *, x: str) -> None:
    """Write how many are at risk below the ticks of the curves, a line a group."""
    _style(axes, x=x, y="")
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.set_title("at risk", loc="left", fontsize=9)
    axes.set_yticks(range(len(groups.curves)), list(groups.curves))
    axes.set_ylim(max(len(groups.curves), 1) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, pad=20)  # room for the number below the first tick
    axes.set_xlim(left=0)
    for row, curve in enumerate(groups.curves.values()):
        times, at_risk = curve.index.to_numpy(float), curve["at_risk"].to_numpy(int)
        for tick in [tick for tick in axes.get_xticks() if 0 <= tick <= axes.get_xlim()[1]]:
            left = np.searchsorted(times, tick)  # the first time at or after the tick
            axes.text(tick, row, str(at_risk[left] if left < len(times) else 0), ha="center", va="center", fontsize=9)


def _write_counts(axes: Axes, counts: np.ndarray, parts: np.ndarray) -> None:
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if parts[row, column] > 0.55 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=11)
