"""Agents: policies over N environments, from observations and infos to actions."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array
from numpy.typing import NDArray

from microgym.envs.core.channels import row_of
from microgym.envs.core.config import Config as EnvConfig
from microgym.state import NoState, allocate, arrays, clear

_TRUTH = ("metrics", "latent")
"""Entries of an info that agents without privileges are not shown."""


class Agent(Protocol):
    """A policy over a batch of environments.

    Attributes:
        name: name on the command line.
        uses_privileged_info: the environments must be made with `reveal=True`.
    """

    name: str
    uses_privileged_info: bool

    def reset(self, num_envs: int = 1, seeds: Sequence[int] | None = None) -> None:
        """Begin N episodes.

        Args:
            num_envs: N.
            seeds: one number an episode, for policies that draw; None for 0 to N - 1. An episode's
                actions depend on its own seed only.
        """

    def act(self, observation: Any, info: Mapping[str, Any] | None = None) -> Any:
        """Choose actions.

        Args:
            observation: observation of a vector environment, or of a single one.
            info: info of the same step. Where "idle" is in it, bool (N,), the actions of those rows
                are not used, and an expensive policy may skip them.

        Returns:
            (N, ...) actions in the environment's action space; without the leading axis for a
            single observation.
        """


class Memory:
    """Arrays over N episodes that `State` declares (`microgym.state`), zero when one begins.

    Attributes:
        State: declaration of the arrays.
        sizes: lengths of the axes that the declaration names.
        state: the arrays, with leading axis N; there are none before `allocate`.
    """

    State: ClassVar[type[Any]] = NoState
    sizes: Mapping[str, int] = {}
    state: Any

    def allocate(self, num_envs: int) -> None:
        """Begin N episodes."""
        self.state = allocate(self.State, num_envs, **self.sizes)
        self.reset_rows(np.ones(num_envs, np.bool_))

    def reset_rows(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and continue in the others."""
        clear(self.state, np.flatnonzero(rows))

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        return dict(arrays(self.state))


class BaseAgent(Memory, ABC):
    """An `Agent` that checks observations and adds the batch axis to single ones.

    Subclasses implement `_act` for batches, and declare `State` if they have a memory.

    Args:
        config: a `Config`; None for its default, which is the best one found.

    Attributes:
        Config: dataclass of the configuration.
        config: as given.
        observation_shapes: shape in one environment of each part of the observation that is read.
            An agent that reads one part takes it as a plain array, too. Without any, observations
            are not read, and one whose parts all begin with an axis of length N is a batch.
        num_envs: N of the last reset; 0 before.
        steps: decisions since the last reset.
    """

    name: str
    Config: ClassVar[type[Any]] = type(None)
    uses_privileged_info: bool = False
    observation_shapes: Mapping[str, tuple[int, ...]] = {}
    num_envs: int = 0
    steps: int = 0

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """An agent for an environment's arguments, if `Config` is of those; else the default."""
        if issubclass(cls.Config, EnvConfig):
            return cls(cls.Config.parse(env_kwargs, env_id))
        return cls()

    def reset(self, num_envs: int = 1, seeds: Sequence[int] | None = None) -> None:
        """Begin N episodes; see `Agent.reset`.

        Raises:
            ValueError: fewer than one environment, or another number of seeds.
        """
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        chosen = range(num_envs) if seeds is None else seeds
        if len(chosen) != num_envs:
            raise ValueError(f"seeds must have {num_envs} elements, got {len(chosen)}")
        self.num_envs, self.steps = num_envs, 0
        self._reset(chosen)

    def act(self, observation: Any, info: Mapping[str, Any] | None = None) -> Any:
        """Choose actions for a batch, or for a single environment; see `Agent.act`.

        Raises:
            RuntimeError: `reset` was not called.
            ValueError: an observation of another shape, dtype or number of environments; a part of
                it, or an entry of the info, is missing.
        """
        if not self.num_envs:
            raise RuntimeError(f"call reset(num_envs) before {self.name!r} acts")
        parts, single = self._checked(observation)
        told = _batched(info or {}) if single else (info or {})
        if self.uses_privileged_info and "latent" not in told:
            raise ValueError(f"{self.name!r} reads info['latent']: make the env with reveal=True")
        if not self.uses_privileged_info:
            told = {name: one for name, one in told.items() if name not in _TRUTH}
        actions = self._act(parts, told)
        self.steps += 1
        return row_of(actions, 0) if single else actions

    def _reset(self, seeds: Sequence[int]) -> None:
        """Begin `num_envs` episodes."""
        self.allocate(self.num_envs)

    @abstractmethod
    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        """Actions (N, ...) for the parts in `observation_shapes`, each (N, *shape)."""

    def _checked(self, observation: Any) -> tuple[dict[str, NDArray[Any]], bool]:
        """Parts that are read, with the batch axis, and whether there was none."""
        shapes, count = self.observation_shapes, self.num_envs
        if not shapes:
            return {}, self._is_single(observation)
        if not isinstance(observation, Mapping):
            if len(shapes) > 1:
                raise ValueError(f"observation must be a mapping with {sorted(shapes)}")
            observation = {next(iter(shapes)): observation}
        parts: dict[str, NDArray[Any]] = {}
        singles: set[bool] = set()
        for name, shape in shapes.items():
            if name not in observation:
                raise ValueError(f"observation lacks {name!r}; it has {sorted(observation)}")
            part = np.asarray(observation[name])
            if part.dtype.kind not in "biuf":
                raise ValueError(f"observation {name!r} must be numeric, got dtype {part.dtype}")
            if shape not in (part.shape, part.shape[1:]):
                wanted = f"{shape} or {(count, *shape)}"
                raise ValueError(f"observation {name!r} must have shape {wanted}, got {part.shape}")
            singles.add(part.shape == shape)
            parts[name] = part.reshape(-1, *shape)
            if (given := len(parts[name])) != count:
                raise ValueError(f"{given} environments in {name!r}, but reset was for {count}")
        if len(singles) > 1:
            raise ValueError("some parts of the observation have a batch axis, others have not")
        return parts, singles.pop()

    def _is_single(self, observation: Any) -> bool:
        """Whether an observation that is not read comes from a single environment.

        Raises:
            ValueError: neither that nor a batch of N.
        """
        parts = observation.values() if isinstance(observation, Mapping) else [observation]
        sizes = {np.shape(part)[:1] for part in parts if part is not None}
        if sizes <= {(self.num_envs,)}:
            return False
        if self.num_envs > 1:
            raise ValueError(f"observation must be a batch of {self.num_envs} environments")
        return True


class IdleAgent(BaseAgent):
    """The action of zeros; the first allowed one of a masked task.

    Args:
        observation_space, action_space: those of one environment.
    """

    name = "idle"

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        whole = spaces.Dict({"observation": observation_space})
        named = observation_space if isinstance(observation_space, spaces.Dict) else whole
        self.observation_shapes = {name: one.shape or () for name, one in named.items()}
        self._space = action_space

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The agent of an environment, which is made once for its spaces."""
        env = gym.make_vec(env_id, 1, **env_kwargs)
        env.close()
        return cls(env.single_observation_space, env.single_action_space)

    def _act(self, observation: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> Any:
        if "action_mask" in info and isinstance(self._space, spaces.Discrete):
            return np.asarray(info["action_mask"]).argmax(axis=1)
        return create_empty_array(self._space, n=self.num_envs, fn=np.zeros)


def _batched(info: Mapping[str, Any]) -> dict[str, Any]:
    """A single environment's info with a leading axis of length 1."""
    return {
        name: _batched(value) if isinstance(value, Mapping) else np.asarray(value)[None]
        for name, value in info.items()
    }
