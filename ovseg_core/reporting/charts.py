"""Figures of scores and losses: plain values in, a Figure of matplotlib out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ovseg_core.reporting.figures import FAINT, GREY, INK, canvas, plain

WIDE = 4  # panels of a row whose titles fit on a line


@dataclass(frozen=True)
class Line:
    """One row of a lollipop chart: its values over seeds in every panel, NaN-free."""

    label: str
    colour: str
    values: list[list[float]]  # per panel, one per seed; empty where it was not measured
    hollow: bool = False  # an oracle


@dataclass(frozen=True)
class Panel:
    """One panel of small multiples; `chance` is drawn as a dashed line."""

    title: str
    chance: float | None = None


@dataclass(frozen=True)
class Curve:
    """A loss over steps, of one run and seed."""

    colour: str
    steps: list[float]
    values: list[float] = field(repr=False)


def lollipops(lines: Sequence[Line], panels: Sequence[Panel]) -> Figure:
    """Rows of readings, a panel per metric: the mean as a mark and a number, each seed as a tick."""
    highest = max((value for line in lines for values in line.values for value in values), default=100.0)
    top = next((limit for limit in (20, 40, 60, 80) if highest <= limit), 100)
    narrow = len(panels) > WIDE  # their titles take two lines: "foreground mIoU," "animals people"
    figure = canvas(0.6 + 0.25 * len(lines) + 0.15 * narrow)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        for row, line in enumerate(lines):
            if values := line.values[number]:
                _lollipop(axis, row, values, line)
        if panel.chance is not None:
            axis.axvline(panel.chance, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
        axis.set_title(panel.title.replace(", ", ",\n", 1) if narrow else panel.title)
        axis.set_xlim(0, top * 1.16)  # room for the number beside the longest
        axis.set_xticks(np.linspace(0, top, 5))
        axis.grid(axis="x")
        axis.spines["left"].set_visible(False)
    axes[0].set_yticks(range(len(lines)), [plain(line.label) for line in lines])
    axes[0].set_ylim(len(lines) - 0.4, -0.6)
    return figure


def _lollipop(axis: Axes, row: int, values: list[float], line: Line) -> None:
    mean = float(np.mean(values))
    axis.hlines(row, 0, mean, color=line.colour, linewidth=1.6, alpha=0.45)
    if len(values) > 1:
        axis.plot(values, [row] * len(values), "|", color=line.colour, markersize=10, markeredgewidth=0.7)
    face = "white" if line.hollow else line.colour
    axis.plot([mean], [row], "o", color=line.colour, markerfacecolor=face, markersize=3.8, markeredgewidth=1)
    axis.annotate(
        f"{mean:.1f}",
        (max([mean, *values]), row),
        (5, 0),
        textcoords="offset points",
        va="center",
        color=GREY,
    )


def curves(by_loss: Mapping[str, Sequence[Curve]], columns: int = 4) -> Figure:
    """A panel per loss; runs in their colours, seeds of a run over each other."""
    lines = math.ceil(len(by_loss) / columns)
    figure = canvas(1.75 * lines)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, (loss, drawn) in zip(axes, by_loss.items(), strict=False):
        for curve in drawn:
            axis.plot(curve.steps, curve.values, color=curve.colour, linewidth=0.9, alpha=0.85)
        axis.set_title(plain(loss))
        axis.grid(axis="y")
        axis.tick_params(axis="y", labelcolor=GREY)
        axis.locator_params(nbins=4)
    for axis in axes[max(0, len(by_loss) - columns) : len(by_loss)]:
        axis.set_xlabel("step")
    for axis in axes[len(by_loss) :]:
        axis.set_axis_off()
    return figure


def class_bars(
    names: Sequence[str], lines: Sequence[Line], breaks: Sequence[int], columns: int = 6
) -> Figure:
    """IoU of every class, a panel per reading; `values` holds one list per class.

    A line is drawn before each of the rows in `breaks`.
    """
    rows = math.ceil(len(lines) / columns)
    figure = canvas(rows * (0.5 + 0.165 * len(names)))
    axes = figure.subplots(rows, min(columns, len(lines)), sharey=True, squeeze=False).ravel()
    for axis, line in zip(axes, lines, strict=False):
        means = [float(np.mean(values)) if values else 0.0 for values in line.values]
        axis.barh(range(len(names)), means, color=line.colour, height=0.7, alpha=0.85)
        for row, values in enumerate(line.values):
            if len(values) > 1:
                axis.hlines(row, min(values), max(values), color=INK, linewidth=0.8)
        for row in breaks:
            axis.axhline(row - 0.5, color=FAINT, linewidth=0.8)
        axis.set_title(plain(line.label, 26))
        axis.set_xlim(0, 100)
        axis.set_xticks([0, 50, 100])
        axis.grid(axis="x")
        axis.spines["left"].set_visible(False)
    axes[0].set_yticks(range(len(names)), [plain(name, 22) for name in names])
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    for axis in axes[len(lines) :]:
        axis.set_axis_off()
    return figure
