"""Tables of an environment's page, generated from its declarations."""

import inspect
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any

from microgym.envs.core.channels import Choices, Plane
from microgym.envs.core.config import LEVELS, Config, options
from microgym.envs.core.task import Modes, Task

Table = list[tuple[str, ...]]
"""Rows of cells; the first row is the head."""

STANDARD: Mapping[str, str] = {
    "Observation Space": """Observations leave at the scale of their channels: an array holds
(value - centre) / scale, and `Channels.unpack` gives the values back.""",
    "Rewards": """A weighted sum of the terms below, each the change of a quantity in this step;
with `reward_mode="vector"` the vector of unweighted terms.""",
    "Cost": """Costs are apart from the reward, in `info["cost"]` and `info["cost_terms"]`.""",
    "Episode End": """Never truncated by itself; `max_episode_steps` of `gymnasium.make`
truncates.""",
    "Info": """`reward_terms`, `cost` and `cost_terms` of this step; the `ledger` with `time_s`,
`dose`, `exposures` and `path_m`; `metrics`, by which episodes are judged; where actions can be
listed, `action_mask`, int8; with `reveal=True` the hidden state, `latent`. Metrics are for judging:
they tell the truth about what is hidden, and no agent may read them. Masks are as Gymnasium samples
by them: `env.action_space.sample(info["action_mask"])`, and in a vector environment
`envs.action_space.sample(tuple(info["action_mask"]))`.""",
    "Arguments": """Besides, `render_mode="rgb_array"` gives frames, and `autoreset_mode` chooses
one of Gymnasium's three modes for vector environments.""",
    "Difficulty switches": """Each off, easy, real or hard. A different level of one changes no
random draw of another. The argument `difficulty` chooses a preset. It, the switches and what else
may change at a reset are options of `reset` too, such as
`envs.reset(options={{"difficulty": "easy"}})`: one value, or in a vector environment one for each
row; they persist until they are changed again. `intervene` sets hidden quantities in the middle of
an episode, and every other draw stays as it was.""",
    "Reference policies": """Score = (return - expert) / (oracle - expert), on the same specimens
and seeds. Reference policies were tuned by search on training specimens; networks were trained by
PPO of Stable-Baselines3.""",
    "Reproducing": """```sh
microgym evaluate {env} --agent expert --split test --episodes 200 --json
microgym reproduce {env}
```

The same seed gives the same episode to the bit, for any number of environments and threads.""",
    "Version History": "* v0: first version.",
}
"""Text that the pages of all environments share, by section; `{env}` stands for the id."""

_NEVER = 1e9
"""Bounds of this size stand for what never happens."""


def number(value: float | str) -> str:
    """A number, or the name of a unit, for a reader."""
    if isinstance(value, str):
        return value
    if value >= _NEVER:
        return "none"
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:g}"


def tables(task: Task) -> Mapping[str, list[Table]]:
    """Tables of a task's page.

    Args:
        task: with its default arguments.

    Returns:
        Section of the page to its tables.
    """
    config: Any = task.config
    settings: Any = getattr(config, "settings", None)
    declared, common = options(type(config)), options(Config)
    levels = {name: one.levels for name, one in declared.items() if one.levels}
    arguments = sorted(declared.items(), key=lambda one: one[0] in common)
    values = {name: getattr(config, name) for name in declared}
    defaults = {n: dict(one) if isinstance(one, Mapping) else one for n, one in values.items()}
    rewards = ((name, f"{one.weight:g}", one.doc) for name, one in task.REWARD.items())
    metrics = ((one.name, one.label, one.unit) for one in task.METRICS if one.group == "metrics")
    latent = ((name, one.doc, one.unit) for name, one in task.LATENT.items())
    words = (
        (name, f"`{defaults[name]!r}`", one.unit, "yes" if one.at_reset else "", one.doc)
        for name, one in arguments
    )
    presets = (
        (name, ", ".join(f"`{one}={value!r}`" for one, value in preset.items()))
        for name, preset in type(config).PRESETS.items()
    )
    interventions = (
        (name, one.doc, f"`{one.example!r}`") for name, one in task.INTERVENTIONS.items()
    )
    found = {
        "Physics": [] if settings is None else [_settings(settings, levels.keys())],
        "Observation Space": _declared(task.OBSERVATION, scales=True),
        "Action Space": _declared(task.ACTION),
        "Rewards": [_named(("term", "weight", "sum over an episode"), rewards)],
        "Cost": [_named(("cost", "meaning"), task.COST.items())],
        "Info": [
            _named(("metric", "meaning", "unit"), metrics),
            _named(("hidden quantity", "meaning", "unit"), latent),
        ],
        "Arguments": [_named(("argument", "default", "unit", "at a reset", "meaning"), words)],
        "Difficulty switches": [
            _named(("difficulty", "arguments that are not given"), presets),
            *_switches(levels),
            _named(("intervention", "meaning", "example"), interventions),
        ],
    }
    return {name: [one for one in some if len(one) > 1] for name, some in found.items()}


def _named(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    """A table whose first column is of names."""
    return [head, *((f"`{name}`", *cells) for name, *cells in rows)]


def _declared(declared: Any, scales: bool = False) -> list[Table]:
    """Tables of an observation or action, each part once; scales are those of observations."""
    found: list[Table] = []
    parts: list[tuple[str, Any]] = []
    for mode, one in declared.items() if isinstance(declared, Modes) else [("", declared)]:
        several = one.items() if isinstance(one, dict) else [(mode, one)]
        parts += [(name, part) for name, part in several if all(part is not p for _, p in parts)]
    for name, part in parts:
        if isinstance(part, Choices):
            listed = [(str(k), one, "") for k, one in enumerate(part.names)]
            found.append(
                [("number", f"`{name}`", ""), (f"0 to {part.n - 1}", part.doc, ""), *listed]
            )
        elif len(part) <= 100:
            axes = part.shape if isinstance(part, Plane) else ("channels", *part.shape)
            columns = {"unit of 1": "unit"} | ({"scale": "scale"} if scales else {})
            if any(channel.centre for channel in part.values()):
                columns["centre"] = "centre"
            head = ("index", f"`{name}` ({', '.join(map(str, axes))})", *columns, "meaning")
            table: Table = [head]
            for k, (one, channel) in enumerate(part.items()):
                cells = (number(getattr(channel, column)) for column in columns.values())
                table.append((str(k), f"`{one}`", *cells, channel.doc))
            found.append(table)
    return found


def _settings(settings: Any, left_out: Set[str] = frozenset()) -> Table:
    """Numbers of an instrument by default: fields and properties, with their meanings."""
    kind = type(settings)
    meanings = described(kind)
    for name, one in vars(kind).items():
        if isinstance(one, property):
            meanings[name] = (one.__doc__ or "").partition("\n")[0].rstrip(".")
    values = {name: getattr(settings, name) for name in meanings if name not in left_out}
    rows = [
        (f"`{name}`", number(value), meanings[name])
        for name, value in values.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    for name, value in values.items():
        if is_dataclass(value) and not isinstance(value, type):
            rows += [(f"`{name}.{row[0][1:]}", *row[1:]) for row in _settings(value)[1:]]
    return [("instrument", "default", "meaning"), *rows]


def described(kind: type) -> dict[str, str]:
    """Meanings of a class's attributes, from the Google-style "Attributes" of its docstring."""
    block = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for names, text in re.findall(
        r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {5,}.*)*)", block, flags=re.MULTILINE
    ):
        found |= dict.fromkeys(
            names.split(", "), " ".join(text.split()).rstrip(".").replace("|", "\\|")
        )
    return found


def _switches(levels: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """A table of each switch whose levels are dataclasses, and one of those that are numbers."""
    found: list[Table] = []
    plain: dict[str, Mapping[str, Any]] = {}
    for name, switch in levels.items():
        if not is_dataclass(next(iter(switch.values()))):
            plain[name] = switch
            continue
        # One row a level, one column a number that is not zero on all of them.
        every = [one.name for one in fields(next(iter(switch.values())))]
        columns = [one for one in every if any(getattr(at, one) for at in switch.values())]
        head = (f"`{name}`", *(f"`{column}`" for column in columns))
        rows = [(n, *(number(getattr(at, one)) for one in columns)) for n, at in switch.items()]
        found.append([head, *rows])
    if plain:
        rows = [(n, *(number(one[n]) for one in plain.values())) for n in LEVELS]
        found.append([("level", *(f"`{name}`" for name in plain)), *rows])
    return found
