"""Memory of agents and adapters over N episodes, declared as a named tuple of arrays."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.state import allocate, arrays, clear


class NoState(NamedTuple):
    """The state of a policy without a memory."""


class Memory:
    """Arrays that `State` declares (`microgym.state`), zero at the start of an episode.

    Attributes:
        State: declaration of the arrays.
        sizes: lengths of the axes that the declaration names.
        state: the arrays, with leading axis N; there are none before `allocate`.
    """

    State: ClassVar[type[Any]] = NoState
    sizes: Mapping[str, int] = {}
    state: Any

    def allocate(self, num_envs: int) -> None:
        """Begin N episodes."""
        self.state = allocate(self.State, num_envs, **self.sizes)
        self.reset_rows(np.ones(num_envs, np.bool_))

    def reset_rows(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in some rows, (N,) bool, and continue in the others."""
        clear(self.state, np.flatnonzero(rows))

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The live arrays that are the whole memory, by name."""
        return dict(arrays(self.state))
