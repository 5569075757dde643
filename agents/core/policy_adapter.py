"""What a trained network sees of the default environment, and what its choices are in it.

Some networks are trained on another set of actions than the default, such as a grid.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S

Float32 = NDArray[np.float32]


class PolicyAdapter(Protocol):
    """What stands between N environments and a network that decides in them."""

    def reset(self, num_envs: int) -> None:
        """Begin N episodes."""

    def see(self, observation: Any) -> dict[str, NDArray[Any]]:
        """What the network sees of a batched observation, once a decision.

        Raises:
            ValueError: an observation of another shape than is reckoned with.
        """
        ...

    def answer(self, choice: NDArray[Any]) -> NDArray[Any]:
        """Actions of the default environment for what the network chose, (N, ...)."""
        ...


class IdentityAdapter:
    """Shows a network the observation itself.

    Args:
        env_id: the environment.
        reads: names of the parts that the network looks at.
    """

    def __init__(self, env_id: str, reads: Sequence[str]) -> None:
        self._env_id, self._reads = env_id, reads

    def reset(self, num_envs: int) -> None:
        """Begin N episodes; nothing is remembered."""

    def see(self, observation: Any) -> dict[str, NDArray[Any]]:
        """The parts that the network looks at."""
        self._seen = {name: observation[name] for name in self._reads}
        return self._seen

    def answer(self, choice: NDArray[Any]) -> NDArray[Any]:
        """The same actions, or those that cells of a grid stand for.

        Raises:
            ValueError: the observation was not the default one.
        """
        if self._env_id not in _GRIDS:
            return choice
        edge, translate = _GRIDS[self._env_id]
        shape = self._seen["maps"].shape
        if shape[2:] != (2 * edge, 2 * edge):
            wanted = f"(N, maps, {2 * edge}, {2 * edge})"
            raise ValueError(f'maps of shape {shape} must be {wanted}: observation="compact"')
        return translate(choice)


def _exposures(choice: NDArray[Any]) -> Float32:
    """Cells and exposure times of Ptycho-v0, as (y, x, log10 of seconds)."""
    cell, level = choice % (GRID * GRID), choice // (GRID * GRID)
    action = np.empty((choice.size, 3), np.float32)
    action[:, 0] = 2.0 * (cell // GRID + 0.5) / GRID - 1.0
    action[:, 1] = 2.0 * (cell % GRID + 0.5) / GRID - 1.0
    action[:, 2] = [math.log10(GRID_DWELLS_S[k]) for k in level]
    return action


_GRIDS: Mapping[str, tuple[int, Callable[[NDArray[Any]], Float32]]] = {
    "Ptycho-v0": (GRID, _exposures),
}
"""Edge of the grid, and what its choices are, by environment."""
