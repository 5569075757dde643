"""What every decider is: observations of N environments in, actions for N environments out."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class Agent(Protocol):
    """A policy over a batch of environments.

    Attributes:
        name: as the command line knows it.
        needs_truth: the environments must be made with `reveal=True`.
    """

    name: str
    needs_truth: bool

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes.

        Args:
            num_envs: N.
            seeds: one number an episode, for policies that draw; an episode's actions may depend on
                its own seed only.
        """
        ...

    def act(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """Decide.

        Args:
            observation: batched observation, as a vector environment gives it.
            info: batched info of the same moment. Where "idle" is in it, bool [N], what is decided
                for those rows does not count: an agent that takes its time need not think.

        Returns:
            [N, ...] actions in the environment's action space.
        """
        ...
