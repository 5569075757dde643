"""Table of all environments: one row an id, from the committed records and audits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microgym.baselines.audit import card
from microgym.baselines.evaluation.comparison import SHIPPED, Comparison
from microgym.baselines.evaluation.records import is_current, read_record
from microgym.baselines.evaluation.statistics import Estimate, score_with_gain, summed
from microgym.baselines.reporting.formatting import decimals, markdown, written

_COLUMNS = ("random", "best blind", "plain PPO", "expert", SHIPPED, "oracle")
_NOTE = """Mean returns on test specimens with 95% intervals. Best blind: the best sequence of
actions that looks at nothing. Plain PPO: stock PPO or MaskablePPO, without privileged information.
Oracle: knows the hidden state; where trying alternatives in the simulator improves it on some of
the episodes, that gain is added. Score: of the shipped agent, 0 the expert and 1 the oracle of this
table."""
_OLD = """A dagger marks figures that were measured before the environment changed: they do not
hold, and are to be measured anew."""


def summary(results: Path) -> str:
    """The table as Markdown.

    Args:
        results: folder of the records.

    Raises:
        FileNotFoundError: no record there.
        ValueError: a bad record.
    """
    records: dict[str, dict[str, Any]] = {}
    for path in sorted(results.glob("*.json")):
        record = read_record(path)
        kind = record.get("kind", "full")
        if kind == "audit" or (kind == "full" and "comparisons" in record):
            records.setdefault(record["env"], {})[kind] = record
    if not records:
        raise FileNotFoundError(f"no records in {results}: microgym reproduce ENV --write")
    rows: list[tuple[str, ...]] = [("environment", *_COLUMNS[:4], "shipped", "oracle", "score")]
    outdated = False
    for env_id, every in sorted(records.items()):
        current = {kind: one for kind, one in every.items() if is_current(one)}
        found = current or every
        known, score = _known(found)
        digits = max(2, decimals(list(known.values())))
        cells = [written(known[n], digits) if n in known else "–" for n in _COLUMNS]
        old = not current
        outdated |= old
        cells.append(written(score, 2) if score else "–")
        rows.append((f"`{env_id}`{' †' if old else ''}", *cells))
    return "\n\n".join([markdown(rows), _NOTE, *([_OLD] if outdated else [])])


def _known(found: Mapping[str, Any]) -> tuple[dict[str, Estimate], Estimate | None]:
    """Returns by column, those of a record before those of an audit, and the shipped score."""
    known = card.returns(found["audit"]) if "audit" in found else {}
    ceiling = found["audit"]["groups"].get("ceiling", {}) if "audit" in found else {}
    score = Estimate(*ceiling["shipped_score"]) if "shipped_score" in ceiling else None
    stock = [known[n] for n in ("plain PPO", "plain MaskablePPO") if n in known]
    if stock:
        known["plain PPO"] = max(stock, key=lambda one: one.value)
    improved = "oracle improved" in known
    if improved:
        known["oracle"] = known["oracle improved"]
    if "full" not in found:
        return known, score
    comparison = Comparison.from_record(found["full"]["comparisons"][0])
    known |= {one.agent: one.returns for one in comparison.scores}
    shipped = comparison.score(SHIPPED)
    score = shipped.score if shipped else None
    if improved and "oracle" in known:
        gain = Estimate(*ceiling["gain"])
        known["oracle"] = summed(known["oracle"], gain)
        room = [one.difference for one in comparison.gaps if one.better == "oracle"]
        score = score_with_gain(score, room[0], gain) if score and room else None
    return known, score
