"""Piezo scanners: creep and hysteresis.

One axis at a time; lengths in nm, times in s. The position depends on the path of the command, not
on its cutting into pieces: creep is driven exactly by a command that is linear in time, and
hysteresis does not depend on time at all. Both add to the command; their product, a few per cent of
a few per cent, is left out.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exponential
from microgym.state import Float64, Shape
from microgym.validation import Checked, Positive, within

DECADES = 6
"""Exponentials of the creep, one a decade."""

CREEP_START_S = 0.1
"""Time t0 after a step from which creep is counted, s (Jung and Gweon, Rev. Sci. Instrum. 71, 1896,
2000)."""

# Literals, since powers and logarithms of libraries differ between machines.
_TIMES = np.array([1e-1, 1e0, 1e1, 1e2, 1e3, 1e4])

CREEP_OFFSET = 0.5 + 0.57721566490153286061 / 2.30258509299404568402
"""Decades that the exponentials have crept by t0: 1/2 + Euler's constant / ln 10. The integral of
1 - exp(-t / tau) over log10(tau) from tau1 on is log10(t / tau1) + Euler / ln 10, and one
exponential a decade stands for half a decade on each side of it."""

OPERATORS = 4
"""Play operators of the hysteresis."""

# Up to half the half-range: wider plays do not show in the middle of a sweep at full width.
_THRESHOLDS = 0.5 * np.arange(1.0, OPERATORS + 1.0) / OPERATORS
_WEIGHT = 1.0 / float(_THRESHOLDS.sum())
_DIRECT = _WEIGHT * (OPERATORS - float(_THRESHOLDS.sum()))

_SMALL = 0.1
_TERMS = 11
_INVERSE = 1.0 / np.maximum(np.arange(_TERMS + 1.0), 1.0)


@dataclass(frozen=True)
class PiezoParameters(Checked):
    """Imperfections of a scanner; the default is perfect (closed loop).

    Attributes:
        creep: largest creep per decade of time, as a fraction of a move; drawn per episode, uniform
            from 0 on.
        hysteresis: width of the loop of a full sweep, as a fraction of the range.
        half_range_nm: half the range to which `hysteresis` refers, nm: the largest scan.
    """

    creep: Annotated[float, partial(within, low=0.0, high=0.2)] = 0.0
    hysteresis: Annotated[float, partial(within, low=0.0, high=0.5)] = 0.0
    half_range_nm: Positive = 500.0

    @property
    def loop(self) -> "HysteresisLoop":
        """Hysteresis, as kernels read it."""
        return HysteresisLoop(self.half_range_nm, self.hysteresis)


class HysteresisLoop(NamedTuple):
    """Hysteresis of a scanner.

    Attributes:
        half_range_nm: half-range U of a full sweep, nm.
        width: width of the loop of a full sweep as a fraction of 2 U.
    """

    half_range_nm: float
    width: float


PIEZO_LEVELS: dict[str, PiezoParameters] = {
    "off": PiezoParameters(),
    "easy": PiezoParameters(0.02, 0.02),
    "real": PiezoParameters(0.05, 0.05),
    "hard": PiezoParameters(0.1, 0.15),
}
"""The switch of the scanner, all open loop but "off".

Creep of 1 to 2 % per decade is usual, and more than 10 % of a move the worst that vendors quote
(US20080277582A1): "real" draws from 0 to 5 %. Loops of 5 to 15 % of the range are usual for an open
loop (not verified here): the ends of that are "real" and "hard".
"""


class PiezoState(NamedTuple):
    """Scanners of N microscopes with A axes.

    Attributes:
        coefficient: (N,) float64, creep per decade as a fraction of a move.
        command: (N, A) float64, last command (y, x, z), nm.
        creep: (N, A, DECADES) float64, part of the command that each exponential has followed, nm.
        play: (N, A, OPERATORS) float64, positions of the play operators, nm.
    """

    coefficient: Annotated[Float64, Shape()]
    command: Annotated[Float64, Shape("piezo_axes", unit="nm")]
    creep: Annotated[Float64, Shape("piezo_axes", DECADES, unit="nm")]
    play: Annotated[Float64, Shape("piezo_axes", OPERATORS, unit="nm")]


@kernel
def rest_piezo(command, creep, play):
    """Put one axis to rest at a command, without creep or hysteresis left over.

    Args:
        command: command, nm.
        creep: (DECADES,) row of `PiezoState`, written.
        play: (OPERATORS,) row of `PiezoState`, written.
    """
    for k in range(creep.size):
        creep[k] = command
    for k in range(play.size):
        play[k] = command


@kernel
def _followed(x):
    """1 - exp(-x), and 1 - (1 - exp(-x)) / x, both to full precision for any x >= 0."""
    if x < _SMALL:
        # 1 - (1 - exp(-x)) / x = x/2 (1 - x/3 (1 - x/4 (...))), cut off where x^n / n! < 1e-16.
        second = 1.0
        for n in range(_TERMS, 2, -1):
            second = 1.0 - x * _INVERSE[n] * second
        second *= 0.5 * x
        return x * (1.0 - second), second
    first = 1.0 - exponential(-x)
    return first, 1.0 - first / x


@kernel
def advance_creep(dt, start, stop, creep):
    """Let one axis creep while its command moves evenly from one value to another.

    The law of creep is L(t) = sum over past steps L_i [1 + g log10((t - t_i) / t0)] (Jung and
    Gweon, 2000). Here the logarithm is a sum of exponentials, with time constants of t0 to
    1e5 t0: within 0.027 decades of it from 1 s to 3000 s.

    Args:
        dt: duration, s, at least 0; a command that jumps takes none.
        start: command at the beginning, nm.
        stop: command at the end, nm.
        creep: (DECADES,) row of `PiezoState`, updated.

    Returns:
        Displacement, nm, to be multiplied by the creep per decade and added to the command.
    """
    total = 0.0
    for k in range(creep.size):
        followed, of_ramp = _followed(dt / _TIMES[k])
        creep[k] += (start - creep[k]) * followed + (stop - start) * of_ramp
        total += creep[k]
    return total - CREEP_OFFSET * stop


@kernel
def lag_hysteresis(command, half_range, width, play):
    """Follow a command with hysteresis (Prandtl and Ishlinskii; Visintin, 1994, III.2).

    The position is (1 - 2.2 width) u plus 0.8 width times the sum of four plays with thresholds r
    of U/8 to U/2. A sweep from -U to U and back closes, is 2 U width wide in the
    middle, and encloses the sum of 0.8 width 2 r (2 U - 2 r).

    Args:
        command: command u, nm; everything between this one and the last was passed evenly.
        half_range: U, nm.
        width: width of the loop of a full sweep as a fraction of 2 U.
        play: (OPERATORS,) row of `PiezoState`, updated.

    Returns:
        The position, nm.
    """
    position = (1.0 - width * _DIRECT) * command
    for k in range(play.size):
        r = _THRESHOLDS[k] * half_range
        play[k] = max(command - r, min(command + r, play[k]))
        position += width * _WEIGHT * play[k]
    return position


@kernel
def move_piezo(b, axis, dt, stop, loop, state):
    """Move one axis evenly from its last command to another one, or hold it.

    Args:
        b: row of the state.
        axis: axis of the scanner.
        dt: duration, s, at least 0.
        stop: command at the end, nm.
        loop: hysteresis.
        state: row b is updated.

    Returns:
        The position at the end, nm.
    """
    crept = advance_creep(dt, state.command[b, axis], stop, state.creep[b, axis])
    state.command[b, axis] = stop
    followed = lag_hysteresis(stop, loop.half_range_nm, loop.width, state.play[b, axis])
    return followed + state.coefficient[b] * crept


@kernel
def sweep_piezo(b, axis, dt, stop, loop, state, out):
    """Move one axis as `move_piezo`, and record the positions on the way: a scan line.

    Args:
        b: row of the state.
        axis: axis of the scanner.
        dt: duration, s, above 0.
        stop: command at the end, nm.
        loop: hysteresis.
        state: row b is updated.
        out: (n,) float64, written: positions at the ends of n equal times, nm.
    """
    start, creep, play = state.command[b, axis], state.creep[b, axis], state.play[b, axis]
    coefficient, half_range, width = state.coefficient[b], loop.half_range_nm, loop.width
    n = out.size
    pace, time = (stop - start) / n, dt / n
    # One after the other the exponentials would take four times as long: each waits for itself.
    followed = (
        _followed(time / _TIMES[0]),
        _followed(time / _TIMES[1]),
        _followed(time / _TIMES[2]),
        _followed(time / _TIMES[3]),
        _followed(time / _TIMES[4]),
        _followed(time / _TIMES[5]),
    )
    for i in range(n):
        here = start + i * pace
        there = here + pace
        crept = -CREEP_OFFSET * there
        for k in range(DECADES):
            of_step, of_ramp = followed[k]
            creep[k] += (here - creep[k]) * of_step + pace * of_ramp
            crept += creep[k]
        out[i] = lag_hysteresis(there, half_range, width, play) + coefficient * crept
    state.command[b, axis] = stop
