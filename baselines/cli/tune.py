"""Search for the configuration of a reference policy, such as expert or oracle.

    python -m microgym.baselines.cli.tune Ptycho-v0 expert

prints the best configurations on training specimens; rounded, they are the defaults of the
configuration's class. Half of the trials are drawn from the distributions of the table
"expert_search", half around the best three so far.
"""

import argparse
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.baselines.evaluation.expert_search import (
    SearchablePolicy,
    searchable_environments,
    searchable_policies,
)

EPISODES = 64
"""Training episodes per trial (design choice: standard error of the mean about 0.02)."""

_NEAR = 0.25


def near(settings: Any, rng: np.random.Generator) -> Any:
    """Random configuration close to a given one.

    Real numbers are multiplied by exp(N(0, 0.25^2)), integers change by at most one.

    Args:
        settings: a dataclass.
        rng: source of the changes.
    """
    changes: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            changes[field.name] = near(value, rng)
        elif isinstance(value, tuple):
            continue
        elif isinstance(value, int):
            changes[field.name] = max(0, value + int(rng.integers(-1, 2)) * (rng.random() < 0.3))
        else:
            changes[field.name] = min(float(value * np.exp(_NEAR * rng.normal())), 10.0)
    return replace(settings, **changes)


def search(
    env_id: str, policy: SearchablePolicy, trials: int, seed: int = 0
) -> list[tuple[float, Any]]:
    """Evaluate random configurations on training specimens, the same for all trials.

    Args:
        env_id: such as "Ptycho-v0".
        policy: the reference policy.
        trials: number of configurations.
        seed: of the search.

    Returns:
        (mean return, configuration) of every trial, the best first.
    """
    rng = np.random.default_rng(seed)
    setting = EnvironmentConfig(env_id, split="train")
    tried: list[tuple[float, Any]] = []
    for trial in range(trials):
        best = sorted(tried, key=lambda one: -one[0])[:3]
        if trial < trials // 2:
            settings = policy.draw(rng)
        else:
            settings = near(best[int(rng.integers(0, len(best)))][1], rng)
        agents = {"tried": policy.agent(settings)}
        found = evaluate_all(setting, agents, episodes=EPISODES)["tried"]
        tried.append((float(found.returns.mean()), settings))
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


if __name__ == "__main__":
    raise SystemExit(main())
