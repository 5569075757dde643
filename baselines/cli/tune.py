"""Search for the configuration of a reference policy, such as expert or oracle, with Optuna.

    python -m microgym.baselines.cli.tune Ptycho-v0 expert

prints the best configurations on training specimens; rounded, they are the defaults of the
configuration's class. The ranges are those of the table "expert_search".
"""

import argparse
from collections.abc import Sequence
from typing import Any

from microgym.agents.core.extras import extra_named
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import evaluate_all
from microgym.baselines.evaluation.expert_search import (
    SearchablePolicy,
    searchable_environments,
    searchable_policies,
)

EPISODES = 64
"""Training episodes per trial (design choice: standard error of the mean about 0.02)."""


def search(
    env_id: str, policy: SearchablePolicy, trials: int, seed: int = 0
) -> list[tuple[float, Any]]:
    """Evaluate configurations on training specimens, the same for all trials.

    Args:
        env_id: such as "Ptycho-v0".
        policy: the reference policy.
        trials: number of configurations.
        seed: of the search.

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
        agents = {"tried": policy.agent(config)}
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


if __name__ == "__main__":
    raise SystemExit(main())
