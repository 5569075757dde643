"""Drift of a microscope against its specimen, and position errors of its stage.

Drift is linear, settling and wandering at once. Wandering is an Ornstein-Uhlenbeck process whose
draws belong to a clock of fixed cells, not to the agent's steps: the same seed gives the same path
as a function of time, however time is sliced. The stage follows commands with backlash and jitter.

Lengths are in one unit, which `DriftParameters.length_unit` names; times are in s.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exponential, sincos64
from microgym.random import EXOGENOUS, draw_normal, row_stream, uniform
from microgym.state import MOST, Float64, Shape, gather
from microgym.validation import Checked, NonNegative, PositiveDuration, choice

REMEMBERED = 40.0
"""Correlation times of the wandering that a long wait follows; older numbers are below 1e-17."""

LENGTH_UNITS = ("nm", "px", "cells")
"""Units of length: nm, pixels of the specimen array, or cells of a ferroelectric film."""


_AGAIN = 1 << 10


class DriftRates(NamedTuple):
    """Parameters of the drift as kernels take them, the same in all of an episode.

    Attributes:
        speed, settling, settling_time_s, wander, wander_time_s, cell_time_s: of `DriftParameters`.
    """

    speed: float
    settling: float
    settling_time_s: float
    wander: float
    wander_time_s: float
    cell_time_s: float


@dataclass(frozen=True)
class DriftParameters(Checked):
    """Drift of a microscope and errors of its stage; the default is none.

    Attributes:
        speed: mean speed of linear drift, length/s; direction and speed are drawn per episode.
        settling: mean distance to be settled at the start and after a coarse move, length; drawn
            each time.
        settling_time_s: time constant of settling, s.
        wander: stationary standard deviation of wandering along each axis, length.
        wander_time_s: correlation time of wandering, s.
        cell_time_s: length of a cell of the wandering clock, s; see `advance_drift`.
        backlash: dead band of the drive along each axis, length.
        jitter: standard deviation of the position of one exposure along each axis, length.
        length_unit: unit of the lengths, one of `LENGTH_UNITS`.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is negative, a time is zero, any is NaN or infinite, or the unit is
            unknown.
    """

    speed: NonNegative = 0.0
    settling: NonNegative = 0.0
    settling_time_s: PositiveDuration = 600.0
    wander: NonNegative = 0.0
    wander_time_s: PositiveDuration = 120.0
    cell_time_s: PositiveDuration = 1.0
    backlash: NonNegative = 0.0
    jitter: NonNegative = 0.0
    length_unit: str = "nm"

    def __post_init__(self) -> None:
        """Check every field."""
        super().__post_init__()
        choice("length_unit", self.length_unit, LENGTH_UNITS)

    @property
    def rates(self) -> DriftRates:
        """Parameters of the kernels."""
        return gather(DriftRates, self)


AMBIENT_DRIFT: dict[str, DriftParameters] = {
    "off": DriftParameters(),
    "easy": DriftParameters(0.017, 30.0, 600.0, 0.17),
    "real": DriftParameters(0.05, 90.0, 600.0, 0.5),
    "hard": DriftParameters(0.15, 270.0, 600.0, 1.5),
}
"""Levels of drift of microscopes in air.

"real" drifts 3 nm/min, within the 1 to 10 nm/min that are commonly quoted (not verified here), and
settles three times as fast at first, with a time constant of 10 minutes, the shortest of the 10 to
30 that are usual; wandering of 0.5 nm over 120 s. These are design choices. "easy" is a third of
"real", "hard" three times.
"""


class DriftState(NamedTuple):
    """Drift of N microscopes along A axes, (y, x) or (y, x, z), in the caller's unit of length.

    Attributes:
        velocity: (N, A) float64, linear drift, length/s.
        settling: (N, A) float64, distance still to be settled, length.
        moved: (N, A) float64, linear drift and settling so far, length.
        wander: (N, 2, A) float64, wandering in units of its standard deviation at the two borders
            of the present cell: [environment, border, axis].
        clock: (N, 2) float64, time since the start in s, and index of the present cell of the
            wandering clock (-1: not begun).
        drift: (N, A) float64, total drift at present, length: `moved` plus wandering.
    """

    velocity: Annotated[Float64, Shape("drift_axes", unit="length/s")]
    settling: Annotated[Float64, Shape("drift_axes", unit="length")]
    moved: Annotated[Float64, Shape("drift_axes", unit="length")]
    wander: Annotated[Float64, Shape(2, "drift_axes")]
    clock: Annotated[Float64, Shape(2, unit="s, cells", low=-1.0, high=MOST)]
    drift: Annotated[Float64, Shape("drift_axes", unit="length")]


@kernel
def _add_vector(s0, s1, index, mean, out):
    """Add a vector of any direction and of a half to one and a half times the mean length.

    A third axis gets a number of that size and of either sign, drawn apart.
    """
    sine, cosine = sincos64(2.0 * np.pi * uniform(s0, s1, 0, index))
    size = mean * (0.5 + uniform(s0, s1, 0, index + 1))
    out[0] += size * sine
    out[1] += size * cosine
    if out.size > 2:
        upright = 2.0 * uniform(s0, s1, 0, index + _AGAIN) - 1.0
        out[2] += mean * (upright + 0.5 if upright >= 0.0 else upright - 0.5)


@kernel
def start_drift(b, s0, s1, rates, state):
    """Begin an episode: draw the drift of one microscope.

    Directions are uniform, speed and settling distance uniform between a half and one and a half of
    their means (design choice). Wandering starts from zero: all was aligned at the start.

    Args:
        b: row of the microscope.
        s0, s1: words of the stream of the drift, of the exogenous role; draws of tick 0.
        rates: parameters.
        state: row b is written.
    """
    # Not a literal, for each of which Numba would compile the draw anew.
    first = np.int64(0)
    for axis in range(state.velocity.shape[1]):
        state.velocity[b, axis], state.settling[b, axis] = 0.0, 0.0
        state.moved[b, axis], state.drift[b, axis] = 0.0, 0.0
        state.wander[b, 0, axis], state.wander[b, 1, axis] = 0.0, 0.0
    _add_vector(s0, s1, first, rates.speed, state.velocity[b])
    _add_vector(s0, s1, first + 2, rates.settling, state.settling[b])
    state.clock[b, 0], state.clock[b, 1] = 0.0, -1.0


@kernel
def advance_drift(b, s0, s1, duration_s, rates, state):
    """Advance the drift of one microscope.

    Wandering is exact at the borders of the cells of its clock and linear between them, which takes
    at most cell_time_s / (2 wander_time_s) of its variance off (Uhlenbeck and Ornstein, Phys. Rev.
    36, 823, 1930, for the exact update).

    Args:
        b: row of the microscope.
        s0, s1: words of the stream of the drift; draws of ticks 1, 2, ..., one a cell.
        duration_s: duration, s, at least 0.
        rates: parameters.
        state: row b is updated.
    """
    moved, wander, clock, cell_s = state.moved, state.wander, state.clock, rates.cell_time_s
    axes = state.velocity.shape[1]
    # Linear drift v t, and settling d (1 - exp(-t / tau)).
    kept = exponential(-duration_s / rates.settling_time_s)
    for axis in range(axes):
        settling = state.settling[b, axis]
        moved[b, axis] += state.velocity[b, axis] * duration_s + settling * (1.0 - kept)
        state.settling[b, axis] *= kept
    # Wandering, cell by cell: x' = e x + sqrt(1 - e^2) xi, with e = exp(-cell / tau).
    keep = exponential(-cell_s / rates.wander_time_s)
    fresh = np.sqrt(1.0 - keep * keep)
    clock[b, 0] += duration_s
    cell = np.floor(clock[b, 0] / cell_s)
    # After a long wait the cells that are forgotten by now are passed over.
    forgotten = np.floor(cell - REMEMBERED * rates.wander_time_s / cell_s) - 1.0
    clock[b, 1] = max(clock[b, 1], forgotten)
    # Nothing is drawn for a wandering of no size.
    while rates.wander > 0.0 and clock[b, 1] < cell:
        clock[b, 1] += 1.0
        tick = int(clock[b, 1]) + 1
        for axis in range(axes):
            last = wander[b, 1, axis]
            wander[b, 0, axis] = last
            wander[b, 1, axis] = keep * last + fresh * draw_normal(s0, s1, tick, axis)
    # Linear between the borders of the present cell.
    part = clock[b, 0] / cell_s - cell
    for axis in range(axes):
        level = wander[b, 0, axis] + part * (wander[b, 1, axis] - wander[b, 0, axis])
        state.drift[b, axis] = moved[b, axis] + rates.wander * level


@kernel
def let_drift(b, process, duration_s, rates, keys, state):
    """`advance_drift` of row b of an instrument, whose drift has a process number.

    It takes no more than it needs: to hand over the whole state of an instrument takes longer.
    """
    s0, s1 = row_stream(keys, b, EXOGENOUS, process)
    advance_drift(b, s0, s1, duration_s, rates, state)


@kernel
def way_ahead(b, duration_s, rates, state):
    """Distance along an axis that the drift of one microscope covers in a time, about.

    Args:
        b: row of the microscope.
        duration_s: duration, s.
        rates: parameters.
        state: of the drift; read.

    Returns:
        |v| t + |s| t / tau along the axis where that is more, s what is still to be settled, plus
        the standard deviation of the wandering's increment, at most w sqrt(2 t / tau_w).
    """
    steady = 0.0
    for axis in range(state.velocity.shape[1]):
        settling = abs(state.settling[b, axis]) / rates.settling_time_s
        steady = max(steady, abs(state.velocity[b, axis]) + settling)
    wandering = rates.wander * np.sqrt(2.0 * duration_s / rates.wander_time_s)
    return steady * duration_s + wandering


@kernel
def disturb_settling(s0, s1, move, distance, settling):
    """Begin settling anew after a coarse move or an exchange of the tip.

    The earlier settling goes on: the responses add. The n-th disturbance of an episode is the same
    whenever it comes.

    Args:
        s0, s1: words of the stream of the drift, as for `start_drift`; draws of tick 0.
        move: number of the disturbance in this episode, from 1 to 500.
        distance: mean distance to be settled, length.
        settling: (A,) row of `DriftState`, updated.
    """
    _add_vector(s0, s1, 2 + 2 * move, distance, settling)


@kernel
def move_stage(y, x, backlash, play):
    """Drive one stage to a commanded position through its backlash (the play operator).

    The driven side stays put while the command is within half the dead band of it, and is dragged
    along beyond: after a long move it lags by half the band (Visintin, Differential Models of
    Hysteresis, 1994, III.2).

    Args:
        y: row of the commanded position, length.
        x: column of the commanded position, length.
        backlash: dead band, length.
        play: (2,) float64, updated: position of the driven side, without drift and jitter.
    """
    half = 0.5 * backlash
    play[0] = min(max(play[0], y - half), y + half)
    play[1] = min(max(play[1], x - half), x + half)


@kernel
def exposure_position(s0, s1, tick, jitter, play, drift, position):
    """Write the position of the beam on the specimen during one exposure.

    Args:
        s0, s1: words of the stream of the jitter, of the exogenous role.
        tick: number of the exposure.
        jitter: standard deviation along each axis, length.
        play: (2,) float64, position of the driven side; see `move_stage`.
        drift: (2,) row of `DriftState`.
        position: (2,) float64, written (y, x), length.
    """
    for axis in range(2):
        # Position = driven side + drift of the specimen + jitter.
        position[axis] = play[axis] + drift[axis]
        if jitter > 0.0:
            position[axis] += jitter * draw_normal(s0, s1, tick, axis)
