"""Policies without a model of the task: fresh Gaussian, and actions from plain numbers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SCORED = 32
"""Most alternatives of a choice that have a score each; more are numbered along a line."""


class ActionCodec:
    """Actions from numbers in about -1 to 1.

    A continuous component is one number on the scale of its bounds. A choice of n is n scores, of
    which the largest counts, or one number if n is large.

    Args:
        space: of one environment's actions.

    Attributes:
        size: numbers of an action.
        discrete: there is nothing but choices.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self._space = space
        self.discrete = isinstance(space, spaces.Discrete | spaces.MultiDiscrete)
        self._parts: dict[str, ActionCodec] = {}
        if isinstance(space, spaces.Dict):
            self._parts = {name: ActionCodec(part) for name, part in space.items()}
            self.size = sum(part.size for part in self._parts.values())
        elif isinstance(space, spaces.Discrete):
            self.size = int(space.n) if space.n <= _SCORED else 1
        else:
            self.size = int(np.prod(space.shape or ()))

    def decode(self, numbers: Array, masks: NDArray[Any] | None = None) -> Any:
        """Actions [N, ...] from numbers [N, size]; masks bool [N, n] of a choice."""
        space, count = self._space, len(numbers)
        if isinstance(space, spaces.Dict):
            parts, start = {}, 0
            for name, part in self._parts.items():
                parts[name] = part.decode(numbers[:, start : start + part.size])
                start += part.size
            return parts
        if isinstance(space, spaces.Discrete):
            n, allowed = int(space.n), np.ones((count, int(space.n)), np.bool_)
            allowed = allowed if masks is None else masks.astype(np.bool_)
            if self.size > 1:
                scores = numbers
            else:
                place = np.clip((numbers + 1) * n / 2, 0, n - 1).astype(np.int64)
                scores = -np.abs(np.arange(n) - place).astype(np.float64)
            return np.where(allowed, scores, -np.inf).argmax(axis=1) + int(space.start)
        unit = (np.clip(numbers, -1.0, 1.0) + 1.0) / 2.0
        if isinstance(space, spaces.MultiDiscrete):
            return np.minimum((unit * space.nvec).astype(np.int64), space.nvec - 1) + space.start
        assert isinstance(space, spaces.Box)
        unit = unit.reshape(count, *space.shape)
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        return (low + unit * (high - low)).astype(space.dtype)

    def encode(self, actions: Any) -> Array:
        """Numbers [N, size] of actions [N, ...]."""
        space = self._space
        if isinstance(space, spaces.Dict):
            return np.concatenate([p.encode(actions[n]) for n, p in self._parts.items()], axis=1)
        if isinstance(space, spaces.Discrete):
            index = np.asarray(actions) - int(space.start)
            if self.size > 1:
                return 2.0 * np.eye(self.size)[index] - 1.0
            return ((index + 0.5) * 2.0 / int(space.n) - 1.0)[:, None]
        if isinstance(space, spaces.MultiDiscrete):
            return (np.asarray(actions) - space.start + 0.5) * 2.0 / space.nvec - 1.0
        assert isinstance(space, spaces.Box)
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        unit = (np.asarray(actions, np.float64) - low) / (high - low)
        return 2.0 * unit.reshape(len(unit), -1) - 1.0

    def extremes(self, rng: np.random.Generator, corners: int) -> Array:
        """Numbers of actions that hold each component, or all, at its ends: [actions, size]."""
        each = np.eye(self.size)
        drawn = rng.choice([-1.0, 1.0], (corners, self.size))
        ends = [np.ones((1, self.size)), -np.ones((1, self.size)), drawn]
        return np.concatenate([each, -each, *ends])


class GaussianAgent:
    """Policy of a network before training: mean 0, deviation 1, clipped; uniform over choices."""

    name = "gaussian"
    uses_privileged_info = False

    def __init__(self, space: spaces.Space[Any]) -> None:
        self._codec, self._space = ActionCodec(space), space
        self._draws: list[np.random.Generator] = []

    @classmethod
    def for_env(cls, env_id: str, env_kwargs: Mapping[str, Any]) -> Self:
        """The agent of an environment, which is made once for its spaces."""
        env = gym.make_vec(env_id, 1, **env_kwargs)
        env.close()
        return cls(env.single_action_space)

    def reset(self, num_envs: int = 1, seeds: Sequence[int] | None = None) -> None:
        """Begin N episodes, each with draws of its own."""
        chosen = range(num_envs) if seeds is None else seeds
        self._draws = [np.random.default_rng([int(seed), 1729]) for seed in chosen]

    def act(self, observation: Any, info: Mapping[str, Any] | None = None) -> Any:
        """Draw actions."""
        del observation
        masks = (info or {}).get("action_mask")
        numbers = np.stack([one.normal(size=self._codec.size) for one in self._draws])
        if isinstance(self._space, spaces.Discrete) and self._codec.size == 1:
            numbers = 2.0 * np.stack([one.random(1) for one in self._draws]) - 1.0
        return self._codec.decode(numbers, masks)


def waves(numbers: Array, size: int, length: int) -> Array:
    """Open-loop sequences that vary smoothly.

    Each component is an offset, a wave whose frequency all components share, so that two of them
    can make a ring or a raster, and a wave of its own.

    Args:
        numbers: [N, wave_numbers(size)].
        size: numbers of an action.
        length: L.

    Returns:
        [N, L, size].
    """
    parts = iter(_split(numbers, [size] * 6 + [1]))
    offset, sine, cosine, height, own, phase, shared = (next(parts)[:, None] for _ in range(7))
    time = np.arange(length)[None, :, None]
    turn, own_turn = (np.pi * np.clip(np.abs(f) * 0.3, 0.0, 1.0) * time for f in (shared, own))
    ring = sine * np.sin(turn) + cosine * np.cos(turn)
    return offset + ring + height * np.sin(own_turn + np.pi * phase)


def wave_numbers(size: int) -> int:
    """Numbers of a sequence of `waves`."""
    return 6 * size + 1


def _split(numbers: Array, sizes: Sequence[int]) -> Iterator[Array]:
    start = 0
    for size in sizes:
        yield numbers[:, start : start + size]
        start += size
