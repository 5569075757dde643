"""What a trained network's choice is in the default environment.

Some networks are trained on another set of actions than the default, such as a grid.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgym.envs.ptycho.arguments import GRID, GRID_DWELLS_S

Float32 = NDArray[np.float32]


def as_default_action(
    env_id: str, choice: NDArray[Any], observation: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    """Actions of the default environment.

    Args:
        env_id: such as "Ptycho-v0".
        choice: (N, ...) actions in the space that the network was trained in.
        observation: what it chose them by.

    Returns:
        (N, ...) actions; those given where the spaces are the same.

    Raises:
        ValueError: the observation is not the default one.
    """
    if env_id not in _GRIDS:
        return choice
    edge, translate = _GRIDS[env_id]
    shape = observation["maps"].shape
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
