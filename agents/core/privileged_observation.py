"""Privileged training: targets, critic features and shaping from the hidden state.

The hidden state of training specimens gives targets of an auxiliary loss (Jaderberg et al., arXiv
1611.05397), features of an asymmetric critic (Pinto et al., arXiv 1710.06542) and the potential of
a shaped reward (Ng, Harada and Russell, ICML 1999). The actor sees observations only.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from numpy.typing import NDArray
from torch import Tensor

from microgym.agents.core.network import CRITIC, TARGET, MemoryWrapper, PolicyAdapter

Float64 = NDArray[np.float64]


class PrivilegedTeacher(ABC):
    """Privileged training of one kind of network in one environment.

    Args:
        adapter: of the network in training; like the other arguments an attribute.
        env_kwargs: arguments of the environment, those of its id included.
        settings: table "training" of the configuration.

    Attributes:
        target_shape: shape of the target of the auxiliary loss in one environment.
        critic_size: number of features that only the critic sees, 0 for none.
        final_learning_rate: learning rate of the auxiliary loss at the end of training, as a part
            of that at its beginning.
    """

    target_shape: tuple[int, ...]
    critic_size: int = 0
    final_learning_rate: float = 1.0

    def __init__(
        self, adapter: PolicyAdapter, env_kwargs: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None:
        self.adapter, self.env_kwargs, self.settings = adapter, env_kwargs, settings

    @abstractmethod
    def target(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """Target of the auxiliary loss for the present decisions, (N, *target_shape).

        Args:
            observation: batched, of the environment; the adapter has seen it.
            info: batched, with "latent".
        """

    @abstractmethod
    def loss(self, net: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Auxiliary loss of a network, a scalar.

        Args:
            net: the network.
            batch: minibatch of the parts of the training observation, (B, ...) each, with `TARGET`.
        """

    def target_mask(self, target: Tensor) -> Tensor:
        """The targets that the loss is applied to, (B,) bool; by default all."""
        return torch.ones(len(target), dtype=torch.bool)

    def critic_features(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """Features that only the critic sees, (N, critic_size)."""
        raise NotImplementedError

    def potential(self, observation: Any, info: Mapping[str, Any]) -> Float64 | float:
        """Potential of the shaped reward, (N,): an estimate of the return that is still to come."""
        return 0.0


class PrivilegedObservationWrapper(MemoryWrapper):
    """Observations and actions of a network in training, with privileged parts and shaping.

    Shaping adds gamma * potential(s') - potential(s) to the reward, which leaves the best policy
    unchanged; the potential is zero at the start of an episode and where it terminates. `step`
    returns the environment's reward, of which returns are reported; `ShapedMonitor` adds the rest.

    Args:
        env: a vector environment in autoreset mode SAME_STEP, made with `reveal=True`, whose
            observation is a dict or a single array.
        adapter: of the network; its memory belongs to the state of a run.
        teacher: privileged parts and potential.
        gamma: discount of the training.

    Attributes:
        adapter: as given.
        shaping: (N,) float64, shaping of the last step.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        adapter: PolicyAdapter,
        teacher: PrivilegedTeacher,
        gamma: float,
    ) -> None:
        super().__init__(env)
        self.adapter, self._teacher, self._gamma = adapter, teacher, gamma
        self._potential, self.shaping = np.zeros((2, env.num_envs))
        adapter.allocate(env.num_envs)
        own = adapter.observation_space or env.single_observation_space
        assert isinstance(own, spaces.Dict)
        shapes = {TARGET: teacher.target_shape}
        shapes |= {CRITIC: (teacher.critic_size,)} if teacher.critic_size else {}
        added = {name: spaces.Box(-np.inf, np.inf, shape) for name, shape in shapes.items()}
        self.single_observation_space = spaces.Dict({**own.spaces, **added})
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self.single_action_space = adapter.action_space or env.single_action_space
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._potential[:] = 0.0
        self.adapter.allocate(self.num_envs)
        return self._observation(observation, info), info

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Advance all environments.

        `info["final_obs"]` of a truncated episode is its adapted last observation. It is None where
        an episode terminated, since no value is bootstrapped from there.
        """
        found = self.env.step(self.adapter.adapt_action(np.asarray(actions)))
        observation, reward, terminated, truncated, info = found
        ended, cut = terminated | truncated, truncated & ~terminated
        last = (observation, info)
        if "final_obs" in info:
            last = self._last(observation, info, ended)
            info["final_obs"] = np.full(self.num_envs, None)
        potential = np.where(terminated, 0.0, self._teacher.potential(*last))
        self.shaping[:] = self._gamma * potential - self._potential
        self._potential[:] = np.where(ended, 0.0, potential)
        if cut.any():
            memory = {name: array.copy() for name, array in self.adapter.state_arrays().items()}
            seen = self._observation(*last)
            for row in np.flatnonzero(cut):
                info["final_obs"][row] = {name: part[row].copy() for name, part in seen.items()}
            for name, array in self.adapter.state_arrays().items():
                array[...] = memory[name]
        self.adapter.reset_rows(ended)
        return self._observation(observation, info), reward, terminated, truncated, info

    def memory(self) -> dict[str, NDArray[Any]]:
        """The adapter's memory, and the potential before the next step."""
        return {**self.adapter.state_arrays(), "potential": self._potential}

    def _observation(self, observation: Any, info: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Observation of the network, then the privileged parts."""
        seen = self.adapter.adapt_observation(observation)
        seen[TARGET] = self._teacher.target(observation, info)
        if self._teacher.critic_size:
            seen[CRITIC] = self._teacher.critic_features(observation, info)
        return seen

    def _last(
        self, observation: Any, info: Mapping[str, Any], ended: NDArray[np.bool_]
    ) -> tuple[Any, dict[str, Any]]:
        """Observation and info before the autoreset, in rows that ended; in others the present."""
        space = self.env.single_observation_space
        rows = list(iterate(self.env.observation_space, observation))
        for row in np.flatnonzero(ended):
            rows[row] = info["final_obs"][row]
        last = concatenate(space, rows, create_empty_array(space, len(rows)))
        return last, _merged(info, info["final_info"], ended)


def _merged(
    info: Mapping[str, Any], final: Mapping[str, Any], ended: NDArray[np.bool_]
) -> dict[str, Any]:
    """Entries of an info, those of ended episodes in some rows."""
    merged: dict[str, Any] = {}
    for name, value in final.items():
        now = info.get(name)
        if isinstance(value, Mapping):
            merged[name] = _merged(now or {}, value, ended)
        elif isinstance(now, np.ndarray) and isinstance(value, np.ndarray):
            mask = ended.reshape(-1, *[1] * (value.ndim - 1))
            merged[name] = np.where(mask, value, now)
    return merged


def random_symmetry() -> Callable[[Tensor], Tensor]:
    """A random symmetry of the square, to augment data of specimens without a preferred direction.

    Returns:
        A function of planes (..., H, H); the same symmetry at every call.
    """
    turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
    return lambda planes: torch.rot90(planes.flip(-1) if mirrored else planes, turns, (-2, -1))
