"""The truth as part of the observation: for the teacher's eyes, in training only."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

TRUTH = "structure"
"""Key of the truth in the observation: (cells, cells) part of each cell that is structure."""


class PrivilegedObservationWrapper(VectorWrapper):
    """Adds `info["latent"]["structure"]` to a dict observation.

    A critic and an auxiliary loss may look at it; a policy that is to act without it must not.

    Args:
        env: a vector environment made with `reveal=True`, whose observation is a dict with "maps".
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        own = env.single_observation_space
        assert isinstance(own, spaces.Dict)
        shape = own["maps"].shape
        assert shape is not None
        truth = spaces.Box(0.0, 1.0, shape[1:], np.float32)
        self.single_observation_space = spaces.Dict({**own.spaces, TRUTH: truth})
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_truth(observation, info), info

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Advance all environments."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            truth = info["final_info"]["latent"][TRUTH]
            for row in np.flatnonzero(terminated | truncated):
                info["final_obs"][row][TRUTH] = truth[row].copy()
        return self._with_truth(observation, info), reward, terminated, truncated, info

    @staticmethod
    def _with_truth(observation: Any, info: dict[str, Any]) -> dict[str, Any]:
        return {**observation, TRUTH: info["latent"][TRUTH]}


def make_privileged(env_id: str, num_envs: int, **arguments: Any) -> PrivilegedObservationWrapper:
    """Make a native vector environment that shows the truth to whoever trains on it.

    Args:
        env_id: such as "Ptycho-v0".
        num_envs: N.
        **arguments: the environment's arguments.

    Returns:
        The wrapped environment, in autoreset mode SAME_STEP.
    """
    env = gym.make_vec(env_id, num_envs, autoreset_mode="SameStep", reveal=True, **arguments)
    return PrivilegedObservationWrapper(env)
