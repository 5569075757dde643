"""Noise of a read-out: white, 1/f, and a line of the mains.

Readings have any unit; times are in s. The 1/f part is a sum of Ornstein-Uhlenbeck processes,
one a decade, each with its exact update, so that its statistics do not depend on when it is read.
The line is a function of time.
"""

from dataclasses import dataclass

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exponential, sincos64
from microgym.random import draw_normal, draw_uniform, fill_normal
from microgym.validation import Checked, NonNegative, Positive

PROCESSES = 6
"""Processes of the 1/f noise, one a decade."""

# Literals, since powers of libraries differ between machines.
_TIMES = np.array([1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2])

MAINS_HZ = (50.0, 60.0)
"""Frequencies of the mains, Hz."""


@dataclass(frozen=True)
class NoiseParameters(Checked):
    """Noise of a read-out; the default is none.

    Attributes:
        white: standard deviation of one reading.
        flicker: standard deviation of the 1/f noise in one decade of frequency. Its power spectrum
            is flicker^2 / (ln(10) f) from 10 mHz to 30 Hz, within 6 %, flat below and falling as
            f^-2 above.
        mains: amplitude of the line.
        mains_hz: its frequency, one of `MAINS_HZ`.

    Raises:
        TypeError: if a number is not a number.
        ValueError: if one is negative, NaN or infinite, or no mains has the frequency.
    """

    white: NonNegative = 0.0
    flicker: NonNegative = 0.0
    mains: NonNegative = 0.0
    mains_hz: Positive = 50.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if self.mains_hz not in MAINS_HZ:
            raise ValueError(f"mains_hz={self.mains_hz!r} must be one of {MAINS_HZ}")


@kernel
def start_noise(s0, s1, flicker):
    """Draw the phase of the line, and stationary 1/f noise.

    Args:
        s0, s1: words of the stream of the noise; draws of tick 0.
        flicker: (PROCESSES,) processes in units of their standard deviation, fastest first;
            written.

    Returns:
        Phase of the line at time 0, rad.
    """
    first = np.int64(0)
    for k in range(flicker.size):
        flicker[k] = draw_normal(s0, s1, first, k + 1)
    return 2.0 * np.pi * draw_uniform(s0, s1, first, first)


@kernel
def mains_line(time_s, frequency_hz, phase):
    """The line of unit amplitude at a time since the start."""
    turns = time_s * frequency_hz
    sine, _ = sincos64(2.0 * np.pi * (turns - np.floor(turns)) + phase)
    return sine


@kernel
def advance_flicker(s0, s1, tick, dt, flicker):
    """1/f noise some time after the last reading.

    Args:
        s0, s1: words of the stream of the noise.
        tick: number of the reading, from 1 on.
        dt: time since the last one, s, at least 0.
        flicker: (PROCESSES,) as `start_noise` wrote it, updated.

    Returns:
        The noise, for a standard deviation of 1 per decade.
    """
    total = 0.0
    for k in range(flicker.size):
        keep = exponential(-dt / _TIMES[k])
        fresh = np.sqrt(1.0 - keep * keep) * draw_normal(s0, s1, tick, k)
        flicker[k] = keep * flicker[k] + fresh
        total += flicker[k]
    return total


@kernel
def fill_noise(
    s0, s1, tick, time_s, dt, white, flicker_size, mains, mains_hz, phase, flicker, out, draws
):
    """Noise of a row of readings at equal distances in time: of a scan line.

    It is not the noise that `advance_flicker` would give, reading by reading, but has its
    statistics.

    Args:
        s0, s1: words of the stream of the noise.
        tick: number of the row, below 2^31.
        time_s: time of the first reading, s, for the line.
        dt: distance in time of readings, also of the first from the last one before, s.
        white, flicker_size, mains, mains_hz: of `NoiseParameters`.
        phase: of the line at time 0, rad.
        flicker: (PROCESSES,) as `start_noise` wrote it, updated.
        out: (n,) float32, written.
        draws: (at least PROCESSES * n,) float32 work.
    """
    n = out.size
    fill_normal(s0, s1, 2 * np.int64(tick), out)
    fill_normal(s0, s1, 2 * np.int64(tick) + 1, draws[: PROCESSES * n])
    # Exact update of the processes over dt: x' = e^(-dt/tau) x + sqrt(1 - e^(-2 dt/tau)) xi.
    keep = (
        exponential(-dt / _TIMES[0]),
        exponential(-dt / _TIMES[1]),
        exponential(-dt / _TIMES[2]),
        exponential(-dt / _TIMES[3]),
        exponential(-dt / _TIMES[4]),
        exponential(-dt / _TIMES[5]),
    )
    fresh = (
        np.sqrt(1.0 - keep[0] * keep[0]),
        np.sqrt(1.0 - keep[1] * keep[1]),
        np.sqrt(1.0 - keep[2] * keep[2]),
        np.sqrt(1.0 - keep[3] * keep[3]),
        np.sqrt(1.0 - keep[4] * keep[4]),
        np.sqrt(1.0 - keep[5] * keep[5]),
    )
    # White noise plus the sum of the processes.
    for i in range(n):
        total = 0.0
        for k in range(PROCESSES):
            flicker[k] = keep[k] * flicker[k] + fresh[k] * draws[PROCESSES * i + k]
            total += flicker[k]
        out[i] = np.float32(white * out[i] + flicker_size * total)
    if mains > 0.0:
        for i in range(n):
            out[i] += np.float32(mains * mains_line(time_s + i * dt, mains_hz, phase))
