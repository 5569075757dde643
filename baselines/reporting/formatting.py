"""Format of numbers and tables, the same on pages and in reports, and their templates."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microgym.baselines.evaluation.comparison import Comparison
from microgym.baselines.evaluation.statistics import Estimate

TEMPLATES = Path(__file__).with_name("templates")
OUTCOMES = (
    "Means at the end of the same episodes, with 95% intervals; ↑ higher is better, ↓ lower is."
)
"""Caption of a table of outcomes."""
_BETTER = {"higher": " ↑", "lower": " ↓", "": ""}


def decimals(estimates: Sequence[Estimate]) -> int:
    """Digits after the point for a column: two digits of the median half interval."""
    halves = sorted((one.high - one.low) / 2 for one in estimates)
    halves = [one for one in halves if math.isfinite(one) and one > 0]
    return min(4, max(0, 1 - math.floor(math.log10(halves[len(halves) // 2])))) if halves else 2


def written(estimate: Estimate, digits: int) -> str:
    """Estimate with its interval, such as "0.62 [0.55, 0.69]"; a dash if it is NaN."""
    if not math.isfinite(estimate.value):
        return "–"
    if math.isclose(estimate.low, estimate.high, abs_tol=1e-9):  # 0 and 1 by definition
        return signed(estimate.value, 0 if round(estimate.value, 9).is_integer() else digits)
    low, high = (signed(end, digits) for end in estimate.interval)
    value = signed(estimate.value, digits)
    return f"{value} [{low}, {high}]" if math.isfinite(estimate.low) else value


def number(value: float) -> str:
    """Number with three digits."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    return f"{value:.2e}" if abs(value) >= 1e5 or abs(value) < 1e-3 else f"{value:.3g}"


def signed(value: float, digits: int) -> str:
    """Number with so many digits after the point, a minus sign, and no minus before zero."""
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text.replace("-", "−")


def outcome_table(comparison: Comparison) -> list[tuple[str, ...]]:
    """Table of the metrics shown beside the score, one row a policy, the best first.

    Args:
        comparison: the results.

    Returns:
        Head and rows; empty if the environment shows no metrics.
    """
    metrics = comparison.outcomes
    if not metrics:
        return []
    heads = [
        f"{one.label}{', ' * bool(one.unit)}{one.unit}{_BETTER[one.better]}" for one in metrics
    ]
    rows = [("policy", *heads)]
    for score in sorted(comparison.scores, key=lambda one: one.returns.value, reverse=True):
        found = [score.outcomes[one.label] for one in metrics]
        rows.append((score.agent, *(written(one, _digits(one)) for one in found)))
    return rows


def provenance_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table: date, commit, machine and packages of a record."""
    machine = record["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in record["packages"].items())
    return [
        ("date and commit", f"{record['date']}, {record['commit']}"),
        ("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("packages", f"Python {machine['python']}, {packages}"),
    ]


def _digits(estimate: Estimate) -> int:
    """Digits after the point for one number: as for a column, but three digits in all at most."""
    size = abs(estimate.value)
    most = 2 - math.floor(math.log10(size)) if 0.0 < size < math.inf else 2
    return max(0, min(decimals([estimate]), most))


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table; the first row is the head."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def render_template(name: str, *, folder: Path = TEMPLATES, **values: Any) -> str:
    """Render a template; values are escaped in HTML.

    Args:
        name: of the file.
        folder: of the file and of those that it includes or extends.
        **values: variables of the template, beside the functions of this module.
    """
    # Optional: the facts of networks are formatted without it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {"written": written, "number": number, "signed": signed}
    environment.filters.update(filters)
    functions: dict[str, Any] = {
        "decimals": decimals,
        "markdown": markdown,
        "outcome_table": outcome_table,
        "outcomes_caption": OUTCOMES,
    }
    return environment.get_template(name).render(functions | values)
