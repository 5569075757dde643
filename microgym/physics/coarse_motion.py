"""Coarse moves: retraction of the tip, a walk of the stage, and a new approach.

A coarse move takes time, misses its target, warms the stage, so that it settles anew, and lets the
scanner's z axis creep when it is extended again. Settling and creep go on in the states of
`microgym.physics.drift` and `microgym.physics.piezo`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.physics.drift import disturb_settling
from microgym.physics.piezo import advance_creep
from microgym.random import draw_normal
from microgym.validation import check_sizes, positive

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class ApproachParameters:
    """Times and errors of coarse moves.

    Attributes:
        retract_s: time to withdraw the tip, s.
        approach_s: time to find the surface again, s.
        exchange_s: time to exchange the tip, s, between retracting and approaching.
        speed_nm_s: speed of the stage, nm/s.
        landing_nm: standard deviation of the end of a move along each axis, nm, however short.
        landing_part: the same as a fraction of the distance, added in square.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is negative, the speed is zero, or any is NaN or infinite.
    """

    retract_s: float
    approach_s: float
    exchange_s: float
    speed_nm_s: float
    landing_nm: float
    landing_part: float

    def __post_init__(self) -> None:
        """Check every number."""
        positive("speed_nm_s", self.speed_nm_s)
        check_sizes(self)


AMBIENT_APPROACH = ApproachParameters(2.0, 30.0, 600.0, 2e4, 50.0, 0.02)
"""A microscope in air: ten minutes for another tip (Kalinin et al., Mach. Learn.: Sci. Technol. 4,
023001, 2023, 2.2); the rest are design choices."""

COLD_APPROACH = ApproachParameters(5.0, 120.0, 86400.0, 5e2, 20.0, 0.05)
"""A microscope in vacuum at the temperature of liquid helium: days for another tip (the same
source), here one; the rest are design choices."""


@kernel
def coarse_duration(
    distance_nm: float, retract_s: float, approach_s: float, speed_nm_s: float
) -> float:
    """Time of a coarse move with its retraction and approach, s."""
    return retract_s + distance_nm / speed_nm_s + approach_s


@kernel
def land(
    s0: int,
    s1: int,
    move: int,
    dy: float,
    dx: float,
    landing_nm: float,
    landing_part: float,
    landed: Rows,
) -> None:
    """Draw the end of a coarse move.

    Args:
        s0: first word of the stream of the stage, of the exogenous role; draws of tick `move`.
        s1: second word.
        move: number of the move in this episode.
        dy: commanded distance along the rows, nm.
        dx: along the columns, nm.
        landing_nm: see `ApproachParameters`.
        landing_part: see `ApproachParameters`.
        landed: (2,) float64, written: true distance (y, x), nm.
    """
    error = np.sqrt(landing_nm * landing_nm + landing_part * landing_part * (dy * dy + dx * dx))
    landed[0] = dy + error * draw_normal(s0, s1, move, np.int64(0))
    landed[1] = dx + error * draw_normal(s0, s1, move, np.int64(1))


@kernel
def engage(
    s0: int,
    s1: int,
    move: int,
    away_s: float,
    settling_nm: float,
    retracted: float,
    settling: Rows,
    creep: Rows,
) -> None:
    """Disturb settling and the creep of the z axis by a retraction and an approach.

    The z scanner jumps to its retracted command and creeps towards it meanwhile; after the approach
    it creeps back. The caller advances the drift of the time away before (`advance_drift`).

    Args:
        s0: first word of the stream of the drift, as for `start_drift`.
        s1: second word.
        move: number of the disturbance in this episode, from 1 to 500.
        away_s: time with the tip withdrawn, s.
        settling_nm: mean distance to be settled, nm; 0 where the stage stood still.
        retracted: command of the z scanner meanwhile, nm.
        settling: (A,) row of `DriftState`, updated.
        creep: (DECADES,) row of `PiezoState` for z, updated.
    """
    disturb_settling(s0, s1, move, settling_nm, settling)
    advance_creep(away_s, retracted, retracted, creep)
