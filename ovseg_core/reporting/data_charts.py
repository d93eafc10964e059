"""Figures of the data: bars of words, the funnel. Plain values in, a Figure of matplotlib out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ovseg_core.reporting.figures import DROPPED, GREY, KEPT, canvas, plain
from ovseg_core.reporting.naming import summary


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: a label, its length and the remark at its end."""

    label: str
    value: float
    remark: str = ""
    faint: bool = False


def bars(panels: Mapping[str, Sequence[Bar]], columns: int, row_height: float = 0.18) -> Figure:
    """Small multiples of horizontal bars, each panel with its own labels and its own scale."""
    longest = max(len(rows) for rows in panels.values())
    lines = math.ceil(len(panels) / columns)
    figure = canvas(lines * (0.4 + row_height * longest))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, (title, rows) in zip(axes, panels.items(), strict=False):
        colours = [DROPPED if bar.faint else KEPT for bar in rows]
        axis.barh(range(len(rows)), [bar.value for bar in rows], color=colours, height=0.72)
        for row, bar in enumerate(rows):
            _beside(axis, plain(bar.remark), (bar.value, row), color=GREY, fontsize=7.5)
        axis.set_yticks(range(len(rows)), [plain(bar.label, 20) for bar in rows])
        axis.set_ylim(longest - 0.4, -0.6)
        axis.set_xlim(0, max([bar.value for bar in rows], default=1) * 1.35)
        axis.set_xticks([])
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.set_title(title)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    return figure


def funnel(steps: Sequence[Mapping]) -> Figure:
    """What entered every step and what it dropped: `name, in, out, drops: {reason: count}`."""
    steps = [{"name": "listed", "in": steps[0]["in"], "out": steps[0]["in"], "drops": {}}, *steps]
    figure = canvas(0.2 + 0.34 * len(steps))
    axis = figure.subplots()
    widest = max(max(step["in"], step["out"]) for step in steps)
    for row, step in enumerate(steps):
        axis.barh(row, step["out"], color=KEPT, height=0.62)
        axis.barh(row, step["in"] - step["out"], left=step["out"], color=DROPPED, height=0.62)
        end = max(step["in"], step["out"])
        _beside(axis, f"{step['out']:,}", (0, row), color="white", fontsize=9, fontweight="bold")
        _beside(axis, summary(step["drops"]), (end, row), color=GREY)
    axis.set_yticks(range(len(steps)), [plain(step["name"]) for step in steps], fontsize=9)
    axis.set_ylim(len(steps) - 0.45, -0.55)
    axis.set_xlim(0, widest * 1.75)
    axis.set_xticks([])
    axis.spines[["left", "bottom"]].set_visible(False)
    return figure


def _beside(axis: Axes, text: str, point: tuple[float, float], **looks: Any) -> None:
    """Text that starts a few points right of a point."""
    axis.annotate(text, point, (5, 0), textcoords="offset points", va="center", **looks)
