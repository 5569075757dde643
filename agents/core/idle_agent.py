"""The idle agent: the zero action, a floor that every policy should be above."""

from collections.abc import Mapping
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent


class IdleAgent(BaseAgent):
    """The action of zeros; the first allowed one of a masked task.

    Args:
        observation_space: space of one environment's observation.
        action_space: space of one environment's action.
    """

    name = "idle"

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        named: Any = (
            observation_space
            if isinstance(observation_space, spaces.Dict)
            else {"observation": observation_space}
        )
        self.observation_shapes = {name: tuple(one.shape) for name, one in named.items()}
        self._space = action_space

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The agent of an environment, which is made once for its spaces."""
        env = gym.make_vec(env_id, 1, **env_kwargs)
        env.close()
        return cls(env.single_observation_space, env.single_action_space)

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        """Zeros; the lowest number whose entry in `info["action_mask"]` is not 0."""
        if "action_mask" in info and isinstance(self._space, spaces.Discrete):
            return np.asarray(info["action_mask"]).argmax(axis=1)
        actions: Any = create_empty_array(self._space, n=self.num_envs, fn=np.zeros)
        return actions
