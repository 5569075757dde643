"""Corrections to an operator's drags: what a network sees of them, and what it may change."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.stm.references import ExpertAgent, actions_of, numbers_of
from microgym.envs.stm.observation import SHARED, SLOT

Float32 = NDArray[np.float32]

RANGE = (0.3, 0.3, 0.08, 0.08, 0.5, 1.0, 0.5, 0.5)
"""Largest correction of each component of the action (design choice): 0.12 nm of where a drag
begins, 0.16 nm of where it ends, any conductance, and whether to look."""

_LEARNT = 4  # numbers of what the operator has learnt


def width_of(movers: int) -> int:
    """Numbers that are seen of one decision."""
    components = actions_of("move" if movers == 1 else "build")
    return movers * len(SLOT) + len(SHARED) + components + _LEARNT


def movers_within(width: int) -> int:
    """Adatoms to be moved where so many numbers are seen of one decision.

    Raises:
        ValueError: there is no such number.
    """
    for movers in range(1, 6):
        if width_of(movers) == width:
            return movers
    raise ValueError(f"no number of adatoms gives {width} numbers a decision")


class STMResidualSpec:
    """Drags of adatoms, all of whose components may be corrected.

    Args:
        movers: adatoms to be moved.

    Attributes:
        movers: as given.
        operator, components, places, range, width: as for `ResidualSpec`.
    """

    def __init__(self, movers: int) -> None:
        self.movers = movers
        self.operator = ExpertAgent(movers)
        self.components = actions_of("move" if movers == 1 else "build")
        self.places = np.arange(self.components)
        self.range = np.array(RANGE[: self.components])
        self.width = width_of(movers)

    def check(self, observation: Any) -> None:
        """See that an observation is one of this goal.

        Raises:
            ValueError: it is of another.
        """
        numbers, wanted = numbers_of(observation).shape[1], self.width - self.components - _LEARNT
        if numbers != wanted:
            raise ValueError(f"observations of {numbers} numbers must have {wanted}")

    def heed(self, changes: NDArray[np.float64]) -> None:
        """The operator learns from where adatoms land, and from nothing else."""

    def bound(self, action: NDArray[np.float64], told: Float32) -> None:
        """Every drag is allowed."""

    def told(self, observation: Any, proposed: Float32) -> NDArray[Any]:
        """What is told, what is proposed, and what the operator has learnt, (N, width)."""
        operator = self.operator
        learnt = [operator.correction / 0.3, operator.press[:, None], operator.behind[:, None] / 4]
        return np.concatenate([numbers_of(observation), proposed, *learnt], axis=1)
