"""Position of the beam on the specimen: thermal drift, backlash and jitter of the stage.

The specimen drifts under the beam (`microgym.physics.drift`) and follows commands with backlash and
jitter. Lengths are in object pixels, times in seconds.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.physics.drift import DriftState, check_sizes
from microgym.random import draw_normal
from microgym.state import Float64, Shape

CELL_S = 0.25
"""Length of a cell of the wandering clock, s. Design choice: far below every time constant."""

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class StageParameters:
    """Imperfections of a stage; the default is perfect.

    Attributes:
        drift_px_s: mean speed of linear drift, px/s; direction and speed are drawn per episode.
        settling_px: mean distance still to be settled at the start, px; drawn per episode.
        settling_time_s: time constant of settling, s.
        wander_px: stationary standard deviation of wandering along each axis, px.
        wander_time_s: correlation time of wandering, s.
        backlash_px: dead band of the drive along each axis, px.
        jitter_px: standard deviation of the position of one exposure along each axis, px.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is negative, a time is zero, or any is NaN or infinite.
    """

    drift_px_s: float = 0.0
    settling_px: float = 0.0
    settling_time_s: float = 60.0
    wander_px: float = 0.0
    wander_time_s: float = 30.0
    backlash_px: float = 0.0
    jitter_px: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        check_sizes(self)


STAGE_LEVELS: dict[str, StageParameters] = {
    "off": StageParameters(),
    "easy": StageParameters(0.005, 0.5, 60.0, 0.1, 30.0, 0.2, 0.05),
    "real": StageParameters(0.017, 1.5, 60.0, 0.3, 30.0, 0.5, 0.1),
    "hard": StageParameters(0.05, 4.0, 60.0, 1.0, 30.0, 1.5, 0.3),
}
"""The switch of the stage, for pixels of 10 nm and scans of one to two minutes.

All are design choices. The drift of "real" is 10 nm/min, the upper end of the 1 to 10 nm/min that
are commonly quoted for ambient scanning-probe microscopes (not verified here). The other sizes are
such that they matter within an episode, with a probe of 20 to 25 px; time constants are shorter
than the tens of minutes of a real instrument, so that they show at all. "easy" is a third of
"real", "hard" three times.
"""


class StageState(NamedTuple):
    """Stages of N microscopes along (y, x), lengths in px.

    Attributes:
        motion: drift of the specimen under the beam.
        play: (N, 2) float64, position of the driven side of the backlash, px.
    """

    motion: DriftState
    play: Annotated[Float64, Shape(2, unit="px")]


@kernel
def move_stage(y: float, x: float, backlash_px: float, play: Rows) -> None:
    """Drive one stage to a commanded position through its backlash (the play operator).

    The driven side stays put while the command is within half the dead band of it, and is dragged
    along beyond: after a long move it lags by half the band (Visintin, Differential Models of
    Hysteresis, 1994, III.2).

    Args:
        y: row of the commanded position, px.
        x: column of the commanded position, px.
        backlash_px: dead band, px.
        play: (2,) row of `StageState`, updated: the position without drift and jitter.
    """
    half = 0.5 * backlash_px
    play[0] = min(max(play[0], y - half), y + half)
    play[1] = min(max(play[1], x - half), x + half)


@kernel
def exposure_position(
    s0: int, s1: int, tick: int, jitter_px: float, play: Rows, drift: Rows, position: Rows
) -> None:
    """Write where the beam hits the specimen during one exposure.

    Args:
        s0: first word of the stream of the jitter, of the exogenous role.
        s1: second word.
        tick: number of the exposure.
        jitter_px: standard deviation along each axis, px.
        play: (2,) row of `StageState`.
        drift: (2,) row of `StageState`.
        position: (2,) float64, written (y, x), px.
    """
    for axis in range(2):
        position[axis] = play[axis] + drift[axis]
        if jitter_px > 0.0:
            position[axis] += jitter_px * draw_normal(s0, s1, tick, axis)
