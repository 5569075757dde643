"""Episodes that are begun once and played many times, and agents that go on from a snapshot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import BaseAgent
from microgym.baselines.audit.policies import ActionCodec
from microgym.baselines.evaluation.env_config import EnvironmentConfig
from microgym.baselines.evaluation.evaluate import run_episodes

Array = NDArray[np.float64]

_MOST_STEPS = 4096
"""Steps after which an episode without an end is cut."""


@dataclass(frozen=True)
class Played:
    """Episodes of open-loop sequences.

    Attributes:
        returns: [candidates, episodes].
        lengths: steps, likewise.
        metrics: by name, likewise, at the end.
    """

    returns: Array
    lengths: Array
    metrics: Mapping[str, Array]


class Episodes:
    """The same episodes for many open-loop sequences at once, with common random numbers.

    Args:
        setting: the environment.
        seeds: of the episodes.
        copies: sequences played side by side.
    """

    def __init__(self, setting: EnvironmentConfig, seeds: Sequence[int], copies: int) -> None:
        self.seeds, self.copies = len(seeds), copies
        first = begun(setting, seeds)
        self._env: Any = setting.make(len(seeds) * copies).unwrapped
        self._start = spread(first.snapshot(), self._env, copies)
        self.codec = ActionCodec(self._env.single_action_space)
        first.close()

    def play(self, numbers: Array) -> Played:
        """Play sequences.

        Args:
            numbers: [C, L, size], C up to `copies`; a sequence starts again after its end.
        """
        count, length, _ = numbers.shape
        env, task = self._env, self._env.task
        env.restore(self._start)
        total = self.seeds * self.copies
        which = np.tile(np.arange(self.copies), self.seeds)
        running = which < count
        which = np.minimum(which, count - 1)
        lengths, metrics = np.zeros(total), cast("dict[str, Array]", {})

        def act(step: int) -> Any:
            return self.codec.decode(numbers[which, step % length], task.action_masks())

        for step, rows in stepped(task, running, act):
            lengths[rows] += 1
            if (task.terminated | task.truncated)[rows].any() or step == _MOST_STEPS - 1:
                for name, value in task.metrics().items():
                    if value.ndim == 1:
                        column = metrics.setdefault(name, np.full(total, np.nan))
                        column[rows] = value[rows]
        shape = (self.seeds, self.copies)
        each = {n: v.reshape(shape).T[:count] for n, v in metrics.items()}
        found = (task.returns.reshape(shape).T[:count].copy(), lengths.reshape(shape).T[:count])
        return Played(*found, each)

    def close(self) -> None:
        """Close the environments."""
        self._env.close()


def begun(setting: EnvironmentConfig, seeds: Sequence[int], *, reveal: bool = False) -> Any:
    """A vector environment whose episodes have begun."""
    env: Any = setting.make(len(seeds), reveal=reveal).unwrapped
    env.reset(seed=[int(seed) for seed in seeds])
    return env


def stepped(
    task: Any, running: NDArray[np.bool_], act: Callable[[int], Any], most: int = _MOST_STEPS
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Step episodes until all have ended.

    Args:
        task: of the episodes.
        running: rows whose episodes have not ended; changed in place.
        act: gives the actions at each step, from the steps so far.
        most: steps.

    Yields:
        Steps before this one, and the rows that it moved.
    """
    for step in range(most):
        rows = np.flatnonzero(running)
        if not rows.size:
            return
        task.step(rows, act(step))
        yield step, rows
        running &= ~(task.terminated | task.truncated)


def play_sequence(setting: EnvironmentConfig, numbers: Array, seeds: Sequence[int]) -> Played:
    """Play one sequence [L, size], or several [C, L, size], in many episodes."""
    several = numbers if numbers.ndim == 3 else numbers[None]
    size = max(1, min(len(seeds), 512 // len(several)))
    parts: list[Played] = []
    for start in range(0, len(seeds), size):
        episodes = Episodes(setting, seeds[start : start + size], len(several))
        parts.append(episodes.play(several))
        episodes.close()
    joined = {n: np.concatenate([p.metrics[n] for p in parts], 1) for n in parts[0].metrics}
    returns, lengths = (np.concatenate([getattr(p, n) for p in parts], 1) for n in _PLAYED)
    return Played(returns, lengths, joined)


_PLAYED = ("returns", "lengths")


def spread(state: Mapping[str, NDArray[Any]], env: Any, copies: int) -> dict[str, NDArray[Any]]:
    """A snapshot of N episodes for an environment of N times `copies`, those of one side by side.

    Arrays that all episodes share, which have one shape in both, stay as they are.
    """
    rows = state["shell/started"].size
    shapes = {f"task/{name}": array.shape for name, array in env.task.arrays().items()}
    found: dict[str, NDArray[Any]] = {}
    for name, array in state.items():
        if copies == 1 or shapes.get(name) == array.shape:
            found[name] = array
            continue
        several = array.reshape(rows, len(array) // rows, *array.shape[1:]).repeat(copies, axis=0)
        found[name] = several.reshape(copies * len(array), *array.shape[1:])
    return found


def renewed(state: dict[str, NDArray[Any]], rng: np.random.Generator, same: int) -> None:
    """Give a snapshot new episode keys, so that all that is not yet drawn is drawn afresh.

    Specimens, drifts and tips that are already drawn are in other arrays and stay.

    Args:
        state: as from `spread`; changed in place.
        rng: of the keys.
        same: neighbouring episodes that share a key, hence their noise.
    """
    rows = state["shell/started"].size
    for name, array in state.items():
        if name.rpartition(".")[2] == "keys" and array.dtype == np.uint32:
            fresh = rng.integers(0, 1 << 32, (rows // same, array.size // rows), np.uint32)
            state[name] = fresh.repeat(same, axis=0).reshape(array.shape)


def hand_over(agent: BaseAgent, other: BaseAgent, copies: int) -> None:
    """Let an agent go on from the memory of another, which has one episode for `copies` of its."""
    agent.reset(other.num_envs * copies)
    mine = agent.state_arrays()
    for name, array in other.state_arrays().items():
        mine[name][...] = array.repeat(copies, axis=0)
    agent.steps = other.steps


def present(task: Any, running: NDArray[np.bool_]) -> tuple[Any, dict[str, Any]]:
    """Observation and info of a task's present state, as an agent receives them."""
    return task.observe(), {**task.info(), "idle": ~running}


class Recorder:
    """An agent whose observations, actions, rewards' terms and hidden state are recorded.

    Attributes:
        observations, actions, infos: those of each step.
    """

    def __init__(self, agent: Any, look: Callable[[Any, Any], None]) -> None:
        self._agent, self._look = agent, look
        self.name, self.uses_privileged_info = agent.name, agent.uses_privileged_info

    def reset(self, num_envs: int = 1, seeds: Sequence[int] | None = None) -> None:
        """Begin N episodes."""
        self._agent.reset(num_envs, seeds)

    def act(self, observation: Any, info: Mapping[str, Any] | None = None) -> Any:
        """Let the agent choose, and show what it saw and chose to a function."""
        actions = self._agent.act(observation, info)
        self._look(observation, {**(info or {}), "action": actions})
        return actions


def watch(
    setting: EnvironmentConfig, agent: Any, seeds: Sequence[int], look: Callable[[Any, Any], None]
) -> Array:
    """Play episodes and show every decision to a function.

    Args:
        setting: the environment.
        agent: the agent.
        seeds: of the episodes.
        look: of the observation, and of the info with the "action", and "idle" rows.

    Returns:
        The returns.
    """
    env = setting.make(len(seeds), reveal=agent.uses_privileged_info)
    found = run_episodes(env, Recorder(agent, look), seeds)
    env.close()
    return found.returns
