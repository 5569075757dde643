"""Page and card of a network, from its declaration, its file and its record."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from microgym.baselines.evaluation.records import is_current, read_record
from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.evaluate import estimate, made_from, shares_text
from microgym.baselines.observation_models.specification import ObservationModelSpec, Record, Rows
from microgym.baselines.reporting.formatting import (
    markdown,
    provenance_rows,
    render_template,
    written,
)


def network_page(spec: ObservationModelSpec, results: Path, *, figure: bool) -> str:
    """The page about a network.

    Args:
        spec: the observation model.
        results: folder of the records.
        figure: there is a picture of it among the images.

    Returns:
        Markdown, without the line about its generation.
    """
    record = _record(spec, results)
    made = made_from(spec.network, spec.network.shipped_file)
    values = {} if record is None else spec.values(record)
    return render_template(
        spec.template,
        folder=Path(__file__).parent,
        spec=spec,
        record=record,
        figure=figure,
        made=made,
        facts=_facts(spec, made, record),
        none_yet=_none_yet(spec),
        estimate=estimate,
        winner=winner,
        family=family_cell,
        provenance_rows=provenance_rows,
        **values,
    )


def network_card(spec: ObservationModelSpec, results: Path) -> str:
    """The card beside a network's file; arguments and result as for `network_page`."""
    record = _record(spec, results)
    rows = _facts(spec, made_from(spec.network, spec.network.shipped_file), record)
    rows += [("metrics", _none_yet(spec))] if record is None else spec.metrics(record)
    rows += [
        ("limits", " ".join(spec.limits)),
        ("more", f"`docs/{spec.name}.md`, `baselines/results/{spec.record.name}`"),
    ]
    return f"# Network of {spec.env_id}\n\n{markdown(rows)}\n"


def _record(spec: ObservationModelSpec, results: Path) -> dict[str, Any] | None:
    path = replace(spec, results=results).record
    return read_record(path) if path.is_file() else None


def _none_yet(spec: ObservationModelSpec) -> str:
    command = f"microgym observation-model evaluate {spec.env_id} --write"
    return f"No results are recorded yet: `{command}`."


def _facts(spec: ObservationModelSpec, made: Record, record: Record | None) -> Rows:
    """Table of facts about a network."""
    network = spec.network
    learnt, held_out = (
        ", ".join(f"`{name}`" for name in names) for names in (spec.learnt, spec.held_out)
    )
    data = f"{made['groups']} sets of random conditions{spec.data} each of {learnt}"
    options = " ".join(f"--{name} {made[name]}" for name in ("seed", "groups", "steps"))
    rows = [
        ("network", ""),
        ("file", f"`{network.file}`, safetensors, {network.parameters:,} parameters"),
        ("input", spec.inputs),
        ("output", spec.outputs),
        ("run by", "own kernels, without a deep-learning library; same bits for any batch"),
        (
            "data",
            f"{data}; never {held_out}; scaled on {spec.validation} sets of validation specimens",
        ),
        ("training", f"{made['steps']:,} steps, seed {made['seed']}, CPU"),
        ("command", f"`microgym observation-model train {spec.env_id} {options}`"),
        ("made on", f"{made['date']}, commit {made['commit']}"),
        *spec.more(),
    ]
    if record is not None:
        processor = record["machine"]["processor"]
        rows.append(("cost", f"{spec.cost(record)}, one core, {processor}"))
        if not is_current(record):
            rows.append(("figures", "of before the environment changed; to be measured anew"))
    return rows


# --- parts of the sections about results ----------------------------------------------------------


def winner(gain: Estimate) -> str:
    """The better method in a cell of a table; a classical one is in bold."""
    if gain.above_zero:
        return "network"
    return "**classical**" if gain.below_zero else "neither"


def family_cell(one: Record) -> str:
    """Family of a comparison, and whether the training does not see it."""
    return f"`{one['family']}`" + (" (never seen)" if one["unseen"] else "")


def coverage_card_rows(stated: Sequence[float], found: Mapping[str, Sequence[Record]]) -> Rows:
    """Shares of errors that stay below stated bounds, by name, as rows of a card."""
    bounds = ", ".join(f"{one:.0%}" for one in stated)
    return [
        (f"coverage of {bounds}, {name}", shares_text(shares)) for name, shares in found.items()
    ]


def coverage_table(
    coverage: Record, specimens: str, more: Sequence[tuple[str, Record]] = ()
) -> str:
    """Stated and found coverage, as a table.

    Args:
        coverage: of a record.
        specimens: what is measured, such as "scans".
        more: further rows: names and coverages.
    """
    named = [("test specimens of learnt families", coverage["test"])]
    named += [(f"`{name}`, never seen", one) for name, one in coverage["unseen"].items()]
    named += [(f"`{name}`", one) for name, one in coverage["by_family"].items()]
    rows = [(specimens, "conditions", *(f"stated {one:.0%}" for one in coverage["stated"]))]
    for name, one in (*named, *more):
        percents = ({end: 100 * share for end, share in each.items()} for each in one["found"])
        found = (written(estimate(share), 1) for share in percents)
        rows.append((name, str(one["conditions"]), *found))
    return markdown(rows)
