"""How experts and an oracle were tuned: by search on training specimens.

    python -m microgym.baselines.tune Ptycho-v0 expert

prints the best settings found; the defaults of `microgym.agents.ptycho` and `microgym.agents.pfm`
are those, rounded. Half of the budget is drawn at large, half around the best three so far.
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from microgym.agents import pfm
from microgym.agents.ptycho import ExpertAgent, Greedy, Operator, OracleAgent
from microgym.baselines.evaluate import evaluate_all
from microgym.baselines.settings import Setting
from microgym.envs.pfm.arguments import GOALS

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


def draw_brush(rng: np.random.Generator) -> pfm.Brush:
    """How a pulse is thought to write, at large."""
    count = int(rng.integers(1, 5))
    raising, lowering = rng.uniform(3.0, 8.5, count), rng.uniform(-8.5, -4.0, 1)
    return pfm.Brush(
        volts=tuple(float(round(2.0 * volts) / 2.0) for volts in (*lowering, *np.sort(raising))),
        coercive=float(np.exp(rng.uniform(np.log(0.06), np.log(0.3)))),
        care=rng.uniform(0.4, 1.8),
    )


def draw_writer(rng: np.random.Generator) -> pfm.Operator:
    """Habits of one who writes domains or shifts loops, at large."""
    return pfm.Operator(
        brush=draw_brush(rng),
        look_every=int(rng.integers(2, 13)),
        least_gain=rng.uniform(0.0, 4.0),
        patience=max(rng.uniform(-0.5, 0.5), 0.0),
        ring_cells=rng.uniform(5.0, 11.0),
        ring_volts=rng.uniform(6.0, 8.0),
        pulse_shift_v=rng.uniform(0.08, 0.4),
        loop_shift_v=rng.uniform(0.0, 0.7),
        tolerance_v=rng.uniform(0.02, 0.25),
        loop_every=int(rng.integers(2, 9)),
    )


def near(settings: Any, rng: np.random.Generator) -> Any:
    """Settings close to given ones: every number times e^(a quarter of a normal deviate)."""
    changes: dict[str, Any] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Greedy | pfm.Brush):
            changes[field.name] = near(value, rng)
        elif isinstance(value, tuple):
            continue
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
    setting: Setting | None = None,
) -> list[tuple[float, Any]]:
    """Settings and their mean returns on training specimens, best first.

    Args:
        draw: settings at large.
        agent: makes an agent of settings.
        trials: how many to try.
        seed: of the search; all trials play the same episodes.
        setting: environment and arguments; None for Ptycho-v0 on training specimens.

    Returns:
        (mean return, settings) of every trial.
    """
    rng = np.random.default_rng(seed)
    chosen = setting or Setting("Ptycho-v0", split="train")
    tried: list[tuple[float, Any]] = []
    for trial in range(trials):
        best = sorted(tried, key=lambda one: -one[0])[:3]
        at_large = trial < trials // 2
        settings = draw(rng) if at_large else near(best[int(rng.integers(0, len(best)))][1], rng)
        found = evaluate_all(chosen, {"tried": agent(settings)}, episodes=EPISODES)["tried"]
        tried.append((float(found.returns.mean()), settings))
    return sorted(tried, key=lambda one: -one[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, and print the best three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("env", choices=("Ptycho-v0", "PFM-v0"))
    parser.add_argument("policy", choices=("expert", "oracle"))
    parser.add_argument("--goal", choices=GOALS, default="write", help="of PFM-v0")
    parser.add_argument("--trials", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    if chosen.env == "PFM-v0":
        if chosen.policy != "expert":
            parser.error("the oracle of PFM-v0 has nothing to be tuned")
        agent = functools.partial(pfm.ExpertAgent, goal=chosen.goal)
        setting = Setting("PFM-v0", split="train", arguments={"goal": chosen.goal})
        tried = search(draw_writer, agent, chosen.trials, chosen.seed, setting)
    elif chosen.policy == "expert":
        tried = search(draw_operator, ExpertAgent, chosen.trials, chosen.seed)
    else:
        tried = search(draw_greedy, OracleAgent, chosen.trials, chosen.seed)
    for value, settings in tried[:3]:
        print(f"{value:.3f}  {settings}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
