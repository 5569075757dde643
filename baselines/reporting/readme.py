"""Score table of the README, from committed records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microgym.agents.training.atomic_io import write_atomically
from microgym.baselines.evaluation.comparison import FRESH, SHIPPED, Comparison
from microgym.baselines.evaluation.records import RESULTS, read_record
from microgym.baselines.reporting.formatting import decimals, markdown, written

BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"


def table(comparison: Comparison) -> str:
    """Scores as a Markdown table, best policy first.

    Args:
        comparison: the results.

    Returns:
        The table's lines.
    """
    scores = sorted(comparison.scores, key=lambda one: one.returns.value, reverse=True)
    digits = [decimals([getattr(one, name) for one in scores]) for name in ("returns", "score")]
    rows = [("policy", "return", "score")]
    names = {SHIPPED: "**trained** (shipped)"}
    for one in scores:
        fresh = f"trained afresh, {one.runs} seeds" if one.agent == FRESH else one.agent
        returns, score = written(one.returns, digits[0]), written(one.score, digits[1])
        rows.append((names.get(one.agent, fresh), returns, score))
    about = f"{comparison.episodes} episodes, split {comparison.split}"
    if comparison.specimen:
        about += f", specimens `{comparison.specimen}`"
    return f"{markdown(rows)}\n\nMeans and 95% intervals; {about}."


def update(path: Path, results: Path = RESULTS) -> Path:
    """Rewrite the text between the two marks of a README.

    Args:
        path: the README.
        results: folder of the records.

    Returns:
        The path.

    Raises:
        FileNotFoundError: no README, or no record.
        ValueError: the marks are not there, once each and in order; or a bad record.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f"{path} must hold {BEGIN} and, after it, {END}, once each")
    records = [read_record(one) for one in sorted(results.glob("*.json"))]
    found = [one for one in records if one.get("kind", "full") == "full" and "comparisons" in one]
    if not found:
        raise FileNotFoundError(f"no records in {results}: microgym reproduce ENV --write")
    head, rest = text.split(BEGIN)
    return write_atomically(
        path, head + BEGIN + "\n" + _tables(found) + "\n" + END + rest.split(END)[1]
    )


def _tables(records: Sequence[Mapping[str, Any]]) -> str:
    parts: list[str] = []
    for record in records:
        title = f"`{record['env']}`\n\n" if len(records) > 1 else ""
        parts.append(title + table(Comparison.from_record(record["comparisons"][0])))
    return "\n\n".join(parts)
