"""Declared rewards: named terms with weights, each the change of a potential.

The terms of an episode add up to one difference between its end and its beginning, however the
episode is cut into steps. Weights are applied on top. What must never happen is a cost, apart from
the reward.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.validation import choice, finite


@dataclass(frozen=True)
class Term:
    """One term of a reward.

    Attributes:
        weight: in the scalar reward, by default (design choice).
        doc: sum of the term over an episode.
        better: "higher" if a growing potential earns, "lower" if it costs.
        scale: number that the change is divided by, or the path of the task's attribute that holds
            it: a number, or one for each environment.
        path: of the task's array that is the potential, such as "ledger.time_s"; empty where
            `Task.potentials` computes it.
    """

    weight: float
    doc: str
    better: str = "higher"
    scale: float | str = 1.0
    path: str = ""

    def __post_init__(self) -> None:
        choice("better", self.better, ("higher", "lower"))
        finite("weight", self.weight)

    def of(
        self,
        before: NDArray[np.float64],
        after: NDArray[np.float64],
        scale: float | NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The term of one step, (k,), from potentials (k,) before and after it."""
        change = after - before if self.better == "higher" else before - after
        return change / scale


TIME = Term(
    0.1, "minus the time used, over the limit", "lower", "config.time_limit_s", "ledger.time_s"
)
"""The term of a task whose time is limited."""


def weights(declared: Mapping[str, Term], given: Mapping[str, float]) -> NDArray[np.float64]:
    """Weights of declared terms, (terms,) float64, with a user's changes by name.

    Raises:
        TypeError: a weight that is no number.
        ValueError: an unknown name, or a weight that is not finite.
    """
    unknown = sorted(str(name) for name in given if name not in declared)
    if unknown:
        raise ValueError(
            f"unknown reward terms {', '.join(unknown)}; known are {', '.join(declared)}"
        )
    changed = {name: finite(f"weight of {name}", value) for name, value in given.items()}
    return np.array([changed.get(name, term.weight) for name, term in declared.items()])


def weighted_sum(terms: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scalar reward, (k,): terms (k, terms) times factors (terms,), added in their order."""
    total = factors[0] * terms[:, 0]
    for place in range(1, factors.size):
        total += factors[place] * terms[:, place]
    return total
