"""Where settings of reference policies are looked for: at large, wide around what is sensible."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from microgym.agents.base import Agent
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


TUNABLES: Mapping[str, Mapping[str, Tunable]] = {
    "Ptycho-v0": {
        "expert": Tunable(draw_operator, ExpertAgent),
        "oracle": Tunable(draw_greedy, OracleAgent),
    },
}
"""By environment and policy."""
