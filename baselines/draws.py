"""Where settings of reference policies are looked for: at large, wide around what is sensible."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from microgym.agents.base import Agent
from microgym.agents.references import pfm
from microgym.agents.references.ptycho import ExpertAgent, Greedy, Operator, OracleAgent


@dataclass(frozen=True)
class Tunable:
    """A reference policy with settings.

    Attributes:
        draw: settings at large, a dataclass of numbers.
        agent: makes the policy of settings.
    """

    draw: Callable[[np.random.Generator], Any]
    agent: Callable[[Any], Agent]


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


TUNABLES: Mapping[str, Mapping[str, Tunable]] = {
    "Ptycho-v0": {
        "expert": Tunable(draw_operator, ExpertAgent),
        "oracle": Tunable(draw_greedy, OracleAgent),
    },
    "PFM-v0": {"expert": Tunable(draw_writer, pfm.ExpertAgent)},
    "PFMLoop-v0": {
        "expert": Tunable(draw_writer, lambda habits: pfm.ExpertAgent(habits, goal="loop"))
    },
}
"""By environment and policy."""
