"""What stands between environments and a policy that answers an operator, in training."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray


class AgentState(Protocol):
    """What operators of N microscopes remember."""

    def reset(self, num_envs: int) -> None:
        """Begin N episodes."""

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        ...


class PolicyWrapper(VectorWrapper):
    """Lets operators see first and act last; what they remember belongs to the state of a run.

    Args:
        env: a vector environment in autoreset mode SAME_STEP.
        memory: the operators'.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], memory: AgentState) -> None:
        super().__init__(env)
        self._memory = memory
        memory.reset(env.num_envs)

    @abstractmethod
    def seen(self, observation: Any, info: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """What the policy sees of an observation."""

    def paid(
        self, reward: NDArray[Any], observation: Any, info: Mapping[str, Any], ended: NDArray[Any]
    ) -> NDArray[Any]:
        """What the policy learns from: the environment's rewards, if nothing else is said."""
        del observation, info, ended
        return reward

    @abstractmethod
    def answered(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Actions of the environment for those of the policy."""

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._memory.reset(self.num_envs)
        return self.seen(observation, info), info

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Answer, and advance all environments."""
        found = self.env.step(self.answered(np.asarray(actions)))
        observation, reward, terminated, truncated, info = found
        ended = terminated | truncated
        if "final_obs" in info:
            # Episodes are terminated, never truncated: nobody looks at what comes last.
            own = self.single_observation_space
            assert isinstance(own, spaces.Dict)
            nothing = {name: np.zeros(box.shape or (), box.dtype) for name, box in own.items()}
            last = np.empty(self.num_envs, object)
            for row in np.flatnonzero(ended):
                last[row] = nothing
            info["final_obs"] = last
        self._memory.begin(ended)
        reward = self.paid(reward, observation, info, ended)
        return self.seen(observation, info), reward, terminated, truncated, info

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """The whole state, that of the environments included; copies."""
        memory = {f"memory_{name}": array.copy() for name, array in self.state_arrays().items()}
        native: Any = self.env.unwrapped
        return memory | native.snapshot()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back a state given by `snapshot`.

        Raises:
            ValueError: names, shapes or types that do not fit.
        """
        native: Any = self.env.unwrapped
        own = {f"memory_{name}": array for name, array in self.state_arrays().items()}
        native.restore({name: array for name, array in state.items() if name not in own})
        for name, array in own.items():
            given = state[name]
            if (given.shape, given.dtype) != (array.shape, array.dtype):
                raise ValueError(f"{name} must have shape {array.shape}")
            array[...] = given

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are all of the memory, by name."""
        return self._memory.state_arrays()
