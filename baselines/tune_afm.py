"""How the operators of AFM-v0 were tuned: by search on training specimens.

    python -m microgym.baselines.tune_afm expert

prints the best settings found; the defaults of `microgym.agents.afm` are those, rounded.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from microgym.agents.afm import (
    ExpertAgent,
    Fixed,
    Foresight,
    Operator,
    OracleAgent,
    SteadyAgent,
)
from microgym.baselines.tune import search

EPISODES = 32
"""Training specimens per trial (design choice: standard error of the mean about 0.08, but all
trials play the same)."""

Random = np.random.Generator


def _log(rng: Random, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_fixed(rng: Random) -> Fixed:
    """One setting, at large."""
    return Fixed(rng.uniform(0.45, 0.9), _log(rng, 0.7, 5.0))


def draw_operator(rng: Random) -> Operator:
    """Habits of an operator, at large."""
    return Operator(
        setpoint=rng.uniform(0.65, 0.95),
        lower=rng.uniform(0.01, 0.06),
        raise_again=_log(rng, 0.002, 0.01),
        lost=_log(rng, 0.002, 0.02),
        gain=_log(rng, 1.5, 6.0),
        climb=rng.uniform(1.1, 1.8),
        onset=rng.uniform(0.9, 1.3),
        quiet_nm=_log(rng, 0.15, 0.5),
        back_off=rng.uniform(0.55, 0.9),
        proportional=rng.uniform(0.0, 0.15) * (rng.random() < 0.3),
        care=rng.uniform(0.0, 0.6),
        quiet_slope=_log(rng, 0.02, 0.5),
        most=rng.uniform(1.2, 3.0),
    )


def draw_foresight(rng: Random) -> Foresight:
    """What one who knows does with it, at large."""
    return Foresight(
        setpoint=rng.uniform(0.45, 0.85),
        gain=rng.uniform(0.5, 1.0),
        proportional=rng.uniform(0.0, 0.2) * (rng.random() < 0.5),
        care=rng.uniform(0.2, 1.0),
        quiet=_log(rng, 0.005, 0.3),
        haste=_log(rng, 0.7, 4.0),
        worn_nm=rng.uniform(20.0, 80.0),
        early=rng.uniform(0.2, 0.9),
    )


POLICIES: Mapping[str, tuple[Callable[[Random], Any], Callable[[Any], Any]]] = {
    "steady": (draw_fixed, SteadyAgent),
    "expert": (draw_operator, ExpertAgent),
    "oracle": (draw_foresight, OracleAgent),
}
"""How to draw the settings of each policy, and how to make it of them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, and print the best three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", choices=tuple(POLICIES))
    parser.add_argument("--trials", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    draw, make = POLICIES[chosen.policy]
    tried = search(draw, make, chosen.trials, chosen.seed, "AFM-v0", EPISODES)
    for value, settings in tried[:3]:
        print(f"{value:.3f}  {settings}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
