"""Small charts as inline SVG, coloured by the page's own style sheet (`report_html.STYLE`)."""

import html
import math
from collections.abc import Mapping, Sequence

from microgym.baselines.evaluation.statistics import Estimate

WIDTH = 380.0
"""Of the drawing; letters of 12 are then readable on a telephone, where it is scaled down a bit."""

Points = Sequence[tuple[float, float]]


def learning_curves(runs: Mapping[str, Points], levels: Mapping[str, float]) -> str:
    """Return against steps, a line for each training run and a thicker one for their mean.

    Args:
        runs: name to (steps, mean return).
        levels: name and return of policies to compare with: dashed lines.

    Returns:
        An `<svg>` element.
    """
    values = [y for points in runs.values() for _, y in points] + list(levels.values())
    steps = [x for points in runs.values() for x, _ in points]
    frame = _Frame((0.0, max(steps, default=0.0) or 1.0), _padded(values), 270.0, right=82.0)
    parts = [frame.axes("steps", "return")]
    for name, y, shift in _spread(levels, frame):
        parts.append(_line([(frame.left, y), (frame.right, y)], "level"))
        parts.append(_text(frame.right + 6, y + shift + 4, name, "label"))
    for name, points in runs.items():
        drawn = [(frame.x(x), frame.y(y)) for x, y in points]
        parts.append(_line(drawn, "run", title=name))
    average = _average(list(runs.values()))
    if len(runs) > 1 and average:
        parts.append(_line([(frame.x(x), frame.y(y)) for x, y in average], "mean", title="mean"))
    described = f"Return over training steps of {len(runs)} runs"
    return _svg(frame.height, parts, described)


def intervals(rows: Sequence[tuple[str, Estimate, bool]], unit: str) -> str:
    """A dot with its interval for each policy, on one axis.

    Args:
        rows: name, estimate, and whether it is the one that matters.
        unit: what the axis shows.

    Returns:
        An `<svg>` element.
    """
    ends = [end for _, one, _ in rows for end in (one.low, one.high, one.value)]
    height = 26.0 * len(rows) + 52.0
    frame = _Frame(_padded(ends), (0.0, 1.0), height, left=104.0, right=16.0, top=8.0)
    parts = [frame.axes(unit, None)]
    for place, (name, one, marked) in enumerate(rows):
        y = frame.top + 26.0 * place + 13.0
        kind = "marked" if marked else "plain"
        said = f"{name}: {one.value:.3g}, 95% interval {one.low:.3g} to {one.high:.3g}"
        parts.append(_text(frame.left - 10, y + 4, name, "label end" + (" strong" * marked)))
        if math.isfinite(one.low):
            whisker = [(frame.x(one.low), y), (frame.x(one.high), y)]
            parts.append(_line(whisker, f"whisker {kind}"))
        if math.isfinite(one.value):
            x = frame.x(one.value)
            parts.append(
                f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="5">'
                f"<title>{html.escape(said)}</title></circle>"
            )
    return _svg(height, parts, f"{unit} of each policy with its 95% interval")


class _Frame:
    """A plotting area and its two scales."""

    def __init__(
        self,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        height: float,
        *,
        left: float = 48.0,
        right: float = 16.0,
        top: float = 14.0,
    ) -> None:
        self.x_range, self.y_range, self.height = x_range, y_range, height
        self.left, self.right, self.top, self.bottom = left, WIDTH - right, top, height - 40.0

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (self.right - self.left) * (value - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - (self.bottom - self.top) * (value - low) / (high - low)

    def axes(self, x_name: str, y_name: str | None) -> str:
        parts: list[str] = []
        for tick in ticks(*self.x_range):
            x = self.x(tick)
            if y_name is None:
                parts.append(_line([(x, self.top), (x, self.bottom)], "grid-line"))
            parts.append(_text(x, self.bottom + 16, _short(tick), "tick middle"))
        if y_name is not None:
            for tick in ticks(*self.y_range):
                y = self.y(tick)
                parts.append(_line([(self.left, y), (self.right, y)], "grid-line"))
                parts.append(_text(self.left - 6, y + 4, _short(tick), "tick end"))
            parts.append(_text(self.left, self.top - 4, y_name, "tick"))
        middle = (self.left + self.right) / 2
        parts.append(_line([(self.left, self.bottom), (self.right, self.bottom)], "axis"))
        parts.append(_text(middle, self.bottom + 34, x_name, "tick middle"))
        return "".join(parts)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers between two ends.

    Args:
        low: lower end.
        high: upper end, above the lower.
        about: how many are wanted.

    Returns:
        Multiples of 1, 2 or 5 times a power of ten.
    """
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _padded(values: Sequence[float]) -> tuple[float, float]:
    finite = [one for one in values if math.isfinite(one)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = 0.06 * (high - low) or 0.5 * abs(low) or 0.5
    return low - room, high + room


def _average(runs: Sequence[Points]) -> Points:
    """Mean over runs at the steps of the shortest, if they were taken at the same steps."""
    shared = [[x for x, _ in points] for points in runs]
    length = min((len(one) for one in shared), default=0)
    if any(one[:length] != shared[0][:length] for one in shared):
        return []
    return [(shared[0][i], sum(one[i][1] for one in runs) / len(runs)) for i in range(length)]


def _spread(levels: Mapping[str, float], frame: _Frame) -> list[tuple[str, float, float]]:
    """Names, heights, and how far each label must move to stand clear of the one before."""
    placed: list[tuple[str, float, float]] = []
    free = -math.inf
    for name, y in sorted(((n, frame.y(v)) for n, v in levels.items()), key=lambda one: one[1]):
        at = max(y, free)
        placed.append((name, y, at - y))
        free = at + 14.0
    return placed


def _short(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:g}"


def _line(points: Points, kind: str, title: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    inside = f"<title>{html.escape(title)}</title>" if title else ""
    return f'<polyline class="{kind}" points="{path}">{inside}</polyline>'


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html.escape(words)}</text>'


def _svg(height: float, parts: Sequence[str], described: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-label="{html.escape(described)}">{"".join(parts)}</svg>'
    )
