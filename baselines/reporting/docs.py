"""The pages in docs/: one a task and an index, made from what they describe.

Ids that differ in their arguments only, such as in the goal, share a page. It is the docstring of
the environment's class, section by section, with what is known to the code put under the section it
belongs to: spaces, arguments and their defaults, the numbers that the environment's module `facts`
gives, and the committed results. Nothing there is typed by hand, and a test fails where a page is
out of date.
"""

import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import gymnasium as gym

from microgym.agents.core.registry import agent_names
from microgym.agents.training.atomic_io import write_atomically
from microgym.baselines.evaluation.compare_observations import views_path, views_text
from microgym.baselines.evaluation.comparison import Comparison
from microgym.baselines.evaluation.protocols import out_of_distribution
from microgym.baselines.evaluation.records import RESULTS, read_record
from microgym.baselines.evaluation.reproduce import record_path
from microgym.baselines.observation_models.page import network_card, network_page
from microgym.baselines.observation_models.specification import specifications
from microgym.baselines.reporting.formatting import (
    OUTCOMES,
    decimals,
    markdown,
    outcome_table,
    written,
)
from microgym.baselines.reporting.readme import table as scores
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
    "Where adaptivity does not pay",
    "Reproducing",
    "References",
    "Version History",
)
"""Sections of an environment's page, in order; those of Gymnasium's pages among them."""

OPTIONAL = frozenset({"Observation models", "Recorded scans", "Where adaptivity does not pay"})
"""Sections that a page may lack."""

NETWORKS = specifications()
"""Networks of the neural observation models."""
CARDS = tuple(f"../{one.card_file.as_posix()}" for one in NETWORKS)
"""The pages outside docs/: they lie beside the files that they are about."""

_MADE = "<!-- Made by `microgym report --pages`: change what it is made from, not this file. -->"
_NONE = "No results are recorded yet: `microgym reproduce {env} --write`."


def update(folder: Path, results: Path = RESULTS) -> list[Path]:
    """Write all pages.

    Args:
        folder: docs/ of a checkout; the Makefile is looked for beside it.
        results: folder of the records.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: no Makefile beside the folder.
        ValueError: a class whose docstring lacks a section; a bad record.
    """
    return [write_atomically(folder / name, text) for name, text in pages(folder, results).items()]


def pages(folder: Path, results: Path = RESULTS) -> dict[str, str]:
    """The pages' texts by file name, as `update` writes them."""
    makefile = folder.resolve().parent / "Makefile"
    if not makefile.is_file():
        raise FileNotFoundError(f"no Makefile beside {folder}: pages belong to a checkout")
    made = {
        f"environments/{ids[0].id}.md": page(ids, folder / "images", results) for ids in tasks()
    }
    for one, card in zip(NETWORKS, CARDS, strict=True):
        figure = (folder / "images" / one.card.picture_file).is_file()
        made[one.card.page] = f"{_MADE}\n\n{network_page(one, results, figure=figure)}"
        made[card] = f"{_MADE}\n\n{network_card(one, results)}"
    return {"README.md": index(makefile.read_text(encoding="utf-8")), **made}


def tasks() -> list[list[Entry]]:
    """Lines of the registry, those of one task together, in the order of the registry."""
    found: dict[str, list[Entry]] = {}
    for entry in entries():
        found.setdefault(entry.package, []).append(entry)
    return list(found.values())


def page(ids: Sequence[Entry], images: Path, results: Path = RESULTS) -> str:
    """One task's page.

    Args:
        ids: its lines of the registry, the default one first.
        images: folder of pictures; those it holds of the task are on the page.
        results: folder of the records.

    Returns:
        Markdown.

    Raises:
        ValueError: the docstring lacks a section or has one too many; a bad record.
    """
    entry = ids[0]
    title, parts = sections(entry.load("Env"))
    added = _added(ids, results)
    lines = [_MADE, "", f"# {entry.id}", "", title, ""]
    for one in ids:
        lines += _picture(one, images)
    lines += _head(ids)
    for name in SECTIONS:
        blocks = [parts[name]] if name in parts else []
        blocks += added.get(name, [])
        if blocks:
            lines += ["", f"## {name}"]
        for block in blocks:
            lines += ["", block]
    return "\n".join(lines) + "\n"


def sections(environment: type) -> tuple[str, dict[str, str]]:
    """The docstring of an environment's class, taken apart.

    Args:
        environment: the class.

    Returns:
        The first paragraph, and section to text.

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


def arguments(task: Any) -> list[tuple[str, str, str]]:
    """Arguments of a task: name, default and meaning, with a head.

    Args:
        task: a task that keeps its arguments in a dataclass, `task.arguments`, whose docstring
            lists them under "Attributes:".

    Returns:
        Rows of the table, in the dataclass's order.

    Raises:
        ValueError: an argument without a description.
    """
    kept = task.arguments
    told = described(type(kept))
    rows = [("argument", "default", "meaning")]
    for one in fields(kept):
        if one.name not in told:
            raise ValueError(f"{type(kept).__name__} does not describe {one.name}")
        default = getattr(kept, one.name)
        rows.append((f"`{one.name}`", f"`{default!r}`", told[one.name].replace("|", "\\|")))
    return rows


def described(kind: type) -> dict[str, str]:
    """What a Google-style docstring says about each attribute."""
    _, _, block = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    for names, text in re.findall(
        r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {5,}.*)*)", block, flags=re.MULTILINE
    ):
        found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found


def index(makefile: str) -> str:
    """The page that leads to the others.

    Args:
        makefile: text of the Makefile.

    Returns:
        Markdown.
    """
    from microgym.baselines.cli import summaries

    environments = [("environment", "what it is", "agents")]
    environments += [
        (f"[{one.id}](environments/{ids[0].id}.md)", one.summary, ", ".join(agent_names(one.id)))
        for ids in tasks()
        for one in ids
    ]
    targets = re.findall(r"^([a-z-]+):.*?## (.*)$", makefile, flags=re.MULTILINE)
    commands = [(f"`make {name}`", text) for name, text in targets]
    subs = [(f"`microgym {name}`", text) for name, text in summaries().items()]
    networks = ", ".join(f"[{one.env_id}]({one.card.page})" for one in NETWORKS)
    return "\n".join(
        [
            _MADE,
            "",
            "# microgym",
            "",
            "What this is, and how to begin, is in the [README](../README.md).",
            "",
            markdown(environments),
            "",
            f'The networks behind `reconstructor="neural"`: {networks}.',
            "",
            "## Commands of the package",
            "",
            "Each has `--help`. The package is installed in `.venv` by `make setup`.",
            "",
            markdown([("command", "what it does"), *subs]),
            "",
            "## Commands of a checkout",
            "",
            markdown([("command", "what it does"), *commands]),
            "",
            "## Where things are",
            "",
            markdown(_FOLDERS),
            "",
        ]
    )


_FOLDERS = (
    ("folder", "imported as", "what it answers"),
    (
        "[microgym](../microgym)",
        "`microgym`",
        "what nature does, what is measured, what can be inferred",
    ),
    ("[envs](../envs)", "`microgym.envs`", "what an agent may see, do and is paid for"),
    ("[agents](../agents)", "`microgym.agents`", "who decides"),
    (
        "[baselines](../baselines)",
        "`microgym.baselines`",
        "what was trained and measured, and how to do it again",
    ),
)


def _picture(entry: Entry, images: Path) -> list[str]:
    name = f"{entry.id.partition('-')[0].lower()}.gif"
    if not (images / name).is_file():
        return []
    return [f"![One episode of {entry.id}](../images/{name})", ""]


def _head(ids: Sequence[Entry]) -> list[str]:
    entry = ids[0]
    env = gym.make(entry.id)
    spaces = {"action": env.action_space, "observation": env.observation_space}
    env.close()
    rows = [
        ("", ""),
        ("make", f'`import microgym; gymnasium.make("{entry.id}")`'),
        ("many at once", f'`gymnasium.make_vec("{entry.id}", num_envs=8)`'),
        *((f"{name} space", f"`{space}`") for name, space in spaces.items()),
        *((f"`{one.id}`", one.summary) for one in ids[1:]),
        ("source", f"[{entry.package}](../../{entry.package.split('.', 1)[1].replace('.', '/')})"),
    ]
    return [markdown(rows)]


def _added(ids: Sequence[Entry], results: Path) -> Mapping[str, list[str]]:
    """What the code and the records add to each section."""
    added: dict[str, list[str]] = {}
    told: dict[str, Table] = {}
    for one in ids:
        task = one.load("Task")(1, **one.kwargs)
        if not hasattr(task, "config"):
            added["Arguments"] = [markdown(arguments(task))]
            facts = importlib.import_module(f"{one.package}.facts").facts()
            for name, found in facts.items():
                added.setdefault(name, []).extend(markdown(rows) for rows in found)
            break
        found = tables(task)
        for name in SECTIONS:
            known = told.setdefault(name, [])
            some = found.get(name, [])
            new = [[rows[0], *(row for row in rows[1:] if row not in known)] for rows in some]
            texts = [markdown(rows) for rows in new if len(rows) > 1]
            if one is ids[0]:
                texts = [*([STANDARD[name]] if name in STANDARD else []), *texts]
            elif texts:
                texts = [f"### {one.id}", *texts]
            added.setdefault(name, []).extend(texts)
            known.extend(row for rows in some for row in rows[1:])
    for one in ids:
        for name, block in _results(one.id, results):
            head = [f"### {one.id}"] if len(ids) > 1 else []
            added.setdefault(name, []).extend([*head, block])
    return added


def _results(env_id: str, folder: Path) -> list[tuple[str, str]]:
    """Sections and what the committed records say there."""
    path = record_path(env_id, False, folder)
    if not path.is_file():
        return [("Reference policies", _NONE.format(env=env_id))]
    record = read_record(path)
    first, *others = (Comparison.from_record(one) for one in record["comparisons"])
    found = [("Reference policies", _measured(first)), ("Reproducing", _origin(record))]
    beyond = out_of_distribution(env_id)
    for one in others:
        recorded = beyond is not None and one.specimen == beyond.recording
        name = "Recorded scans" if recorded else "Where adaptivity does not pay"
        found.append((name, _measured(one)))
    if views_path(env_id, folder).is_file():
        found.append(("Observation models", views_text(read_record(views_path(env_id, folder)))))
    return found


def _measured(comparison: Comparison) -> str:
    """Scores, the gaps that the claims rest on, and what stands beside the score."""
    rows = [("difference of returns", "mean and 95% interval", "")]
    digits = decimals([one.difference for one in comparison.gaps])
    for one in comparison.gaps:
        found = written(one.difference, digits)
        rows.append((f"{one.better} - {one.worse}", found, one.verdict))
    found = f"{scores(comparison)}\n\n{markdown(rows)}"
    beside = outcome_table(comparison)
    return f"{found}\n\n{markdown(beside)}\n\n{OUTCOMES}" if beside else found


def _origin(record: Mapping[str, Any]) -> str:
    """What the results came from."""
    training, machine = record["training"], record["machine"]
    learnt = "none: reference policies only"
    if training is not None:
        seeds = ", ".join(str(seed) for seed in training["seeds"])
        learnt = f"{training['steps']:,} decisions, seeds {seeds}"
    packages = ", ".join(f"{name} {version}" for name, version in record["packages"].items())
    rows = [
        ("results on this page", ""),
        ("made by", f"`{record['command']}`"),
        ("training", learnt),
        ("date and commit", f"{record['date']}, {record['commit']}"),
        ("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("packages", f"Python {machine['python']}, {packages}"),
    ]
    return markdown(rows)
