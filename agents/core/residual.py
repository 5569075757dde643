"""Corrections to what an operator proposes.

A residual policy (Johannink et al., arXiv 1812.03201): the operator of `microgym.agents.references`
proposes, the network corrects, within bounds. To guess what is hidden it sees the last few
decisions, each with what was told, what the operator proposed, and what the operator has learnt.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.afm.residual import AFMResidualSpec
from microgym.agents.core.residual_base import ResidualSpec
from microgym.agents.stm.references import movers_of
from microgym.agents.stm.residual import STMResidualSpec, movers_within

__all__ = ["HISTORY", "ResidualController", "ResidualSpec", "proposals_for", "proposals_within"]

Float32 = NDArray[np.float32]

HISTORY = "history"
"""What a network sees: the last decisions."""


class ResidualController:
    """The operators of N microscopes, and the memory of those who correct them.

    Args:
        proposals: the operators.
        history: decisions that are remembered, the present one included.

    Attributes:
        proposals, history: as given.
        proposed: (N, components) float32, the present proposals.
    """

    def __init__(self, proposals: ResidualSpec, history: int) -> None:
        self.proposals = proposals
        self.history = history

    def reset(self, num_envs: int) -> None:
        """Begin N episodes."""
        self.proposals.operator.reset(num_envs, range(num_envs))
        self.proposed = np.zeros((num_envs, self.proposals.components), np.float32)
        self._memory = np.zeros((num_envs, self.history, self.proposals.width), np.float32)

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""
        self.proposals.operator.begin(rows)
        self._memory[rows] = 0.0

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        own = {"proposed": self.proposed, "memory": self._memory}
        return dict(self.proposals.operator.state_arrays()) | own

    def see(self, observation: Any) -> dict[str, NDArray[Any]]:
        """Let the operators propose, and remember.

        Args:
            observation: batched, of the environment.

        Returns:
            `HISTORY` (N, history * width) float32 in -1 to 1, the present decision last.

        Raises:
            ValueError: an observation of another shape than is reckoned with.
        """
        self.proposals.check(observation)
        self.proposed[:] = self.proposals.operator.act(observation, {})
        told = self.proposals.told(observation, self.proposed)
        self._memory[:, :-1] = self._memory[:, 1:].copy()
        self._memory[:, -1] = np.clip(told, -1.0, 1.0)
        return {HISTORY: self._memory.reshape(len(told), -1).copy()}

    def answer(self, choice: NDArray[Any]) -> Float32:
        """The present proposals, corrected; once a decision, since operators may take it to heart.

        Args:
            choice: (N, corrected components), -1 to 1, parts of the largest corrections.

        Returns:
            (N, components) actions.
        """
        changes = self.proposals.range * np.clip(choice, -1.0, 1.0)
        self.proposals.heed(changes)
        action = self.proposed.astype(np.float64)
        action[:, self.proposals.places] += changes
        self.proposals.bound(action, self._memory[:, -1])
        return np.clip(action, -1.0, 1.0).astype(np.float32)


_BY_ENVIRONMENT: Mapping[
    str, tuple[Callable[[Mapping[str, Any]], ResidualSpec], Callable[[int], ResidualSpec]]
] = {
    "AFM-v0": (lambda _: AFMResidualSpec(), lambda _: AFMResidualSpec()),
    "STM-v0": (
        lambda _: STMResidualSpec(1),
        lambda width: STMResidualSpec(movers_within(width)),
    ),
    "STMBuild-v0": (
        lambda arguments: STMResidualSpec(movers_of(arguments)),
        lambda width: STMResidualSpec(movers_within(width)),
    ),
}
"""Operators by environment: from its arguments, and from the numbers seen of a decision."""


def proposals_for(env_id: str, arguments: Mapping[str, Any]) -> ResidualSpec:
    """The operators of an environment.

    Args:
        env_id: such as "STM-v0".
        arguments: of the environment.

    Raises:
        ValueError: an environment whose operator cannot be corrected.
    """
    return _makers(env_id)[0](arguments)


def proposals_within(env_id: str, width: int) -> ResidualSpec:
    """The operators that a stored policy corrects.

    Args:
        env_id: such as "STM-v0".
        width: numbers it sees of a decision.

    Raises:
        ValueError: an environment whose operator cannot be corrected, or another width.
    """
    proposals = _makers(env_id)[1](width)
    if proposals.width != width:
        raise ValueError(f"{width} numbers a decision must be {proposals.width} in {env_id}")
    return proposals


def _makers(
    env_id: str,
) -> tuple[Callable[[Mapping[str, Any]], ResidualSpec], Callable[[int], ResidualSpec]]:
    if env_id not in _BY_ENVIRONMENT:
        known = sorted(_BY_ENVIRONMENT)
        raise ValueError(f"operators can be corrected in {known}, not in {env_id!r}")
    return _BY_ENVIRONMENT[env_id]
