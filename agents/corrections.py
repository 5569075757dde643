"""Corrections to an operator's drags: what a network gets to see of them, and what it may change.

A residual policy (Johannink et al., arXiv 1812.03201): the operator of `microgym.agents.references`
proposes, the network corrects. To guess what is hidden, the tip and the drift, it sees the last few
decisions, each with what was told, what the operator proposed, and what the operator has learnt.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.agents.references.stm import ExpertAgent, actions_of, numbers_of
from microgym.envs.stm.assembly import SHARED, SLOT

Float32 = NDArray[np.float32]

RANGE = (0.3, 0.3, 0.08, 0.08, 0.5, 1.0, 0.5, 0.5)
"""Largest correction of each component of the action (design choice): 0.12 nm of where a drag
begins, 0.16 nm of where it ends, any conductance, and whether to look."""

_LEARNT = 4  # numbers of what the operator has learnt


def width_of(movers: int) -> int:
    """Numbers that are seen of one decision."""
    components = actions_of("move" if movers == 1 else "build")
    return movers * len(SLOT) + len(SHARED) + components + _LEARNT


def movers_within(width: int) -> int:
    """Adatoms to be moved where so many numbers are seen of one decision.

    Raises:
        ValueError: there is no such number.
    """
    for movers in range(1, 6):
        if width_of(movers) == width:
            return movers
    raise ValueError(f"no number of adatoms gives {width} numbers a decision")


class Corrections:
    """The operators of N microscopes, and the memory of those who correct them.

    Args:
        movers: adatoms to be moved.
        history: decisions that are remembered, the present one included.

    Attributes:
        operator: who proposes.
        proposed: (N, components) float32, the present proposals.
    """

    def __init__(self, movers: int, history: int) -> None:
        self.operator = ExpertAgent(movers)
        self.history = history
        self.components = actions_of("move" if movers == 1 else "build")
        self.width = width_of(movers)
        self._range = np.array(RANGE[: self.components])

    def reset(self, num_envs: int) -> None:
        """Begin N episodes."""
        self.operator.reset(num_envs, range(num_envs))
        self.proposed = np.zeros((num_envs, self.components), np.float32)
        self._memory = np.zeros((num_envs, self.history, self.width), np.float32)

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""
        self.operator.begin(rows)
        self._memory[rows] = 0.0

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        operator = self.operator
        return {
            "press": operator.press,
            "correction": operator.correction,
            "behind": operator.behind,
            "proposed": self.proposed,
            "memory": self._memory,
        }

    def see(self, observation: Any) -> Float32:
        """Let the operators propose, and remember.

        Args:
            observation: batched, of the environment.

        Returns:
            (N, history * width) float32 in -1 to 1, the present decision last.

        Raises:
            ValueError: an observation of another goal.
        """
        seen = numbers_of(observation)
        if seen.shape[1] + self.components + _LEARNT != self.width:
            wanted = self.width - self.components - _LEARNT
            raise ValueError(f"observations of {seen.shape[1]} numbers must have {wanted}")
        self.proposed[:] = self.operator.act(observation, {})
        operator = self.operator
        learnt = [operator.correction / 0.3, operator.press[:, None], operator.behind[:, None] / 4]
        told = np.concatenate([seen, self.proposed, *learnt], axis=1)
        self._memory[:, :-1] = self._memory[:, 1:].copy()
        self._memory[:, -1] = np.clip(told, -1.0, 1.0)
        return self._memory.reshape(len(seen), -1).copy()

    def corrected(self, corrections: NDArray[Any]) -> Float32:
        """The present proposals, corrected: (N, components) actions from as many in -1 to 1."""
        changes = self._range * np.clip(corrections, -1.0, 1.0)
        return np.clip(self.proposed + changes, -1.0, 1.0).astype(np.float32)
