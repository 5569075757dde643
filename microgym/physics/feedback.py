"""Feedback loop of a probe at a surface: lag, gains, a scanner with a resonance, and limits.

All but the signal's dependence on the gap is linear between two ticks of the controller and is
advanced exactly: the signal follows its target with a time constant, and the scanner is a damped
oscillator driven by a constant command. Lengths are in nm, times in s.
"""

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp64, sincos64
from microgym.state import Float64, Shape
from microgym.validation import Checked, Positive

LEAST_TICKS, MOST_TICKS = 8, 64
"""Smallest and largest number of ticks of the controller in a pixel (design choices)."""


class LoopState(NamedTuple):
    """Feedback loops of N microscopes.

    Attributes:
        integral: (N,) float64, integral part of the command, nm.
        height: (N,) float64, height of the scanner, nm.
        velocity: (N,) float64, velocity of the scanner, nm/s.
        signal: (N,) float64, amplitude, or minus the deflection in contact mode, nm.
        command: (N,) float64, last command, nm.
    """

    integral: Annotated[Float64, Shape(unit="nm")]
    height: Annotated[Float64, Shape(unit="nm")]
    velocity: Annotated[Float64, Shape(unit="nm/s")]
    signal: Annotated[Float64, Shape(unit="nm")]
    command: Annotated[Float64, Shape(unit="nm")]


class LoopSettings(NamedTuple):
    """Settings of a feedback loop during one line.

    Attributes:
        setpoint: setpoint of the signal, nm.
        integral_gain, proportional_gain: gains of the controller; the first in 1/s.
        tick_s: period of the controller, s.
        lag_s: time constant of the signal, s.
        resonance_hz, damping: resonance of the scanner, Hz, and its damping ratio.
        slew_nm_s, range_nm: fastest command, nm/s, and largest height, nm.
        floor: least target of the signal, nm.
        thermal_nm, detector_nm: standard deviations of the signal's thermal motion, and of the
            detector's noise in a tick, nm.
    """

    setpoint: float
    integral_gain: float
    proportional_gain: float
    tick_s: float
    lag_s: float
    resonance_hz: float
    damping: float
    slew_nm_s: float
    range_nm: float
    floor: float
    thermal_nm: float
    detector_nm: float


@dataclass(frozen=True)
class Scanner(Checked):
    """The z-scanner.

    Attributes:
        resonance_hz: Hz.
        damping: damping ratio, below 1.
        slew_nm_s: fastest command, nm/s.
        range_nm: largest height, nm.

    Raises:
        TypeError: a value is no number.
        ValueError: a value is out of range.
    """

    resonance_hz: Positive = 1500.0
    damping: Positive = 0.05
    slew_nm_s: Positive = 1e6
    range_nm: Positive = 2000.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if self.damping >= 1.0:
            raise ValueError(f"damping={self.damping!r} must be below 1")


def largest_gain(lag_s: float, resonance_hz: float, damping: float) -> float:
    """Integral gain above which the loop rings by itself, 1/s (Routh and Hurwitz).

    The characteristic polynomial of a signal with lag and unit slope, a scanner and an integral
    controller is a4 s^4 + a3 s^3 + a2 s^2 + s + K.

    Args:
        lag_s: time constant of the signal, s.
        resonance_hz: of the scanner, Hz.
        damping: its damping ratio.

    Returns:
        (a2 a3 - a4) / a3^2, 1/s.
    """
    w = 2.0 * math.pi * resonance_hz
    # Squares are products: the C library's pow rounds differently with fused multiply-add.
    a4 = lag_s / (w * w)
    a3 = 1.0 / (w * w) + 2.0 * damping * lag_s / w
    a2 = 2.0 * damping / w + lag_s
    return (a2 * a3 - a4) / (a3 * a3)


@inline_kernel
def ticks_of(pixel_s, resonance_hz, lag_s, gain):
    """Ticks of the controller in a pixel, 8 to 64.

    A tick is at most a fifth of the shortest of 1 / w of the scanner, the lag, and 1 / gain.

    Args:
        pixel_s: time of a pixel, s.
        resonance_hz: of the scanner, Hz.
        lag_s: time constant of the signal, s.
        gain: integral gain, 1/s.
    """
    w = 2.0 * np.pi * resonance_hz
    tick = min(min(0.2 / w, 0.2 * lag_s), 0.2 / max(gain, 1.0))
    wanted = np.ceil(pixel_s / tick)
    return np.int64(min(max(wanted, float(LEAST_TICKS)), float(MOST_TICKS)))


@kernel
def oscillator(tick_s, resonance_hz, damping):
    """Matrix of the exact step of a damped oscillator towards a constant command.

    Args:
        tick_s: duration, s.
        resonance_hz, damping: of the oscillator.

    Returns:
        Matrix that advances (height - command, velocity / w), as four numbers, rows first; w is the
        angular resonance.
    """
    w = 2.0 * np.pi * resonance_hz
    root = np.sqrt(1.0 - damping * damping)
    decay = exp64(-damping * w * tick_s)
    sine, cosine = sincos64(w * root * tick_s)
    s = sine / root
    own, other = decay * (cosine + damping * s), decay * s
    return own, other, -other, decay * (cosine - damping * s)


@kernel
def scan_line(b, heights, material, table, low, step, loop, state, thermal, detector, out):
    """Scan one line with the loop closed.

    Within a pixel the surface is linear. Where the signal has two targets, the nearer one attracts
    it, so that the oscillation stays on its branch until it is pushed over, or the branch ends.

    Args:
        b: row of the state.
        heights: (P + 1,) float64, the surface at the pixels' borders, nm.
        material: (P,) float64, row of the table (a real number) under each pixel.
        table: (2, M, G) float64, targets of the signal against the gap; coming from far and from
            near (`microgym.physics.cantilever`). Below the lowest gap it goes on with slope one.
        low, step: lowest gap and distance of the gaps, nm.
        loop: `LoopSettings`.
        state: `LoopState`; row b is updated.
        thermal, detector: (P n,) float32, standard normal numbers; n ticks a pixel.
        out: (5, P) float64, written: height as commanded, mean error (signal less setpoint), mean
            target, lowest target, and the signal at that moment; all nm.
    """
    pixels = material.size
    ticks = thermal.size // pixels
    gaps = table.shape[2]
    setpoint, gain, proportional = loop.setpoint, loop.integral_gain, loop.proportional_gain
    tick, floor = loop.tick_s, loop.floor
    # Signal: s' = T + (s - T) exp(-dt / tau) + thermal noise of the variance that is forgotten.
    keep = exp64(-tick / loop.lag_s)
    kick = loop.thermal_nm * np.sqrt(1.0 - keep * keep)
    noise = loop.detector_nm
    p00, p01, p10, p11 = oscillator(tick, loop.resonance_hz, loop.damping)
    w = 2.0 * np.pi * loop.resonance_hz
    stride, top = loop.slew_nm_s * tick, loop.range_nm
    integral, height, speed = state.integral[b], state.height[b], state.velocity[b] / w
    signal, command = state.signal[b], state.command[b]
    per_nm, part = 1.0 / step, 1.0 / ticks
    layer = table.shape[1] * gaps
    flat = view1d(table, 0, table.size)
    for p in range(pixels):
        # Table of this modulus: linear between the two rows around it.
        row = min(max(material[p], 0.0), table.shape[1] - 1.000001)
        first = int(row)
        mix = row - first
        base = first * gaps
        ground, rise = heights[p], (heights[p + 1] - heights[p]) * part
        total, wrong, aim, least, then = 0.0, 0.0, 0.0, 1e30, 0.0
        for i in range(ticks):
            # Gap between the scanner and the path of the apex, g = z - h.
            gap = height - (ground + (i + 0.5) * rise)
            place = (gap - low) * per_nm
            cell = min(max(int(place), 0), gaps - 2)
            on = min(place - cell, 1.0)
            # Both targets T(g, E), linear in the gap and between the moduli.
            if place < 0.0:
                at = base
                far = flat[at] + mix * (flat[at + gaps] - flat[at]) + (gap - low)
                near = far
            else:
                at = base + cell
                a = flat[at] + on * (flat[at + 1] - flat[at])
                at += gaps
                c = flat[at] + on * (flat[at + 1] - flat[at])
                far = a + mix * (c - a)
                at = base + cell + layer
                a = flat[at] + on * (flat[at + 1] - flat[at])
                at += gaps
                c = flat[at] + on * (flat[at + 1] - flat[at])
                near = a + mix * (c - a)
            # The nearer of the two attracts the signal.
            target = near if signal + signal > near + far else far
            if target < least:
                least, then = target, signal
            aim += target
            k = p * ticks + i
            # Lag of the signal, and noise.
            drawn = max(target, floor)
            signal = drawn + (signal - drawn) * keep + kick * thermal[k]
            error = signal + noise * detector[k] - setpoint
            # Controller: I' = I - K_i dt e, command I - K_p e, both within the range; slew rate.
            integral = min(max(integral - gain * tick * error, 0.0), top)
            wanted = min(max(integral - proportional * error, 0.0), top)
            command = min(max(wanted, command - stride), command + stride)
            # Scanner: exact step of the damped oscillator towards the command.
            off = height - command
            height = command + p00 * off + p01 * speed
            speed = p10 * off + p11 * speed
            total += command
            wrong += error
        out[0, p], out[1, p], out[2, p] = total * part, wrong * part, aim * part
        out[3, p], out[4, p] = least, then
    state.integral[b], state.height[b], state.velocity[b] = integral, height, speed * w
    state.signal[b], state.command[b] = signal, command
