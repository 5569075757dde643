"""Plots of the report, drawn by matplotlib as SVG that takes its colours from the page."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from microgym.baselines.evaluation.statistics import Estimate

Points = Sequence[tuple[float, float]]

COLOURS = {
    "ink": "#1c1b19",
    "soft": "#5f5e5a",
    "line": "#e2e1dc",
    "plain": "#8a8984",
    "accent": "#2a78d6",
    "accent-soft": "#86b6ef",
}
"""Custom properties of the page's style sheet, and the colours that stand for them while drawing.

`to_svg` puts the properties into the SVG, so that a plot follows the reader's light or dark mode.
"""

_WIDTH_IN, _ROW_IN = 4.6, 0.34


def plot_learning_curves(runs: Mapping[str, Points], levels: Mapping[str, float]) -> Figure:
    """Return against training steps: a line for each run and a thicker one for their mean.

    Args:
        runs: name to (steps, mean return).
        levels: name and return of policies to compare with, as dashed lines.
    """
    figure, axes = _axes(3.0)
    for points in runs.values():
        steps, returns = np.reshape(points, (-1, 2)).T
        axes.plot(steps, returns, color=COLOURS["accent-soft"], linewidth=1.2, label="_run")
    if len(runs) > 1 and (mean := _mean(list(runs.values()))) is not None:
        axes.plot(*mean, color=COLOURS["accent"], linewidth=2.2, label="mean of the runs")
    for (name, value), style in zip(levels.items(), cycle(("--", ":", "-.")), strict=False):
        axes.axhline(value, color=COLOURS["plain"], linestyle=style, label=name)
    axes.grid(axis="y", color=COLOURS["line"])
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("training steps")
    axes.set_ylabel("return")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
            frameon=False,
            labelcolor=COLOURS["ink"],
        )
    return figure


def plot_intervals(rows: Sequence[tuple[str, Estimate, bool]], quantity: str) -> Figure:
    """A dot with its interval for each policy, on one axis.

    Args:
        rows: name, estimate, and whether to emphasise it; from top to bottom.
        quantity: label of the axis.
    """
    figure, axes = _axes(_ROW_IN * len(rows) + 0.7)
    for place, (_, one, emphasised) in enumerate(rows):
        colour = COLOURS["accent" if emphasised else "plain"]
        if math.isfinite(one.low):
            axes.plot(
                [one.low, one.high], [place, place], color=colour, linewidth=2, label="_interval"
            )
        axes.plot([one.value], [place], "o", color=colour, markersize=7, label="_estimate")
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    for label, (_, _, emphasised) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if emphasised else "normal")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", color=COLOURS["line"])
    axes.set_xlabel(quantity)
    return figure


def to_svg(figure: Figure) -> str:
    """An `<svg>` element for a page that defines the properties of `COLOURS`, its only colours."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "microgym"}
    with matplotlib.rc_context(settings):
        figure.savefig(file, format="svg", transparent=True, bbox_inches="tight", metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    # Numbered names of artists, such as line2d_1, would occur once for each plot of a page, and the
    # font is the page's.
    return re.sub(r' id="[a-z0-9.]+_\d+"|font-family: [^;]*; ', "", svg)


def _axes(height_in: float) -> tuple[Figure, Axes]:
    """An empty figure with one plain pair of axes."""
    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(COLOURS["plain"])
    axes.tick_params(axis="both", length=0, labelcolor=COLOURS["ink"])
    axes.xaxis.label.set_color(COLOURS["soft"])
    axes.yaxis.label.set_color(COLOURS["soft"])
    axes.set_axisbelow(True)
    return figure, axes


def _mean(runs: Sequence[Points]) -> tuple[Any, Any] | None:
    """Mean over runs at the steps of the shortest; None if they were logged at other steps."""
    length = min(len(points) for points in runs)
    table = np.stack([np.reshape(points[:length], (-1, 2)) for points in runs])
    steps, returns = np.moveaxis(table, 2, 0)
    return (steps[0], returns.mean(axis=0)) if length and (steps == steps[0]).all() else None
