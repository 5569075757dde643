"""PettingZoo's parallel API for tasks with an agent axis."""

from collections.abc import Mapping
from typing import Any

from gymnasium import spaces
from gymnasium.utils import seeding
from pettingzoo import ParallelEnv

from microgym.envs.core.action_validation import ActionChecker
from microgym.envs.core.base_env import MicroscopeEnvBase, checked_options, single_info
from microgym.envs.core.channels import row_of, stacked

StepResult = tuple[
    dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
]
_ParallelEnv: Any = ParallelEnv


class MicroscopeParallelEnv(MicroscopeEnvBase, _ParallelEnv):
    """A task with an agent axis as a `pettingzoo.ParallelEnv`: a batch of one.

    The arrays of the task's observations and actions have the axes [N, agents, ...]; an agent sees
    and sends its own part. All agents act at once, and an episode ends for all of them at once.

    Args:
        render_mode: None or "rgb_array".
        **arguments: the task's own arguments.

    Attributes:
        possible_agents: names of all agents.
    """

    def __init__(self, render_mode: str | None = None, **arguments: Any) -> None:
        self._build(1, arguments, render_mode)
        task = self.task
        name = type(self).__name__.removesuffix("ParallelEnv")
        self.metadata = {**self.metadata, "name": name, "is_parallelizable": True}
        self.possible_agents = list(task.agents)
        self._spaces = {
            name: (part_of(task.single_observation_space), part_of(task.single_action_space))
            for name in self.possible_agents
        }
        self._check = ActionChecker(task.single_action_space, 1, single=True)
        self.np_random, _ = seeding.np_random()

    @property
    def agents(self) -> list[str]:
        """Agents of the running episode; none before the first reset and after the end."""
        running = self._started[0] and not self._done[0]
        return list(self.possible_agents) if running else []

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Space of an agent's observations; the same object at every call."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Space of an agent's actions; the same object at every call."""
        return self._spaces[agent][1]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin an episode; observations and infos by agent.

        Args:
            seed: of the episodes from now on; None goes on with the generator at hand.
            options: as of `MicroscopeEnv.reset`; the name "options", which PettingZoo's own tests
                pass, has no effect.
        """
        given = checked_options(options)
        given.pop("options", None)
        arguments = self._arguments_of(self._rows, given)
        if seed is not None:
            self.np_random, _ = seeding.np_random(seed)
        self._reset_rows(self._rows, arguments)
        return self._observations(), self._infos()

    def step(self, actions: Mapping[str, Any]) -> StepResult:
        """Carry out one action of every agent at once; all results are by agent.

        Raises:
            ResetNeeded: before the first reset, or after the end of an episode.
            TypeError, ValueError: a missing, unknown or impossible action; nothing has changed.
        """
        task, agents = self.task, self.possible_agents
        self._require_running()
        if set(actions) != set(agents):
            raise ValueError(f"actions must be of {agents}, got {sorted(actions)}")
        self._step_rows(self._rows, self._check(stacked([actions[one] for one in agents])))
        # The team's reward is that of each agent.
        rewards = dict.fromkeys(agents, float(task.reward[0]))
        terminated = dict.fromkeys(agents, bool(task.terminated[0]))
        truncated = dict.fromkeys(agents, bool(task.truncated[0]))
        return self._observations(), rewards, terminated, truncated, self._infos()

    def state(self) -> Any:
        """Observations of all agents stacked, as the centralised environment has them."""
        return row_of(self.task.observe(), 0)

    def _observations(self) -> dict[str, Any]:
        joint = self.state()
        return {name: row_of(joint, k) for k, name in enumerate(self.possible_agents)}

    def _infos(self) -> dict[str, dict[str, Any]]:
        """Infos by agent, the same but for the mask of its own choices."""
        infos = {name: single_info(self.task.info()) for name in self.possible_agents}
        for k, info in enumerate(infos.values()):
            if "action_mask" in info:
                info["action_mask"] = info["action_mask"][k]
        return infos


def part_of(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """Space of one agent, from that of all agents stacked along the first axis.

    Raises:
        TypeError: a space without an agent axis.
    """
    if isinstance(space, spaces.Dict):
        return spaces.Dict({name: part_of(part) for name, part in space.items()})
    if isinstance(space, spaces.Box):
        return spaces.Box(space.low[0], space.high[0], dtype=space.low.dtype.type)
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.Discrete(space.nvec[0])
    raise TypeError(f"{type(space).__name__} has no agent axis")
