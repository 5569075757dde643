"""What agents of AFM-v0 see and do, as Gymnasium spaces."""

from typing import Any

import numpy as np
from gymnasium import spaces

from microgym.envs.afm.observation import CELLS, NUMBERS, RESTORED, SIGNALS


def observation_space(mode: str, restored: bool) -> spaces.Space[Any]:
    """Space of one microscope's observation.

    Args:
        mode: "signals", "image" or "features".
        restored: whether restored lines are shown.

    Returns:
        A dict of "signals" (5, 64) and "numbers" (17,), with "image" (64, 64) and "restored"
        (2, 64) besides; or the numbers alone.
    """
    numbers = spaces.Box(-1.0, 1.0, (len(NUMBERS),), np.float32)
    if mode == "features":
        return numbers
    parts: dict[str, spaces.Space[Any]] = {
        "signals": spaces.Box(-1.0, 1.0, (len(SIGNALS), CELLS), np.float32),
        "numbers": numbers,
    }
    if restored:
        parts["restored"] = spaces.Box(-1.0, 1.0, (len(RESTORED), CELLS), np.float32)
    if mode == "image":
        parts["image"] = spaces.Box(-1.0, 1.0, (CELLS, CELLS), np.float32)
    return spaces.Dict(parts)


def action_space(mode: str) -> spaces.Box:
    """Space of one microscope's action.

    Args:
        mode: "dials" or "feedback".

    Returns:
        A box of (setpoint, integral gain, proportional gain, line rate, event), or of (setpoint,
        integral gain, speed over the even pace).
    """
    return spaces.Box(-1.0, 1.0, (5 if mode == "dials" else 3,), np.float32)
