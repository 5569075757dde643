"""What agents of PFM-v0 see and do, as Gymnasium spaces."""

from typing import Any

import numpy as np
from gymnasium import spaces

from microgym.envs.pfm.config import GRID, GRID_VOLTS, OBSERVATIONS
from microgym.envs.pfm.observation import CHANNELS, NUMBERS


def observation_space(mode: str) -> spaces.Space[Any]:
    """Space of one microscope's observation.

    Args:
        mode: "compact", "full" or "features".

    Returns:
        A dict of "maps" (5, cells, cells) and "numbers" (10,), or for "features" a vector.
    """
    cells = OBSERVATIONS[mode]
    count = len(NUMBERS)
    if mode == "features":
        return spaces.Box(-1.0, 1.0, (count + 3 * cells * cells,), np.float32)
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
        A box of (y, x, bias, pulse, read), or the numbers of cells, once for every bias, without
        and with reading.
    """
    if mode == "grid":
        return spaces.Discrete(GRID * GRID * len(GRID_VOLTS) * 2)
    return spaces.Box(-1.0, 1.0, (5,), np.float32)
