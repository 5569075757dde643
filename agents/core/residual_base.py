"""What a task says of those who propose and of what may be corrected."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


class BasePolicy(Protocol):
    """An operator with a memory, of N microscopes."""

    def reset(self, num_envs: int, seeds: Sequence[int]) -> None:
        """Begin N episodes."""

    def begin(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and go on in the others."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> NDArray[Any]:
        """Propose actions, (N, components)."""
        ...

    def state_arrays(self) -> Mapping[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        ...


class ResidualSpec(Protocol):
    """Who proposes, what is seen of it, and what may be changed.

    Attributes:
        components: of an action.
        places: components that may be corrected.
        range: largest correction of each of them.
        width: numbers that are seen of one decision.
    """

    @property
    def operator(self) -> BasePolicy:
        """Who proposes."""
        ...

    components: int
    places: NDArray[np.int64]
    range: NDArray[np.float64]
    width: int

    def check(self, observation: Any) -> None:
        """See that an observation is what is reckoned with.

        Raises:
            ValueError: it is not.
        """

    def heed(self, changes: NDArray[np.float64]) -> None:
        """Let the operators take to heart what has been changed, (N, corrected components)."""

    def bound(self, action: NDArray[np.float64], told: Float32) -> None:
        """Change corrected actions in place to what is allowed at all.

        Args:
            action: (N, components).
            told: (N, width), what was seen of the decision.
        """

    def told(self, observation: Any, proposed: Float32) -> NDArray[Any]:
        """What is seen of one decision, (N, width), about -1 to 1."""
        ...
