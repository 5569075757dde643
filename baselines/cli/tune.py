"""Search for the configuration of a reference policy, such as expert or oracle, with Optuna.

    python -m microgym.baselines.cli.tune Ptycho-v0 expert

prints the best configurations on training specimens; rounded, they are the defaults of the
configuration's class. The ranges are those of the table "expert_search".
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pkgutil import resolve_name
from typing import Any, get_type_hints

from microgym.agents.core.agent import Agent
from microgym.agents.core.config import find_tables
from microgym.agents.core.extras import extra_named
from microgym.agents.core.registry import agents_package
from microgym.baselines.cli.search_space import read_values
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.envs.core import registry

EPISODES = 64
"""Training episodes per trial (design choice: standard error of the mean about 0.02)."""

# Value of a parameter, from a trial of Optuna and the parameter's name.
_Suggest = Callable[..., Any]


@dataclass(frozen=True)
class SearchablePolicy:
    """Reference policy with a configuration.

    Attributes:
        suggest: configuration, a dataclass, for a trial of Optuna.
        agent: policy with the argument `config`.
    """

    suggest: Callable[[Any], Any]
    agent: Callable[..., Agent]


def searchable_environments() -> list[str]:
    """Environments that have policies to search for."""
    return [one.id for one in registry.entries() if searchable_policies(one.id)]


def searchable_policies(env_id: str) -> dict[str, SearchablePolicy]:
    """Policies of an environment by name.

    Each table `[expert_search.<policy>]` of `agents/<env>/<id>.toml` gives the values of fields of
    the policy's `Config`, a dataclass:

    - as for `read_values`; with `zero = true` the value may also be 0;
    - `{ suggest = "module:function" }`: the function's value, called with Optuna's trial;
    - a table of such entries for a field that is a dataclass itself.

    Raises:
        ValueError: a field that the configuration lacks, or no range.
    """
    found: dict[str, SearchablePolicy] = {}
    for name, table in find_tables(env_id).get("expert_search", {}).items():
        agent = resolve_name(agents_package(env_id).AGENTS[env_id][name])
        found[name] = SearchablePolicy(_config(f"{env_id} {name}", agent.Config, table), agent)
    return found


def search(
    env_id: str, policy: SearchablePolicy, trials: int, seed: int = 0
) -> list[tuple[float, Any]]:
    """Evaluate configurations on training specimens, the same for all trials.

    Returns:
        (mean return, configuration) of every trial, the best first.

    Raises:
        ImportError: Optuna is not installed.
    """
    with extra_named():
        import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    setting = EnvironmentConfig(env_id, split="train")
    tried: list[tuple[float, Any]] = []

    def objective(trial: optuna.Trial) -> float:
        config = policy.suggest(trial)
        agents = {"tried": policy.agent(config=config)}
        found = evaluate_all(setting, agents, episodes=EPISODES)["tried"]
        tried.append((float(found.returns.mean()), config))
        return tried[-1][0]

    sampler = optuna.samplers.TPESampler(seed=seed)
    optuna.create_study(direction="maximize", sampler=sampler).optimize(objective, trials)
    return sorted(tried, key=lambda one: -one[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, and print the best three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("env", choices=searchable_environments())
    parser.add_argument("policy", help="one that has a configuration, such as expert")
    parser.add_argument("--trials", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    known = searchable_policies(chosen.env)
    if chosen.policy not in known:
        parser.error(f"of {chosen.env} one can tune {sorted(known)}, not {chosen.policy!r}")
    for value, settings in search(chosen.env, known[chosen.policy], chosen.trials, chosen.seed)[:3]:
        print(f"{value:.3f}  {settings}")
    return 0


def _config(what: str, kind: Any, table: Mapping[str, Any]) -> _Suggest:
    """Values of a dataclass, from a table with an entry for each field."""
    hints, known = get_type_hints(kind), sorted(one.name for one in fields(kind))
    parts: dict[str, _Suggest] = {}
    for name, given in table.items():
        if name not in known:
            raise ValueError(f"[expert_search] {what}: no field {name!r} among {known}")
        if is_dataclass(hints[name]):
            parts[name] = _config(f"{what}.{name}", hints[name], given)
        else:
            parts[name] = _value(f"[expert_search] {what}: no range of {name}", hints[name], given)

    def suggest(trial: Any, name: str = "config") -> Any:
        return kind(**{field: one(trial, f"{name}.{field}") for field, one in parts.items()})

    return suggest


def _value(where: str, kind: type, given: Mapping[str, Any]) -> _Suggest:
    if set(given) == {"suggest"}:
        function = resolve_name(given["suggest"])
        return lambda trial, name: function(trial)
    values = read_values(where, {k: v for k, v in given.items() if k != "zero"}, kind)

    def suggest(trial: Any, name: str) -> Any:
        if given.get("zero") and trial.suggest_categorical(f"{name} is 0", [False, True]):
            return kind()
        return values.suggest(trial, name)

    return suggest


if __name__ == "__main__":
    raise SystemExit(main())
