"""Environment and arguments of an evaluation."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from types import MappingProxyType
from typing import Any, cast

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv

from microgym.envs.core import registry
from microgym.envs.core.metrics import Metric


@dataclass(frozen=True)
class EnvironmentConfig:
    """Environment and its arguments, checked before any work.

    Attributes:
        env_id: such as "Ptycho-v0".
        split: "train", "validation" or "test".
        specimen: family of specimens; None for the environment's default.
        arguments: further arguments of the environment.
    """

    env_id: str
    split: str = "test"
    specimen: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = _defaults(self.env_id)
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
        return self.specimen or _defaults(self.env_id).get("specimen")

    def keywords(self) -> dict[str, Any]:
        """All arguments for `gymnasium.make` or `gymnasium.make_vec`."""
        known = _defaults(self.env_id)
        words = dict(self.arguments)
        if "split" in known:
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
        env = self.make(1)
        try:
            return cast("Any", env.unwrapped).outcomes
        finally:
            env.close()

    def make(
        self, num_envs: int, *, reveal: bool = False, render: bool = False
    ) -> VectorEnv[Any, Any, Any]:
        """Make a vector environment that does not reset by itself.

        Args:
            num_envs: number of environments.
            reveal: put the hidden state into `info["latent"]`, as an oracle needs.
            render: let `render()` return frames.

        Returns:
            The environment, in autoreset mode DISABLED.
        """
        words = self.keywords()
        if reveal:
            words["reveal"] = True
        if render:
            words["render_mode"] = "rgb_array"
        return gym.make_vec(self.env_id, num_envs, autoreset_mode=AutoresetMode.DISABLED, **words)


def suggestion(word: str, known: list[str]) -> str:
    """End of an error message about an unknown name.

    Args:
        word: the unknown name.
        known: all names.

    Returns:
        "; did you mean ...?" if there are close names, "; there are ..." otherwise.
    """
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(lower), cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(lower[name] for name in close)}?"
    return f"; there are {', '.join(sorted(known)) or 'none'}"


def environment_id(text: str) -> str:
    """Registered id of an environment.

    Args:
        text: "Ptycho-v0" or "microgym:Ptycho-v0".

    Returns:
        "Ptycho-v0".

    Raises:
        ValueError: no such environment; the message names close ones.
    """
    bare = text.removeprefix("microgym:")
    known = [entry.id for entry in registry.entries()]
    if bare not in known:
        raise ValueError(f"no environment {text!r}{suggestion(bare, known)}")
    return bare


@cache
def _defaults(env_id: str) -> Mapping[str, Any]:
    """Arguments of the environment's task and their defaults."""
    spec = gym.spec(env_id)
    creator: Any = load_env_creator(str(spec.vector_entry_point))
    kept = creator.task_class(1, **spec.kwargs).config
    found = {one.name: getattr(kept, one.name) for one in fields(kept)}
    return MappingProxyType(found | dict(spec.kwargs))
