"""Configurations of reference policies to search: the table "expert_search" of an environment.

Each table `[expert_search.<policy>]` of `agents/<env>/<id>.toml` gives the distributions of fields
of the policy's `config`, a dataclass:

- `{ low, high }`: uniform, `log = true` for uniform logarithms, whole numbers (both ends included)
  if both ends are whole; `zero = p` gives 0 with probability p instead;
- `{ choices = [...] }`: one of them;
- `{ draw = "module:function" }`: the function's value, called with the random generator;
- a table of such entries for a field that is a dataclass itself.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pkgutil import resolve_name
from typing import Any, get_type_hints

import numpy as np

from microgym.agents.core.agent import Agent
from microgym.agents.core.registry import agents_package
from microgym.agents.training.config import find_tables
from microgym.envs.core import registry


@dataclass(frozen=True)
class SearchablePolicy:
    """A reference policy with a configuration.

    Attributes:
        draw: a random configuration, a dataclass.
        agent: the policy with a configuration.
    """

    draw: Callable[[np.random.Generator], Any]
    agent: Callable[[Any], Agent]


def searchable_environments() -> list[str]:
    """Environments that have policies to search for."""
    return [one.id for one in registry.entries() if searchable_policies(one.id)]


def searchable_policies(env_id: str) -> dict[str, SearchablePolicy]:
    """Policies of an environment by name.

    Args:
        env_id: such as "Ptycho-v0".

    Raises:
        ValueError: a distribution of a field that the configuration lacks, or an unknown one.
    """
    tables = find_tables(env_id).get("expert_search", {})
    return {name: _policy(env_id, name, table) for name, table in tables.items()}


def _policy(env_id: str, name: str, table: Mapping[str, Any]) -> SearchablePolicy:
    agent = resolve_name(agents_package(env_id).AGENTS[env_id][name])
    _check(f"{env_id} {name}", agent.Config, table)
    return SearchablePolicy(
        lambda rng: _draw(rng, agent.Config, table), lambda chosen: agent(config=chosen)
    )


def _check(what: str, kind: Any, table: Mapping[str, Any]) -> None:
    hints = get_type_hints(kind)
    known = {one.name for one in fields(kind)}
    for name, given in table.items():
        if name not in known:
            raise ValueError(f"[expert_search] {what}: no field {name!r} among {sorted(known)}")
        if is_dataclass(hints[name]):
            _check(f"{what}.{name}", hints[name], given)
        elif set(given) not in ({"draw"}, {"choices"}) and not (
            {"low", "high"} <= set(given) <= {"low", "high", "log", "zero"}
        ):
            raise ValueError(f"[expert_search] {what}: no distribution of {name}: {given}")


def _draw(rng: np.random.Generator, kind: Any, table: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    return kind(
        **{
            name: _draw(rng, hints[name], given)
            if is_dataclass(hints[name])
            else _value(rng, given)
            for name, given in table.items()
        }
    )


def _value(rng: np.random.Generator, given: Mapping[str, Any]) -> Any:
    if "draw" in given:
        return resolve_name(given["draw"])(rng)
    if "choices" in given:
        return given["choices"][int(rng.integers(len(given["choices"])))]
    low, high = given["low"], given["high"]
    if isinstance(low, int) and isinstance(high, int):
        return int(rng.integers(low, high, endpoint=True))
    if rng.random() < given.get("zero", 0.0):
        return 0.0
    if given.get("log", False):
        return math.exp(rng.uniform(math.log(low), math.log(high)))
    return float(rng.uniform(low, high))
