"""Evaluation of several agents on the same episodes: same specimens, drift, damage and noise."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from microgym.agents.core.agent import Agent
from microgym.baselines.cli.console import Progress, no_progress
from microgym.baselines.cli.train import Run
from microgym.baselines.evaluation.env_config import EnvironmentConfig, find_agent
from microgym.envs.core.declarations import Metric

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """Results of one agent, a value for each episode.

    Attributes:
        agent: its name.
        returns: [episodes] float64, sum of rewards.
        costs: [episodes] float64, sum of `info["cost"]`.
        lengths: [episodes] float64, number of steps.
        ledger: entry to [episodes], at the end of the episode, in its own unit.
        metrics: name to [episodes], at the end of the episode; scalar metrics only.
        cost_terms: term to [episodes], summed.
        asked: number of episodes asked for; an interrupted evaluation has fewer.
    """

    agent: str
    returns: Array
    costs: Array
    lengths: Array
    ledger: dict[str, Array]
    metrics: dict[str, Array]
    cost_terms: dict[str, Array]
    asked: int

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return self.returns.size

    def outcome(self, metric: Metric) -> Array:
        """Values of a metric shown beside the score, [episodes]."""
        return cast("dict[str, Array]", getattr(self, metric.group))[metric.name]

    @property
    def complete(self) -> bool:
        """Whether all episodes asked for were played."""
        return self.episodes >= self.asked


def run_episodes(
    env: Any, agent: Agent, seeds: Sequence[int], progress: Progress = no_progress
) -> Evaluation:
    """Play one episode in each environment of a vector environment.

    Args:
        env: as made by `EnvironmentConfig.make`, with as many environments as there are seeds.
        agent: the agent.
        seeds: of the episodes, and of the agent's own randomness in them.
        progress: called with the number of episodes that ended.
    """
    agent.reset(len(seeds), seeds)
    observation, info = env.reset(seed=list(seeds))
    running = np.ones(len(seeds), np.bool_)
    returns, costs, lengths = np.zeros((3, len(seeds)))
    cost_terms: dict[str, Array] = {}
    last: dict[str, dict[str, Array]] = {"ledger": {}, "metrics": {}}
    while running.any():
        action = agent.act(observation, {**info, "idle": ~running})
        observation, reward, terminated, truncated, info = env.step(action)
        ended = terminated | truncated
        returns += np.where(running, reward.reshape(len(seeds), -1).sum(-1), 0.0)
        costs += np.where(running, info.get("cost", 0.0), 0.0)
        lengths += running
        for name, value in _numbers(info.get("cost_terms", {})):
            cost_terms[name] = cost_terms.get(name, 0.0) + np.where(running, value, 0.0)
        finished = running & ended
        for group, columns in last.items():
            for name, value in _numbers(info.get(group, {})):
                columns[name] = np.where(finished, value, columns.get(name, np.nan))
        running &= ~ended
        if finished.any():
            progress(int(finished.sum()))
        if ended.any() and running.any():  # finished rows start new episodes, which do not count
            observation, fresh = env.reset(options={"reset_mask": ended})
            info = _merged(info, fresh, ended)
    return Evaluation(
        agent.name, returns, costs, lengths, **last, cost_terms=cost_terms, asked=len(seeds)
    )


def evaluate_all(
    setting: EnvironmentConfig,
    agents: Mapping[str, Agent],
    *,
    episodes: int,
    seed: int = 0,
    num_envs: int = 16,
    progress: Progress = no_progress,
    whole: bool = False,
) -> dict[str, Evaluation]:
    """Evaluate agents on the same episodes.

    Episode i has the seed `seed + i` for every agent: the same specimen, and the same drift and
    damage whatever the actions. The agents alternate batch by batch, so that an interruption
    (Ctrl-C) leaves episodes that all of them have played; these are returned if there are any.

    Args:
        setting: the environment.
        agents: names and agents.
        episodes: number for each agent, at least 1.
        seed: of the first episode, at least 0.
        num_envs: number of environments at a time; the result does not depend on it.
        progress: called with the number of episodes that ended, `episodes` times agents in all.
        whole: pass an interruption on, instead of returning fewer episodes.

    Returns:
        An evaluation for each name.

    Raises:
        ValueError: an argument out of range.
        KeyboardInterrupt: interrupted before every agent had played a batch, or with `whole`.
    """
    for name, value, least in (("episodes", episodes, 1), ("num_envs", num_envs, 1)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if seed < 0 or seed + episodes >= 1 << 63:
        raise ValueError(f"seed must be at least 0 and below 2**63, got {seed}")
    seeds = range(seed, seed + episodes)
    batches = [seeds[i : i + num_envs] for i in range(0, episodes, num_envs)]
    parts: dict[str, list[Evaluation]] = {name: [] for name in agents}
    try:
        for size, some in groupby(batches, len):
            _play(setting, agents, size, some, parts, progress)
    except KeyboardInterrupt:
        if whole or not all(parts.values()):
            raise
    common = min(map(len, parts.values()), default=0)
    return {name: _joined(found[:common], episodes) for name, found in parts.items()}


def run_returns(
    setting: EnvironmentConfig, runs: Sequence[Run], episodes: int, progress: Progress = no_progress
) -> Array:
    """Returns of the policies of training runs, [runs, episodes] float64.

    Arguments are as for `evaluate_all` with `whole`.
    """
    agents = {str(run.seed): find_agent(setting, str(run.path)) for run in runs}
    found = evaluate_all(setting, agents, episodes=episodes, progress=progress, whole=True)
    return np.stack([one.returns for one in found.values()])


def _play(
    setting: EnvironmentConfig,
    agents: Mapping[str, Agent],
    size: int,
    batches: Iterable[range],
    parts: Mapping[str, list[Evaluation]],
    progress: Progress,
) -> None:
    with ExitStack() as stack:
        envs: dict[bool, Any] = {}
        for reveal in sorted({agent.uses_privileged_info for agent in agents.values()}):
            envs[reveal] = setting.make(size, reveal=reveal)
            stack.callback(envs[reveal].close)
        for seeds in batches:
            for name, agent in agents.items():
                env = envs[agent.uses_privileged_info]
                parts[name].append(run_episodes(env, agent, seeds, progress))


def _joined(parts: Sequence[Evaluation], asked: int) -> Evaluation:
    """Episodes of all parts, one after the other."""

    def join(values: Sequence[Any]) -> Any:
        if isinstance(values[0], Mapping):
            return {key: join([one[key] for one in values]) for key in values[0]}
        return np.concatenate(values)

    names = ("returns", "costs", "lengths", "ledger", "metrics", "cost_terms")
    joined = {name: join([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], asked=asked, **joined)


def _numbers(group: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Entries of a group of `info` that have one number for each environment."""
    for name, value in group.items():
        if not name.startswith("_") and value.ndim == 1 and value.dtype != object:
            yield name, value.astype(np.float64)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], rows: NDArray[np.bool_]) -> Any:
    """Copy of `old` with some rows taken from `new`."""
    merged: dict[str, Any] = {}
    for name, value in old.items():
        if isinstance(value, Mapping):
            merged[name] = _merged(cast("Mapping[str, Any]", value), new[name], rows)
        else:
            merged[name] = value.copy()
            merged[name][rows] = new[name][rows]
    return merged
