"""Residual policy of STM-v0 and STMBuild-v0: features of a drag, and its corrections."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.residual_policy import ResidualController
from microgym.agents.stm.references import ExpertAgent, components_for, movers_for
from microgym.envs.stm.observation import SHARED, SLOT
from microgym.state import Float32

RANGE = (0.3, 0.3, 0.08, 0.08, 0.5, 1.0, 0.5, 0.5)
"""Largest correction of each component of the action (design choice): 0.12 nm of the beginning of
a drag, 0.16 nm of its end, any conductance, and whether an image follows."""

_MEMORY = 4  # numbers of the expert's memory, and its conductance


def width_of(movers: int) -> int:
    """Number of features of one decision."""
    return movers * len(SLOT) + len(SHARED) + components_for(movers) + _MEMORY


class STMResidual(ResidualController):
    """Drags of a number of adatoms, all of whose components may be corrected."""

    def __init__(self, movers: int, history: int) -> None:
        expert, components = ExpertAgent(movers), components_for(movers)
        super().__init__(
            expert,
            history,
            expert.observation_shapes,
            components=components,
            corrected=range(components),
            limits=RANGE[:components],
            width=width_of(movers),
        )

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any], history: int) -> Self:
        """The controller for the number of adatoms to be moved."""
        return cls(movers_for(env_id, env_kwargs), history)

    @classmethod
    def for_width(cls, width: int, history: int) -> Self:
        """The controller for the number of adatoms that gives a number of features.

        Raises:
            ValueError: there is no such number.
        """
        for movers in range(1, 6):
            if width_of(movers) == width:
                return cls(movers, history)
        raise ValueError(f"no number of adatoms gives {width} features a decision")

    def features(self, observation: Mapping[str, NDArray[Any]], action: Float32) -> NDArray[Any]:
        """Values of the observation, the expert's action and its memory, (N, width)."""
        values = self.expert.read(observation["numbers"]).values()
        correction, behind, _ = self.expert.state
        press = np.full((len(behind), 1), self.expert.config.conductance)
        memory = [correction / 0.3, press, behind[:, None] / 4]
        return np.concatenate([np.stack(list(values), axis=1), action, *memory], axis=1)
