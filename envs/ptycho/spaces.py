"""What agents of Ptycho-v0 see and do, as Gymnasium spaces."""

from typing import Any

import numpy as np
from gymnasium import spaces

from microgym.envs.ptycho.config import GRID, GRID_DWELLS_S, OBSERVATIONS
from microgym.envs.ptycho.observation import CHANNELS, NUMBERS


def observation_space(mode: str) -> spaces.Space[Any]:
    """Space of one microscope's observation.

    Args:
        mode: "compact", "full" or "features".

    Returns:
        A dict of "maps" (5, cells, cells) and "numbers" (7,), or for "features" a vector.
    """
    cells = OBSERVATIONS[mode]
    count = len(NUMBERS)
    if mode == "features":
        high = np.concatenate([np.ones(count), np.full(cells * cells, 2.0), np.ones(cells * cells)])
        low = np.concatenate([-np.ones(count), np.zeros(2 * cells * cells)])
        return spaces.Box(low.astype(np.float32), high.astype(np.float32))
    shape = (len(CHANNELS), cells, cells)
    return spaces.Dict(
        {
            "maps": spaces.Box(-1.0, 1.0, shape, np.float32),
            "numbers": spaces.Box(-1.0, 1.0, (count,), np.float32),
        }
    )


def action_space(mode: str) -> spaces.Space[Any]:
    """Space of one microscope's action.

    Args:
        mode: "continuous" or "grid".

    Returns:
        A box of (y, x, exposure), or the numbers of cells, once for every exposure time.
    """
    if mode == "grid":
        return spaces.Discrete(GRID * GRID * len(GRID_DWELLS_S))
    return spaces.Box(-1.0, 1.0, (3,), np.float32)
