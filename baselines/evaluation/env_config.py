"""Environment of an evaluation with its arguments, and its agents."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import TransformAction
from numpy.typing import NDArray

from microgym.agents.core import registry as agents
from microgym.agents.core.agent import Agent
from microgym.baselines.cli.console import one_thread
from microgym.envs.core import registry
from microgym.envs.core.declarations import Metric


@dataclass(frozen=True)
class EnvironmentConfig:
    """Environment and its arguments, checked before any work.

    Attributes:
        env_id: such as "Ptycho-v0".
        split: "train", "validation" or "test".
        specimen: family of specimens; None for the environment's default.
        arguments: further arguments of the environment.
        fixed_action: components of the action, and the values that replace those of every policy.
    """

    env_id: str
    split: str = "test"
    specimen: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fixed_action: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = vars(_task(self.env_id).config)
        if "split" in self.arguments or "specimen" in self.arguments:
            raise ValueError("split and specimen have options of their own: --split, --specimen")
        for name in self.arguments:
            if name not in known:
                raise ValueError(
                    f"{self.env_id} has no argument {name!r}{suggestion(name, [*known])}"
                )
        if self.specimen is not None and "specimen" not in known:
            raise ValueError(f"{self.env_id} has no choice of specimens")

    @property
    def specimen_name(self) -> str | None:
        """Family of specimens, by default the environment's; None if it has no families."""
        return self.specimen or vars(_task(self.env_id).config).get("specimen")

    def keywords(self) -> dict[str, Any]:
        """All arguments for `gymnasium.make` or `gymnasium.make_vec`."""
        words = dict(self.arguments)
        if "split" in vars(_task(self.env_id).config):
            words["split"] = self.split
        if self.specimen is not None:
            words["specimen"] = self.specimen
        return words

    def check(self) -> None:
        """Build the environment once to find bad arguments before long work.

        Raises:
            ValueError: an argument of a wrong type, or out of range.
            OSError: a file that cannot be read.
        """
        try:
            self.make(1).close()
        except TypeError as error:
            raise ValueError(str(error)) from error

    def outcomes(self) -> tuple[Metric, ...]:
        """Metrics that the environment shows beside the score."""
        return _task(self.env_id).outcomes

    def make(
        self, num_envs: int, *, reveal: bool = False, render: bool = False
    ) -> VectorEnv[Any, Any, Any]:
        """Make a vector environment that does not reset by itself.

        Args:
            num_envs: number of environments.
            reveal: put the hidden state into `info["latent"]`, as an oracle needs.
            render: let `render()` return frames.
        """
        words = self.keywords()
        if reveal:
            words["reveal"] = True
        if render:
            words["render_mode"] = "rgb_array"
        env = gym.make_vec(self.env_id, num_envs, autoreset_mode=AutoresetMode.DISABLED, **words)
        return TransformAction(env, self._fix) if self.fixed_action else env

    def _fix(self, action: NDArray[Any]) -> NDArray[Any]:
        fixed = action.copy()
        fixed[:, list(self.fixed_action)] = list(self.fixed_action.values())
        return fixed


def find_agent(setting: EnvironmentConfig, name: str) -> Agent:
    """Agent of an environment.

    Args:
        setting: the environment.
        name: of a reference policy, "trained" for the shipped agent, or the path of a policy.

    Raises:
        ValueError: no such agent; the message names those there are.
        OSError: a policy that cannot be read.
    """
    known = list(agents.agent_names(setting.env_id))
    if name not in known and not Path(name).exists():
        raise ValueError(f"no agent and no file {name!r}; {setting.env_id} has {', '.join(known)}")
    one_thread()
    return agents.make_agent(setting.env_id, name, setting.keywords())


def all_agents(setting: EnvironmentConfig) -> tuple[dict[str, list[Agent]], list[str]]:
    """All agents that the package has for an environment.

    Returns:
        Name to a list of one agent; and a note about each that is missing.
    """
    found: dict[str, list[Agent]] = {}
    notes: list[str] = []
    for name in agents.agent_names(setting.env_id):
        try:
            found[name] = [find_agent(setting, name)]
        except FileNotFoundError as error:
            notes.append(f"{name} is left out: {error}")
    return found, notes


def environment_id(text: str) -> str:
    """Registered id of an environment, from "Ptycho-v0" or "microgym:Ptycho-v0".

    Raises:
        ValueError: no such environment; the message names close ones.
    """
    bare = text.removeprefix("microgym:")
    known = [entry.id for entry in registry.entries()]
    if bare not in known:
        raise ValueError(f"no environment {text!r}{suggestion(bare, known)}")
    return bare


def suggestion(word: str, known: list[str]) -> str:
    """End of an error message about an unknown name: "; did you mean ...?" or "; there are ..."."""
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(lower), cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(lower[name] for name in close)}?"
    return f"; there are {', '.join(sorted(known)) or 'none'}"


@cache
def _task(env_id: str) -> Any:
    """Task of an environment with its default arguments."""
    return registry.find(env_id).load().task_class(1)
