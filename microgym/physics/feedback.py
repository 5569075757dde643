"""Feedback loop of a probe at a surface: its state, settings, scanner, and largest gain.

`microgym.physics.feedback_lanes` runs it. Lengths are in nm, times in s.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exp64, sincos64
from microgym.state import Float64, Shape
from microgym.validation import Checked, Positive, Speed

TICK_S = 2e-5
"""Tick of the controller, s: 50 kHz (design choice)."""
DELAY_S = 1.5 * TICK_S
"""Delay of the loop, s: a command takes effect with the next tick and is held for one."""


class LoopState(NamedTuple):
    """Feedback loops of N microscopes.

    Attributes:
        integral: (N,) float64, integral part of the command, nm.
        height: (N,) float64, height of the scanner, nm.
        velocity: (N,) float64, velocity of the scanner, nm/s.
        command: (N,) float64, last command, nm.
        sine: (N,) float64, A sin phi of the oscillation, or minus the deflection in contact mode.
        cosine: (N,) float64, A cos phi, nm, or the root of the contact's depth in nm, -1 for none.
    """

    integral: Annotated[Float64, Shape(unit="nm")]
    height: Annotated[Float64, Shape(unit="nm")]
    velocity: Annotated[Float64, Shape(unit="nm/s")]
    command: Annotated[Float64, Shape(unit="nm")]
    sine: Annotated[Float64, Shape(unit="nm")]
    cosine: Annotated[Float64, Shape(unit="nm")]


class LoopSettings(NamedTuple):
    """Settings of a feedback loop during one line.

    Attributes:
        setpoint: setpoint of the signal, nm.
        integral_gain, proportional_gain: gains of the controller; the first in 1/s.
        resonance_hz, damping: resonance of the scanner, Hz, and its damping ratio.
        slew_nm_s, range_nm: fastest command, nm/s, and largest height, nm.
        thermal_nm, detector_nm: standard deviations of the signal's thermal motion, and of the
            detector's noise in a tick, nm.
        contact: contact mode.
        lag_s: time constant of the cantilever, s.
        stiffness_n_m, quality, free_nm: of the cantilever.
        radius_nm: of the tip.
    """

    setpoint: float
    integral_gain: float
    proportional_gain: float
    resonance_hz: float
    damping: float
    slew_nm_s: float
    range_nm: float
    thermal_nm: float
    detector_nm: float
    contact: bool
    lag_s: float
    stiffness_n_m: float
    quality: float
    free_nm: float
    radius_nm: float


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
    slew_nm_s: Speed = 1e6
    range_nm: Positive = 2000.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if self.damping >= 1.0:
            raise ValueError(f"damping={self.damping!r} must be below 1")


@kernel
def largest_gain(lag_s, resonance_hz, damping, delay_s):
    """Integral gain above which the loop rings by itself, 1/s (Nyquist).

    The loop of a signal with lag and unit slope, a scanner, an integral controller and a delay is
    K exp(-s theta) / (s (1 + s tau) (1 + 2 zeta s / w + s^2 / w^2)). At the angular frequency x at
    which its phase is -pi,

        x theta + atan(x tau) + atan(2 zeta (x / w) / (1 - (x / w)^2)) = pi / 2,

    it is marginal: K = x sqrt(1 + x^2 tau^2) sqrt((1 - x^2 / w^2)^2 + (2 zeta x / w)^2). Without
    lag and delay that is 2 zeta w. A stiff contact has no lag: it holds the amplitude at the gap. A
    soft one is a spring whose resonance with the oscillation's phase (1 to 4 kHz) amplifies, so
    that the loop rings from about half of this gain on.

    Args:
        lag_s: time constant tau of the signal, s; 0 for a tapping tip on stiff ground.
        resonance_hz: of the scanner, Hz.
        damping: its damping ratio zeta.
        delay_s: delay theta, s.

    Returns:
        K, 1/s.
    """
    w = 2.0 * np.pi * resonance_hz
    # The phase falls with x: bisection on the sign of the imaginary part of the loop over -j.
    low, high = 0.0, min(w, 0.5 * np.pi / max(delay_s, 1e-12))
    for _ in range(60):
        x = 0.5 * (low + high)
        part = x / w
        # (cos, sin) of x theta, times those of both lags, unnormalised; pi / 2 where cos is 0.
        sine, cosine = sincos64(x * delay_s)
        cosine, sine = cosine - sine * x * lag_s, sine + cosine * x * lag_s
        a, b = 1.0 - part * part, 2.0 * damping * part
        if cosine * a - sine * b > 0.0:
            low = x
        else:
            high = x
    part = low / w
    own = (1.0 - part * part) * (1.0 - part * part) + 4.0 * damping * damping * part * part
    return low * np.sqrt((1.0 + low * low * lag_s * lag_s) * own)


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
