"""Page and card of a network, from its declaration, its file and its record."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from microgym.baselines.evaluation.records import read_record
from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.evaluate import estimate
from microgym.baselines.observation_models.specification import (
    ObservationModelSpec,
    Record,
    Rows,
)
from microgym.baselines.observation_models.weights_io import made_from
from microgym.baselines.reporting.formatting import markdown, written


def network_page(spec: ObservationModelSpec, results: Path, *, figure: bool) -> str:
    """The page about a network.

    Args:
        spec: the observation model.
        results: folder of the records.
        figure: there is a picture of it among the images.

    Returns:
        Markdown, without the line about its generation.
    """
    card, record = spec.card, _record(spec, results)
    made = made_from(spec.network, spec.network.shipped_file)
    parts = [f"# {card.title}", card.purpose]
    if record is not None and figure:
        shows, caption = card.picture
        parts += [f"![{shows}](images/{card.picture_file})", caption]
    parts += [markdown(_facts(spec, made, record)), "## How it was trained", card.trained]
    if record is None:
        return "\n\n".join([*parts, "## Results", _none_yet(spec)]) + "\n"
    parts += [
        *card.results(record),
        "## Limits",
        "\n".join(f"* {one}" for one in card.limits),
        "## Reproducing",
        f"```sh\nmicrogym observation-model train {spec.env_id} --seed {made['seed']}\n"
        f"microgym observation-model evaluate {spec.env_id}\n```",
        markdown(_origin(record)),
    ]
    return "\n\n".join(parts) + "\n"


def network_card(spec: ObservationModelSpec, results: Path) -> str:
    """The card beside a network's file; arguments and result as for `network_page`."""
    card, record = spec.card, _record(spec, results)
    rows = _facts(spec, made_from(spec.network, spec.network.shipped_file), record)
    rows += [("metrics", _none_yet(spec))] if record is None else card.metrics(record)
    rows += [
        ("limits", " ".join(card.limits)),
        ("more", f"`docs/{card.page}`, `baselines/results/{spec.record.name}`"),
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
    card, network = spec.card, spec.network
    options = " ".join(f"--{name} {made[name]}" for name in ("seed", "groups", "steps"))
    rows = [
        ("network", ""),
        ("file", f"`{network.file}`, safetensors, {network.parameters:,} parameters"),
        ("input", card.inputs),
        ("output", card.outputs),
        ("run by", "own kernels, without a deep-learning library; same bits for any batch"),
        ("data", f"{card.data(made)}; scaled on {spec.validation} sets of validation specimens"),
        ("training", f"{made['steps']:,} steps, seed {made['seed']}, CPU"),
        ("command", f"`microgym observation-model train {spec.env_id} {options}`"),
        ("made on", f"{made['date']}, commit {made['commit']}"),
        *card.more(),
    ]
    if record is not None:
        processor = record["machine"]["processor"]
        rows.append(("cost", f"{card.cost(record)}, one core, {processor}"))
    return rows


def _origin(record: Record) -> Rows:
    """Provenance of a record, as rows of a table."""
    machine = record["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in record["packages"].items())
    return [
        ("results on this page", ""),
        ("network", f"tensors of sha256 {record['network']['sha256'][:16]}"),
        ("date and commit", f"{record['date']}, {record['commit']}"),
        ("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("packages", f"Python {machine['python']}, {packages}"),
    ]


# --- parts of the sections about results ----------------------------------------------------------


def verdict_rows(claims: Sequence[tuple[str, Estimate]], head: str = "") -> Rows:
    """Claimed gains as rows of a table."""
    return [(head, "network better by"), *((name, written(gain, 3)) for name, gain in claims)]


def winner(gain: Estimate, rival: str = "classical") -> str:
    """The better of network and rival in a cell of a table; a rival is in bold."""
    if gain.above_zero:
        return "network"
    return f"**{rival}**" if gain.below_zero else "neither"


def family_cell(one: Record) -> str:
    """Family of a comparison, and whether the training does not see it."""
    return f"`{one['family']}`" + (" (never seen)" if one["unseen"] else "")


def coverage_cells(stated: Sequence[float], name: str, found: Sequence[Record]) -> tuple[str, str]:
    """Shares of errors that stay below stated bounds, as a row of a card."""
    shares = ", ".join(f"{one:.0%}" for one in stated)
    return f"coverage of {shares}, {name}", ", ".join(f"{one['value']:.1%}" for one in found)


def coverage_card_rows(coverage: Record) -> Rows:
    """Coverage on test specimens and on families held out, as rows of a card."""
    found = (("test", coverage["test"]), *coverage["unseen"].items())
    return [coverage_cells(coverage["stated"], name, one["found"]) for name, one in found]


def coverage_rows(
    coverage: Record, specimens: str, more: Sequence[tuple[str, Record]] = ()
) -> list[tuple[str, ...]]:
    """Stated and found coverage, as rows of a table.

    Args:
        coverage: of a record.
        specimens: what is measured, such as "scans".
        more: further rows: names and coverages.
    """
    stated = (f"stated {one:.0%}" for one in coverage["stated"])
    rows: list[tuple[str, ...]] = [(specimens, "conditions", *stated)]
    named = [("test specimens of learnt families", coverage["test"])]
    named += [(f"`{name}`, never seen", one) for name, one in coverage["unseen"].items()]
    named += [(f"`{name}`", one) for name, one in coverage["by_family"].items()]
    for name, one in (*named, *more):
        shares = (
            estimate({part: 100 * each[part] for part in ("value", "low", "high")})
            for each in one["found"]
        )
        rows.append((name, str(one["conditions"]), *(written(share, 1) for share in shares)))
    return rows
