"""Adapters between a network and the default environment that it decides in."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from microgym.agents.core.memory import Memory


class PolicyAdapter(Memory):
    """Maps observations to those of a network, and its choices to actions; here both unchanged.

    Some networks are trained on other observations and actions than the default ones, such as the
    cells of a grid, or corrections to an expert.

    Args:
        observation_shapes: shape in one environment of each part of the observation that is read.

    Attributes:
        observation_shapes: as given.
        observation_space, action_space: those of the network in one environment; None for the
            environment's own.
    """

    observation_space: spaces.Dict | None = None
    action_space: spaces.Space[Any] | None = None

    def __init__(self, observation_shapes: Mapping[str, Sequence[int]] | None = None) -> None:
        given = observation_shapes or {}
        self.observation_shapes = {name: tuple(shape) for name, shape in given.items()}

    def adapt_observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Observation of the network for a batched one of the environment; once a decision."""
        return {name: np.asarray(part, np.float32) for name, part in observation.items()}

    def adapt_action(self, choice: NDArray[Any]) -> NDArray[Any]:
        """Actions (N, ...) of the environment for the choices of the network."""
        return choice
