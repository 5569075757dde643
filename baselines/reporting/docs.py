"""Pages in docs/ and the score table of the README, generated from source and results.

docs/ has a page for each package of environments, two for each network, and an index. The page of
environments consists of the sections of the docstring of the environment's class; under each come
the tables that the task's declarations give, and the committed results. A test fails if a page is
out of date.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from microgym.agents.core.config import find_tables
from microgym.agents.core.registry import agent_names, make_agent
from microgym.agents.core.trained_agent import PolicyAgent
from microgym.atomic_io import write_atomically
from microgym.baselines.audit.card import audit_card, curves, how_to, learning_curves
from microgym.baselines.audit.run import record_file
from microgym.baselines.cli.record_video import film_name
from microgym.baselines.evaluation.comparison import (
    FRESH,
    SHIPPED,
    Comparison,
    PairedDifference,
)
from microgym.baselines.evaluation.protocols import evaluation_table
from microgym.baselines.evaluation.records import RESULTS, from_plain, is_current, read_record
from microgym.baselines.evaluation.reproduce import record_path
from microgym.baselines.evaluation.statistics import Estimate
from microgym.baselines.observation_models.page import network_card, network_page
from microgym.baselines.observation_models.specification import specifications
from microgym.baselines.reporting.formatting import (
    markdown,
    provenance_rows,
    render_template,
)
from microgym.baselines.reporting.summary import summary
from microgym.envs.core.docs import STANDARD, Table, tables
from microgym.envs.core.registry import Entry, entries

SECTIONS = (
    "Description",
    "Physics",
    "Observation Space",
    "Action Space",
    "Rewards",
    "Cost",
    "Starting State",
    "Episode End",
    "Info",
    "Arguments",
    "Observation models",
    "Difficulty switches",
    "Recorded scans",
    "Reference policies",
    "Learning",
    "Audit",
    "Where adaptivity does not pay",
    "Reproducing",
    "References",
    "Version History",
)
"""Sections of an environment's page, in order; they include those of Gymnasium's pages."""

OPTIONAL = frozenset(
    {"Audit", "Learning", "Observation models", "Recorded scans", "Where adaptivity does not pay"}
)
"""Sections that a page may lack."""

NETWORKS = specifications()
"""Neural observation models."""
CARDS = tuple(f"../{one.card_file.as_posix()}" for one in NETWORKS)
"""Paths of the cards beside the weights of the networks, from docs/."""

BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"
"""Marks of the score table in the README."""

_MADE = "<!-- Made by `microgym report --pages`: change what it is made from, not this file. -->"
_OLD = """The environment has changed since the results of this page were measured: they do not
hold, and are to be measured anew."""
_NONE = "No results are recorded yet: `microgym reproduce {env} --write`."


def update(folder: Path, results: Path = RESULTS) -> list[Path]:
    """Write all pages, and return their paths; arguments and errors as for `pages`."""
    return [write_atomically(folder / name, text) for name, text in pages(folder, results).items()]


def pages(folder: Path, results: Path = RESULTS) -> dict[str, str]:
    """Texts of the pages by file name.

    Args:
        folder: docs/ of a checkout; the Makefile is looked for beside it.
        results: folder of the records.

    Raises:
        FileNotFoundError: no Makefile beside the folder.
        ValueError: a class whose docstring lacks a section; a bad record.
    """
    makefile = folder.resolve().parent / "Makefile"
    if not makefile.is_file():
        raise FileNotFoundError(f"no Makefile beside {folder}: pages belong to a checkout")
    made = {
        f"environments/{ids[0].id}.md": page(ids, folder / "images", results) for ids in tasks()
    }
    for one, card in zip(NETWORKS, CARDS, strict=True):
        figure = (folder / "images" / f"{one.name}.png").is_file()
        made[f"{one.name}.md"] = f"{_MADE}\n\n{network_page(one, results, figure=figure)}"
        made[card] = f"{_MADE}\n\n{network_card(one, results)}"
    for one in entries():
        path = record_file(one.id, results)
        if path.is_file() and (plot := learning_curves(read_record(path))):
            made[f"images/{_curves_file(one.id)}"] = plot
    return {"README.md": index(makefile.read_text(encoding="utf-8")), **made}


def tasks() -> list[list[Entry]]:
    """Registered environments, those of one package together."""
    found: dict[str, list[Entry]] = {}
    for entry in entries():
        found.setdefault(entry.package, []).append(entry)
    return list(found.values())


def page(ids: Sequence[Entry], images: Path, results: Path = RESULTS) -> str:
    """Page of one package of environments, as Markdown.

    Args:
        ids: its environments, the default one first.
        images: folder of pictures; those of the environments are shown.
        results: folder of the records.

    Raises:
        ValueError: the docstring lacks a section or has an unknown one; a bad record.
    """
    entry = ids[0]
    with closing(gym.make(entry.id)) as env:
        spaces = {
            "action": space_text(env.action_space),
            "observation": space_text(env.observation_space),
        }
    title, parts = sections(entry.load())
    added = _added(ids, results)
    blocks = {n: [*([parts[n]] if n in parts else ()), *added.get(n, ())] for n in SECTIONS}
    pictures = ((one, film_name(one.id)) for one in ids)
    return render_template(
        "environment.md",
        notice=_MADE,
        entry=entry,
        title=title,
        pictures=[(one, name) for one, name in pictures if (images / name).is_file()],
        others=ids[1:],
        spaces=spaces,
        sections=[(name, some) for name, some in blocks.items() if some],
    )


def sections(environment: type) -> tuple[str, dict[str, str]]:
    """Title of the docstring of an environment's class, and section to text.

    Raises:
        ValueError: not the sections of `SECTIONS`, in that order, less some of `OPTIONAL`.
    """
    title, *parts = re.split(r"^## ", inspect.getdoc(environment) or "", flags=re.MULTILINE)
    found = {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)}
    optional = OPTIONAL | STANDARD.keys()
    if tuple(found) != tuple(one for one in SECTIONS if one in found or one not in optional):
        wrong = sorted((set(found) ^ set(SECTIONS)) - optional) or "their order"
        raise ValueError(f"the docstring of {environment.__name__} is not as it should be: {wrong}")
    return title.strip(), found


def index(makefile: str) -> str:
    """Page that links to the others and lists commands, targets of the Makefile and folders."""
    from microgym.baselines.cli import summaries

    return render_template(
        "index.md",
        notice=_MADE,
        environments=[
            (one, f"{ids[0].id}.md", agent_names(one.id)) for ids in tasks() for one in ids
        ],
        networks=NETWORKS,
        commands=summaries(),
        targets=re.findall(r"^([a-z-]+):.*?## (.*)$", makefile, flags=re.MULTILINE),
    )


def space_text(space: gym.Space[Any]) -> str:
    """Expression for a space; bounds that differ between entries are left out."""
    if isinstance(space, gym.spaces.Dict):
        parts = (f"'{name}': {space_text(part)}" for name, part in space.items())
        return f"Dict({', '.join(parts)})"
    if isinstance(space, gym.spaces.Box) and (np.ptp(space.low) or np.ptp(space.high)):
        return f"Box(..., {space.shape}, {space.dtype})"
    return str(space)


def _added(ids: Sequence[Entry], results: Path) -> Mapping[str, list[str]]:
    """Tables and results to be added to each section."""
    added = _declared(ids)
    for one in ids:
        for name, block in _results(one.id, results):
            head = [f"### {one.id}"] if len(ids) > 1 else []
            added.setdefault(name, []).extend([*head, block])
    return added


def _declared(ids: Sequence[Entry]) -> dict[str, list[str]]:
    """Standard texts and tables of the tasks; of the later tasks only rows that are new."""
    added = {name: [text.format(env=ids[0].id)] for name, text in STANDARD.items()}
    known: dict[str, Table] = {}
    for one in ids:
        task = one.load().task_class(1)
        for name, found in {**tables(task), "Reference policies": [_policies(one.id)]}.items():
            old = known.setdefault(name, [])
            new = [[rows[0], *(row for row in rows[1:] if row not in old)] for rows in found]
            texts = [markdown(rows) for rows in new if len(rows) > 1]
            if texts and one is not ids[0]:
                texts = [f"### {one.id}", *texts]
            added.setdefault(name, []).extend(texts)
            old.extend(row for rows in found for row in rows[1:])
    return added


def _policies(env_id: str) -> Table:
    """Agents, and the summaries of their docstrings; for a network, of its module."""
    rows: Table = [("agent", "policy")]
    for name in agent_names(env_id):
        agent = make_agent(env_id, name)
        described = inspect.getmodule(agent.net) if isinstance(agent, PolicyAgent) else type(agent)
        rows.append((name, (inspect.getdoc(described) or "").partition("\n")[0]))
    return rows


def _results(env_id: str, folder: Path) -> list[tuple[str, str]]:
    """Sections and the results of the committed records to be shown there."""
    path = record_path(env_id, "full", folder)
    audited = _audited(env_id, folder)
    if not path.is_file():
        return [("Reference policies", _NONE.format(env=env_id)), *audited]
    record = read_record(path)
    first, *others = (Comparison.from_record(one) for one in record["comparisons"])
    found = [] if is_current(record) else [("Reference policies", _OLD)]
    found += [("Reference policies", _measured(first)), ("Reproducing", _origin(record)), *audited]
    beyond = evaluation_table(env_id).out_of_distribution
    for one in others:
        recorded = beyond is not None and one.specimen == beyond.recording
        name = "Recorded scans" if recorded else "Where adaptivity does not pay"
        found.append((name, _measured(one)))
    path = record_path(env_id, "observation models", folder)
    if path.is_file():
        found.append(("Observation models", comparison_text(read_record(path))))
    return found


def _audited(env_id: str, folder: Path) -> list[tuple[str, str]]:
    """How to train stock algorithms, and the card of the committed audit, as far as there are."""
    path, stock = record_file(env_id, folder), find_tables(env_id).get("plain", {})
    record = read_record(path) if path.is_file() else None
    found = [("Learning", how_to(env_id, stock, record))] if stock else []
    if record is not None:
        picture = f"../images/{_curves_file(env_id)}" if curves(record) else ""
        found.append(("Audit", audit_card(record, picture)))
    return found


def _curves_file(env_id: str) -> str:
    return f"{env_id}.plain.svg"


def comparison_text(record: Mapping[str, Any]) -> str:
    """Record of `reproduce.write_comparison` as Markdown.

    Raises:
        ValueError: something is missing.
    """
    try:
        means: dict[str, Estimate] = {
            name: from_plain(Estimate, one["returns"]) for name, one in record["models"].items()
        }
        gaps = [from_plain(PairedDifference, one) for one in record["differences"]]
        about = (
            f"PPO, {record['steps']:,} steps a run, {len(record['seeds'])} runs each, by "
            f"`{record['command']}`; {record['episodes']} episodes of split {record['split']}, the "
            "same for all; 95% intervals."
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the record of observation models lacks {error}") from error
    return render_template("models.md", returns=means, gaps=gaps, about=about).strip()


def _measured(comparison: Comparison) -> str:
    """Tables of scores, of the paired differences, and of the metrics beside the score."""
    return _compared("comparison.md", comparison)


def _origin(record: Mapping[str, Any]) -> str:
    """Table of the provenance of the results."""
    training, learnt = record["training"], "none for this record"
    if training is not None:
        seeds = ", ".join(str(seed) for seed in training["seeds"])
        learnt = f"{training['steps']:,} steps, seeds {seeds}"
    return markdown(
        [
            ("provenance of the results", ""),
            ("command", f"`{record['command']}`"),
            ("training", learnt),
            *provenance_rows(record),
        ]
    )


def update_readme(path: Path, results: Path = RESULTS) -> Path:
    """Rewrite the score table between the two marks of a README, and return its path.

    Raises:
        FileNotFoundError: no README, or no record.
        ValueError: the marks are not there, once each and in order; or a bad record.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f"{path} must hold {BEGIN} and, after it, {END}, once each")
    head, rest = text.split(BEGIN)
    table, tail = summary(results), rest.split(END)[1]
    return write_atomically(path, f"{head}{BEGIN}\n{table}\n{END}{tail}")


def _compared(template: str, comparison: Comparison) -> str:
    return render_template(template, comparison=comparison, shipped=SHIPPED, fresh=FRESH).strip()
