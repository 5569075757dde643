"""Card of a task: an audit's record as Markdown, and learning curves as SVG."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from microgym.baselines.audit.snippets import snippet
from microgym.baselines.evaluation.comparison import SHIPPED
from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.reporting.formatting import markdown, provenance_rows, written

_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 260, 56, 28
_COLOURS = ("#2a78d6", "#c2571a", "#3f8f4f", "#8a4fb0")
_PLAIN = "#8a8984"
_ENDED = """Minutes of processor time. Reached: on validation specimens the run had learnt what
the audit wants with a margin, and ended. Time: it ended with the declared time. Returns are those
on test specimens."""


def returns(record: Mapping[str, Any]) -> dict[str, Estimate]:
    """Mean return of every policy of an audit, on the default difficulty."""
    groups = record["groups"]
    rows = dict(groups.get("references", {}).get("returns", {}))
    searched = groups.get("blind", {}).get("default", {})
    rows |= {f"best {name}": searched[name] for name in ("constant", "blind") if name in searched}
    plain = groups.get("plain", {}).get("default", {})
    rows |= {f"plain {name}": one["return"] for name, one in plain.items()}
    if groups.get("ceiling", {}).get("best") == "oracle improved":
        rows["oracle improved"] = groups["ceiling"]["improved"]
    return {name: Estimate(*one) for name, one in rows.items()}


def audit_card(record: Mapping[str, Any], picture: str = "") -> str:
    """The card as Markdown.

    Args:
        record: of an audit.
        picture: path of the learning curves, from the page; none if empty.
    """
    checks = [("check", "verdict", "figure", "wanted")]
    checks += [
        (one["name"], one["verdict"], _cell(one["figure"]), one["want"]) for one in record["checks"]
    ]
    failed = sum(one["verdict"] == "fail" for one in record["checks"])
    head = f"{len(checks) - 1} checks, {failed} failed." if failed else "All checks pass."
    blocks = [head, markdown(checks)]
    found = sorted(returns(record).items(), key=lambda one: one[1].value, reverse=True)
    if found:
        rows = [(name, written(one, 3)) for name, one in found]
        blocks.append(markdown([("policy", "return, 95% interval"), *rows]))
    blocks += _plain_rows(record)
    if picture:
        blocks.append(f"![Learning curves of stock algorithms]({picture})")
    deviations = record["groups"].get("scale", {}).get("deviation", {})
    for part, channels in deviations.items():
        shown = ", ".join(f"`{name}` {value:.2g}" for name, value in channels.items())
        blocks.append(f"Deviation of the signal of {part}: {shown}.")
    rows = [("provenance of the audit", ""), ("command", f"`{record['command']}`")]
    blocks.append(markdown([*rows, *provenance_rows(record)]))
    return "\n\n".join(blocks)


def _plain_rows(record: Mapping[str, Any]) -> list[str]:
    """Table of the stock algorithms."""
    rows = [("stock algorithm", "difficulty", "ended at, min", "steps", "return", "each seed")]
    for level, name, one in _stock(record):
        steps = f"{sum(one['steps']) / len(one['steps']):,.0f}"
        each = ", ".join(f"{run:.3f}" for run in one["runs"])
        value = written(Estimate(*one["return"]), 3)
        ends = zip(one["minutes"], one["reasons"], strict=True)
        ended = ", ".join(f"{minutes:.3g} ({reason})" for minutes, reason in ends)
        rows.append((name, level, ended, steps, value, each))
    return [markdown(rows), _ENDED] if len(rows) > 1 else []


def _stock(record: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    plain = record["groups"].get("plain", {})
    for level in ("easy", "default"):
        for name, one in plain.get(level, {}).items():
            yield level, name, one


def curves(record: Mapping[str, Any]) -> dict[str, list[list[tuple[float, float]]]]:
    """Curves of the stock algorithms: "PPO, easy" to (minutes, return) of each run."""
    return {
        f"{name}, {level}": [[(t / 60.0, r) for _, t, r in run] for run in one["curves"]]
        for level, name, one in _stock(record)
        if all(one["curves"])
    }


def curves_svg(
    found: Mapping[str, Sequence[Sequence[tuple[float, float]]]], levels: Mapping[str, float]
) -> str:
    """Plot of return against minutes, a colour for each algorithm, dashed lines for levels."""
    points = [point for runs in found.values() for run in runs for point in run]
    longest = max(time for time, _ in points)
    values = [value for _, value in points] + list(levels.values())
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or 1.0
    low, high = low - room, high + room

    def at(time: float, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 90) * time / (longest or 1.0)
        y = _TOP + (_HEIGHT - _TOP - 40) * (high - value) / (high - low)
        return f"{x:.1f},{y:.1f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{_PLAIN}">'
    ]
    for name, value in levels.items():
        start, end = at(0.0, value), at(longest, value)
        x, y = end.split(",")
        lines.append(f'<path d="M{start} L{end}" stroke="{_PLAIN}" stroke-dasharray="4 3"/>')
        lines.append(f'<text x="{float(x) + 5:.1f}" y="{float(y) + 4:.1f}">{name}</text>')
    for k, (name, runs) in enumerate(found.items()):
        colour = _COLOURS[k % len(_COLOURS)]
        for run in runs:
            path = " L".join(at(*point) for point in run)
            lines.append(f'<path d="M{path}" stroke="{colour}" fill="none" stroke-width="1.5"/>')
        lines.append(f'<text x="{_LEFT + 130 * k}" y="16" fill="{colour}">{name}</text>')
    for value in (low + room, (low + high) / 2, high - room):
        _, y = at(0.0, value).split(",")
        text = f'text-anchor="end">{value:.2f}</text>'
        lines.append(f'<text x="{_LEFT - 6}" y="{float(y) + 4:.1f}" {text}')
    for time in (0.0, longest / 2, longest):
        x, _ = at(time, low).split(",")
        lines.append(f'<text x="{x}" y="{_HEIGHT - 22}" text-anchor="middle">{time:.3g}</text>')
    lines.append(f'<text x="{_LEFT}" y="{_HEIGHT - 5}">processor time, min; return</text>')
    return "\n".join([*lines, "</svg>", ""])


def learning_curves(record: Mapping[str, Any]) -> str:
    """The plot of a record; empty where it has no curves."""
    found, known = curves(record), returns(record)
    names = [name for name in ("best blind", "expert", SHIPPED, "oracle") if name in known]
    return curves_svg(found, {name: known[name].value for name in names}) if found else ""


def how_to(env_id: str, tables: Mapping[str, Any], record: Mapping[str, Any] | None) -> str:
    """Section that says how to train the stock algorithms, to copy and paste.

    Args:
        env_id: the environment.
        tables: table "plain" of its configuration.
        record: of an audit, for the steps; None if there is none.
    """
    steps = {
        (level, name): round(sum(one["steps"]) / len(one["steps"]), -3)
        for level, name, one in (_stock(record) if record else ())
    }
    blocks = [
        "Stock algorithms of Stable-Baselines3, through the public interface alone; "
        f"`microgym audit {env_id} --only plain --deep` trains three seeds of each, "
        "until they have learnt what it wants and at most for the declared time, and evaluates "
        "them on test specimens."
    ]
    for name, table in tables.items():
        total = int(steps.get(("default", name), 0)) or 1_000_000
        blocks.append(f"```python\n{snippet(env_id, name, table, total)}\n```")
    return "\n\n".join(blocks)


def _cell(text: str) -> str:
    return text.replace("|r|", "size of r").replace("|", "\\|")
