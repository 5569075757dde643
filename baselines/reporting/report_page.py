"""Report as one HTML file that loads nothing from elsewhere."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from microgym.baselines.evaluation.comparison import FRESH, SHIPPED, Comparison, PolicyScore
from microgym.baselines.reporting.plots import (
    Points,
    plot_intervals,
    plot_learning_curves,
    to_svg,
)
from microgym.baselines.reporting.templating import render_template

ABOUT = {
    "idle": "zero actions",
    "random": "uniformly random actions",
    "expert": "rules of a skilled operator, tuned on training specimens",
    "oracle": "knows the hidden state",
    SHIPPED: "the agent that comes with the package",
    FRESH: "trained in this run",
}
"""Description of each kind of policy; every other one is a fixed policy."""


@dataclass(frozen=True)
class Picture:
    """An image in the report.

    Attributes:
        title: text above it.
        data: WebP file, which may be animated.
        note: text below it.
        still: WebP file shown instead to readers who want no motion; none if empty.
    """

    title: str
    data: bytes
    note: str = ""
    still: bytes = b""


@dataclass(frozen=True)
class Section:
    """Results on one kind of specimens.

    Attributes:
        title: heading of the section.
        text: what distinguishes these specimens.
        comparison: the results.
    """

    title: str
    text: str
    comparison: Comparison


@dataclass(frozen=True)
class Report:
    """Contents of the report.

    Attributes:
        env_id: the environment.
        summary: its one-line description.
        provenance: names and values of all that the results came from, in order.
        sections: results; the first is the main one.
        curves: training run to (steps, mean return).
        curves_note: source of the curves.
        pictures: one for each policy, of the same specimen.
        video: animation of one episode, if there is one.
        notes: further remarks, shown at the top.
    """

    env_id: str
    summary: str
    provenance: Mapping[str, str]
    sections: Sequence[Section]
    curves: Mapping[str, Points] = field(default_factory=dict)
    curves_note: str = ""
    pictures: Sequence[Picture] = ()
    video: Picture | None = None
    notes: Sequence[str] = ()


def render(report: Report) -> str:
    """The whole page, as HTML with all images embedded."""
    main = report.sections[0].comparison

    def learning_curves() -> str:
        levels = {s.agent: s.returns.value for s in main.scores if s.agent in ("expert", "oracle")}
        return to_svg(plot_learning_curves(report.curves, levels))

    return render_template(
        "report.html",
        report=report,
        headline=_headline(main),
        about=ABOUT,
        fresh=FRESH,
        nan=math.nan,
        intervals=_intervals,
        learning_curves=learning_curves,
        data_url=_data_url,
    )


def _headline(main: Comparison) -> PolicyScore | None:
    """Result of the trained agent, if it has a score."""
    score = main.score(FRESH) or main.score(SHIPPED)
    return score if score is not None and math.isfinite(score.score.value) else None


def _intervals(comparison: Comparison) -> str:
    """Plot of the mean returns, the best policy first."""
    rows = [(s.agent, s.returns, s.agent in (SHIPPED, FRESH)) for s in reversed(comparison.scores)]
    return to_svg(plot_intervals(rows, "mean return"))


def _data_url(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
