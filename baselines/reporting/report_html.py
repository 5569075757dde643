"""The report as one HTML file that loads nothing from anywhere."""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from microgym.baselines.evaluation.comparison import FRESH, SHIPPED, Comparison, PairedDifference
from microgym.baselines.reporting.charts import Points, intervals, learning_curves
from microgym.baselines.reporting.formatting import (
    OUTCOMES,
    decimals,
    number,
    outcome_table,
    signed,
    written,
)
from microgym.baselines.reporting.report_style import STYLE

ABOUT = {
    "random": "anywhere, anyhow",
    "expert": "a skilled operator's rules, tuned on training specimens",
    "oracle": "sees the truth",
    SHIPPED: "the agent that comes with the package",
    FRESH: "trained in this very run",
}
"""What a policy is; any other is a fixed pattern."""


@dataclass(frozen=True)
class Picture:
    """An image in the report.

    Attributes:
        title: above it.
        data: the file, WebP.
        note: below it.
        still: shown instead of a moving one where the reader wants no motion.
    """

    title: str
    data: bytes
    note: str = ""
    still: bytes = b""


@dataclass(frozen=True)
class Family:
    """Results on one kind of specimens.

    Attributes:
        title: of the section.
        text: what is special about it.
        comparison: the results.
    """

    title: str
    text: str
    comparison: Comparison


@dataclass(frozen=True)
class Report:
    """Everything the report shows.

    Attributes:
        env_id: the environment.
        summary: its one-line description.
        ran: what was run: names and values, in order.
        families: results; the first is the main one.
        curves: training run to (steps, mean return).
        curves_note: where the curves come from.
        pictures: one for each policy, of the same specimen.
        film: a moving picture of one episode, if there is one.
        notes: what the reader should know besides.
    """

    env_id: str
    summary: str
    ran: Mapping[str, str]
    families: Sequence[Family]
    curves: Mapping[str, Points] = field(default_factory=dict)
    curves_note: str = ""
    pictures: Sequence[Picture] = ()
    film: Picture | None = None
    notes: Sequence[str] = ()


def render(report: Report) -> str:
    """The whole page.

    Args:
        report: what to show.

    Returns:
        HTML; images are embedded.
    """
    main = report.families[0].comparison
    parts = [
        f"<h1>{_t(report.env_id)}</h1>",
        f'<p class="lead">{_t(report.summary)}</p>',
        *(f'<p class="note">{_t(note)}</p>' for note in report.notes),
        _verdict(main),
        _film(report.film),
        "".join(_family(one) for one in report.families[:1]),
        _curves(report, main),
        _pictures(report.pictures),
        "".join(_family(one) for one in report.families[1:]),
        _ran(report.ran),
    ]
    title = f"{report.env_id} · microgym report"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_t(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _verdict(main: Comparison) -> str:
    score = main.score(FRESH) or main.score(SHIPPED)
    if score is None or not math.isfinite(score.score.value):
        return ""
    digits = decimals([score.score])
    what = "The agent trained in this run" if score.agent == FRESH else "The shipped agent"
    runs = f" over {score.runs} training seeds" if score.runs > 1 else ""
    return (
        f'<p class="figure"><b>{_t(signed(score.score.value, digits))}</b> '
        f"<span>normalised score of {_t(what.lower())}{runs}: 0 is the expert, 1 the oracle; "
        f"95% interval {_t(signed(score.score.low, digits))} to "
        f"{_t(signed(score.score.high, digits))}, {main.episodes} unseen specimens</span></p>"
    )


def _family(family: Family) -> str:
    one = family.comparison
    partial = "" if one.complete else " The run was interrupted: these are partial results."
    where = f"{one.episodes} episodes, split {one.split}"
    if one.specimen:
        where += f", specimens {one.specimen}"
    rows = [(s.agent, s.returns, s.agent in (SHIPPED, FRESH)) for s in reversed(one.scores)]
    return (
        f"<section><h2>{_t(family.title)}</h2><p>{_t(family.text)}</p>"
        f'<p class="note">{_t(where)}, seeds {one.seed} to {one.seed + one.episodes - 1}; '
        f"the same specimens and the same drift for everybody.{partial}</p>"
        f'<figure class="chart">{intervals(rows, "mean return")}</figure>'
        f"{_score_table(one)}{_gap_table(one.gaps)}{_outcomes(one)}{_detail_table(one)}</section>"
    )


def _score_table(one: Comparison) -> str:
    digits = [decimals([getattr(s, n) for s in one.scores]) for n in ("returns", "score")]
    rows: list[list[str]] = []
    for score in reversed(one.scores):
        seeds = f" ({score.runs} seeds)" if score.runs > 1 else ""
        about = ABOUT.get(score.agent, "a fixed pattern")
        rows.append(
            [
                f"<b>{_t(score.agent)}</b>{seeds}<small>{_t(about)}</small>",
                _t(written(score.returns, digits[0])),
                _t(written(score.score, digits[1])),
                _t(written(score.score_iqm, digits[1])),
                number(score.cost),
            ]
        )
    heads = ["policy", "return", "score", "score, IQM", "cost"]
    return _table(heads, rows, "Means with 95% intervals. IQM: interquartile mean.")


def _gap_table(gaps: Sequence[PairedDifference]) -> str:
    if not gaps:
        return ""
    digits = decimals([one.difference for one in gaps])
    rows = [
        [
            f"<b>{_t(one.better)}</b> − {_t(one.worse)}",
            _t(written(one.difference, digits)),
            f'<span class="{one.verdict.split()[0]}">{one.verdict}</span>',
        ]
        for one in gaps
    ]
    return _table(["paired difference", "return", "verdict"], rows, "Same specimens, same seeds.")


def _outcomes(one: Comparison) -> str:
    heads, *rows = outcome_table(one) or [()]
    cells = [[f"<b>{_t(name)}</b>", *(_t(cell) for cell in rest)] for name, *rest in rows]
    return _table(heads, cells, OUTCOMES) if rows else ""


def _detail_table(one: Comparison) -> str:
    columns = [("metrics", name) for name in one.scores[0].metrics]
    columns += [("ledger", name) for name in one.scores[0].ledger]
    if not columns:
        return ""
    rows = [
        [
            f"<b>{_t(s.agent)}</b>",
            *(number(getattr(s, group).get(n, math.nan)) for group, n in columns),
        ]
        for s in reversed(one.scores)
    ]
    table = _table(["policy", *(name for _, name in columns)], rows, "Means at the episodes' ends.")
    return f"<details><summary>Physics figures and ledger</summary>{table}</details>"


def _curves(report: Report, main: Comparison) -> str:
    if not report.curves:
        return ""
    levels = {s.agent: s.returns.value for s in main.scores if s.agent in ("expert", "oracle")}
    return (
        '<section><h2>Learning</h2><figure class="chart">'
        f"{learning_curves(report.curves, levels)}</figure>"
        f'<p class="note">{_t(report.curves_note)} Training returns include exploration and come '
        "from training specimens; the dashed lines are means on test specimens.</p></section>"
    )


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    figures = "".join(
        f"<figure><figcaption><b>{_t(one.title)}</b> {_t(one.note)}</figcaption>"
        f"{_image(one.data, f'end of the episode of {one.title}')}</figure>"
        for one in pictures
    )
    return (
        "<section><h2>The same specimen, every policy</h2><p>What there was to see at the end of "
        f'one episode on an unseen specimen.</p><div class="grid">{figures}'
        "</div></section>"
    )


def _film(film: Picture | None) -> str:
    if film is None:
        return ""
    still = f'<source media="(prefers-reduced-motion: reduce)" srcset="{_data(film.still)}">'
    return (
        f'<figure class="film"><picture>{still if film.still else ""}'
        f"{_image(film.data, film.title)}</picture>"
        f"<figcaption><b>{_t(film.title)}</b> {_t(film.note)}</figcaption></figure>"
    )


def _ran(ran: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{_t(name)}</dt><dd>{_t(value)}</dd>" for name, value in ran.items())
    return f"<section><h2>What was run</h2><dl>{rows}</dl></section>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table of ready-made cells."""
    head = "".join(f"<th>{_t(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><caption>{_t(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _image(data: bytes, alt: str) -> str:
    return f'<img src="{_data(data)}" alt="{_t(alt)}">'


def _data(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _t(text: Any) -> str:
    return html.escape(str(text))
