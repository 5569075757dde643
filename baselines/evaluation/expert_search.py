"""Configurations of reference policies to search: the table "expert_search" of an environment.

Each table `[expert_search.<policy>]` of `agents/<env>/<id>.toml` gives the ranges of fields of the
policy's `Config`, a dataclass:

- `{ low, high }`: numbers, whole ones if both ends are; `log = true` searches the logarithm, and
  with `zero = true` the value may also be 0;
- `{ choices = [...] }`: one of them;
- `{ suggest = "module:function" }`: the function's value, called with Optuna's trial;
- a table of such entries for a field that is a dataclass itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pkgutil import resolve_name
from typing import Any, get_type_hints

from microgym.agents.core.agent import Agent
from microgym.agents.core.config import find_tables
from microgym.agents.core.registry import agents_package
from microgym.envs.core import registry

_FORMS = ({"suggest"}, {"choices"}, *({"low", "high"} | one for one in (set(), {"log"}, {"zero"})))


@dataclass(frozen=True)
class SearchablePolicy:
    """Reference policy with a configuration.

    Attributes:
        suggest: configuration, a dataclass, for a trial of Optuna.
        agent: policy with a configuration.
    """

    suggest: Callable[[Any], Any]
    agent: Callable[[Any], Agent]


def searchable_environments() -> list[str]:
    """Environments that have policies to search for."""
    return [one.id for one in registry.entries() if searchable_policies(one.id)]


def searchable_policies(env_id: str) -> dict[str, SearchablePolicy]:
    """Policies of an environment by name.

    Args:
        env_id: such as "Ptycho-v0".

    Raises:
        ValueError: a field that the configuration lacks, or no range.
    """
    tables = find_tables(env_id).get("expert_search", {})
    return {name: _policy(env_id, name, table) for name, table in tables.items()}


def _policy(env_id: str, name: str, table: Mapping[str, Any]) -> SearchablePolicy:
    agent = resolve_name(agents_package(env_id).AGENTS[env_id][name])
    _check(f"{env_id} {name}", agent.Config, table)
    return SearchablePolicy(
        lambda trial: _config(trial, "", agent.Config, table), lambda config: agent(config=config)
    )


def _check(what: str, kind: Any, table: Mapping[str, Any]) -> None:
    hints = get_type_hints(kind)
    known = {one.name for one in fields(kind)}
    for name, given in table.items():
        if name not in known:
            raise ValueError(f"[expert_search] {what}: no field {name!r} among {sorted(known)}")
        if is_dataclass(hints[name]):
            _check(f"{what}.{name}", hints[name], given)
        elif set(given) not in _FORMS:
            raise ValueError(f"[expert_search] {what}: no range of {name}: {given}")


def _config(trial: Any, prefix: str, kind: Any, table: Mapping[str, Any]) -> Any:
    hints, values = get_type_hints(kind), dict[str, Any]()
    for name, given in table.items():
        if is_dataclass(hints[name]):
            values[name] = _config(trial, f"{prefix}{name}.", hints[name], given)
        else:
            values[name] = _value(trial, prefix + name, given)
    return kind(**values)


def _value(trial: Any, name: str, given: Mapping[str, Any]) -> Any:
    if "suggest" in given:
        return resolve_name(given["suggest"])(trial)
    if "choices" in given:
        return trial.suggest_categorical(name, given["choices"])
    low, high = given["low"], given["high"]
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high)
    if given.get("zero") and trial.suggest_categorical(f"{name} is 0", [False, True]):
        return 0.0
    return trial.suggest_float(name, low, high, log=given.get("log", False))
