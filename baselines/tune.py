"""How the expert and the oracle of Ptycho-v0 were tuned: by search on training specimens.

    python -m microgym.baselines.tune expert

prints the best settings found; the defaults of `microgym.agents.ptycho` are those, rounded. Half of
the budget is drawn at large, half around the best three so far.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from microgym.agents.ptycho import ExpertAgent, Greedy, Operator, OracleAgent
from microgym.baselines.evaluate import evaluate_all
from microgym.baselines.settings import Setting

EPISODES = 64
"""Training specimens per trial (design choice: standard error of the mean about 0.02)."""

_NEAR = 0.25


def draw_greedy(rng: np.random.Generator) -> Greedy:
    """Weights of a greedy scan, at large."""
    return Greedy(
        probe_cells=rng.uniform(3.5, 7.5),
        saturation=float(np.exp(rng.uniform(np.log(0.5), np.log(4.0)))),
        dwell_s=float(np.exp(rng.uniform(np.log(0.4), np.log(2.0)))),
    )


def draw_operator(rng: np.random.Generator) -> Operator:
    """Habits of an operator, at large."""
    return Operator(
        survey=int(rng.integers(0, 5)),
        survey_s=float(np.exp(rng.uniform(np.log(0.2), 0.0))),
        reach=rng.uniform(0.7, 3.5),
        prior=rng.uniform(0.0, 0.25),
        doubt=float(np.exp(rng.uniform(np.log(0.03), np.log(3.0)))),
        caution=rng.uniform(0.0, 1.0),
        greedy=draw_greedy(rng),
    )


def near(settings: Any, rng: np.random.Generator) -> Any:
    """Settings close to given ones: every number times e^(a quarter of a normal deviate)."""
    changes: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Greedy):
            changes[field.name] = near(value, rng)
        elif isinstance(value, int):
            changes[field.name] = max(0, value + int(rng.integers(-1, 2)) * (rng.random() < 0.3))
        else:
            changes[field.name] = min(float(value * np.exp(_NEAR * rng.normal())), 10.0)
    return replace(settings, **changes)


def search(
    draw: Callable[[np.random.Generator], Any],
    agent: Callable[[Any], Any],
    trials: int,
    seed: int = 0,
    env_id: str = "Ptycho-v0",
    episodes: int = EPISODES,
) -> list[tuple[float, Any]]:
    """Settings and their mean returns on training specimens, best first.

    Args:
        draw: settings at large.
        agent: makes an agent of settings.
        trials: how many to try.
        seed: of the search; all trials play the same episodes.
        env_id: the environment.
        episodes: training specimens per trial.

    Returns:
        (mean return, settings) of every trial.
    """
    rng = np.random.default_rng(seed)
    setting = Setting(env_id, split="train")
    tried: list[tuple[float, Any]] = []
    for trial in range(trials):
        best = sorted(tried, key=lambda one: -one[0])[:3]
        at_large = trial < trials // 2
        settings = draw(rng) if at_large else near(best[int(rng.integers(0, len(best)))][1], rng)
        found = evaluate_all(setting, {"tried": agent(settings)}, episodes=episodes)["tried"]
        tried.append((float(found.returns.mean()), settings))
    return sorted(tried, key=lambda one: -one[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, and print the best three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", choices=("expert", "oracle"))
    parser.add_argument("--trials", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    if chosen.policy == "expert":
        tried = search(draw_operator, ExpertAgent, chosen.trials, chosen.seed)
    else:
        tried = search(draw_greedy, OracleAgent, chosen.trials, chosen.seed)
    for value, settings in tried[:3]:
        print(f"{value:.3f}  {settings}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
