"""Tip apex of an STM: hidden state, traits, spontaneous changes and conditioning.

A tip is in one of five states. Within a state, traits vary: depth and width of the well that the
tip makes for an adatom, offset of the atom that pulls from the atom that tunnels, blur, ghost and
flicker of images, depth of a dip that changes the tip. The probabilities of the Markov chain follow
the action set of Krull et al., Commun. Phys. 3, 54 (2020), voltage pulses and controlled dips; the
numbers are design choices unless a source is named. Lengths are in nm, energies in eV, biases in V.
"""

from dataclasses import astuple, dataclass
from typing import Annotated, NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exp64
from microgym.physics.tunnelling import QUANTUM_US
from microgym.random import normal, uniform
from microgym.state import Float64, Int64, Shape
from microgym.validation import Checked, NonNegative, Rate

STATES = ("sharp", "double", "blunt", "contaminated", "unstable")
"""States of a tip; arrays hold the index."""
SHARP, DOUBLE, BLUNT, CONTAMINATED, UNSTABLE = range(5)

TRAITS = (
    "strength",
    "width",
    "offset_x",
    "offset_y",
    "contact",
    "blur",
    "ghost",
    "ghost_x",
    "ghost_y",
    "flicker",
    "hardness",
)
"""Traits of a tip, in the order of its array:

depth of its well at the conductance quantum, eV; width of the well, nm; offset (x, y) of the atom
that pulls from the atom that tunnels, nm; conductance at which it jumps into contact, uS; blur of
its images, nm; strength of the ghost image of a second apex, 0 to 1, and displacement (x, y) of the
ghost, nm; standard deviation of its height, nm; hardness: depth of a dip that changes it with a
probability of 1 - 1/e, nm. The hardness belongs to the wire, and stays when the apex changes."""

(STRENGTH, WIDTH, OFFSET_X, OFFSET_Y, CONTACT, BLUR, GHOST, GHOST_X, GHOST_Y, FLICKER, HARDNESS) = (
    range(11)
)

MEAN_STRENGTH_EV = 1.5
"""Median strength: wells of 0.34 to 0.46 eV at 3 to 6 uS, of which the weaker drag an adatom along
close-packed rows only and the stronger in most directions (found by search)."""
MEAN_WIDTH_NM = 0.15
HARDNESS_NM = 1.2
DEEP_RATIO = 1.45
"""Depth of a dip over the hardness above which it is deep (design choice): a change below that
reshapes the apex, one above pulls a neck of metal out of the surface."""
PULSE_V = 4.0
"""Pulse that changes a tip with a probability of 1 - 1/e, V."""
STRONG_V = 8.0
"""Height of a pulse from which on it is strong, V."""

PULSES_V = (2.5, -2.5, 4.0, -4.0, 8.0, -8.0)
"""Voltage pulses of 200 ms, V (DeepSPM's action table, as Krull et al.)."""
DIPS_NM = (0.8, 1.0, 1.2, 1.8, 2.5, 5.0)
"""Dips at 20 mV for 200 ms, nm (the same)."""
PULSE_RADII_NM = (10.0, 10.0, 10.0, 10.0, 25.0, 25.0)
DIP_RADII_NM = (10.0, 10.0, 10.0, 10.0, 25.0, 25.0)
"""Radii of the surface that each of them spoils, nm (forbidden radii of Krull et al.)."""

READINGS = ("blur", "ghost", "flicker", "slope")
"""Quantities of a tip that an image of clean surface shows: the three traits, and the slope of the
logarithm of the current with height over that of a clean tip."""
READING_LEVELS: dict[str, tuple[float, float, float, float]] = {
    "off": (0.0, 0.0, 0.0, 0.0),
    "easy": (0.027, 0.09, 0.0027, 0.09),
    "real": (0.04, 0.13, 0.004, 0.13),
    "hard": (0.07, 0.24, 0.007, 0.24),
}
"""Standard deviations of `READINGS` by the level of noise: nm, part, nm, part (design choices). At
"real" one image tells a sharp tip from the others by one to two standard deviations."""
FOULED_SLOPE = 0.75
"""Slope of a contaminated tip, whose apparent barrier is lower (design choice)."""


@dataclass(frozen=True)
class ApexParameters(Checked):
    """Variation between tips and rate of spontaneous changes; the default is none.

    Attributes:
        strength_spread: standard deviation of the logarithm of the well's strength.
        width_spread: standard deviation of the logarithm of its width.
        offset_nm: standard deviation of the offset along each axis, nm.
        hardness_spread: standard deviation of the logarithm of the hardness.
        change_hz: rate of spontaneous changes without current, 1/s.
    """

    strength_spread: NonNegative = 0.0
    width_spread: NonNegative = 0.0
    offset_nm: NonNegative = 0.0
    hardness_spread: NonNegative = 0.0
    change_hz: Rate = 0.0

    def spread(self) -> "TipSpread":
        """The numbers as kernels take them."""
        return TipSpread(*astuple(self))


class TipSpread(NamedTuple):
    """Numbers of `ApexParameters`; see there."""

    strength: float
    width: float
    offset_nm: float
    hardness: float
    change_hz: float


class TipState(NamedTuple):
    """Tips of N microscopes.

    Attributes:
        kind: (N,) int64, state of the tip, an index in `STATES`.
        generation: (N,) int64, changes of the tip so far in the episode.
        traits: (N, 11) float64, see `TRAITS`.
    """

    kind: Annotated[Int64, Shape(high=len(STATES) - 1)]
    generation: Annotated[Int64, Shape()]
    traits: Annotated[Float64, Shape(len(TRAITS))]


APEX_LEVELS: dict[str, ApexParameters] = {
    "off": ApexParameters(),
    "easy": ApexParameters(0.2, 0.05, 0.07, 0.12, 3e-5),
    "real": ApexParameters(0.3, 0.1, 0.1, 0.25, 1e-4),
    "hard": ApexParameters(0.45, 0.15, 0.15, 0.6, 3e-4),
}
"""The switch of the tip (design choices). The rate of "real" makes 0.06 changes in ten minutes at
rest; current raises it (`change_rate`)."""

_ANY = len(STATES)
_NEXT = np.cumsum(
    [
        # Spontaneous change.
        [(0.30, 0.25, 0.20, 0.15, 0.10)] * _ANY,
        # Gentle dip: steadies a loose atom, hardly reshapes a blunt end, keeps dirt.
        [
            (0.40, 0.20, 0.15, 0.10, 0.15),
            (0.12, 0.72, 0.08, 0.04, 0.04),
            (0.02, 0.03, 0.92, 0.01, 0.02),
            (0.08, 0.07, 0.15, 0.65, 0.05),
            (0.60, 0.10, 0.15, 0.05, 0.10),
        ],
        # Deep dip: a new end of the surface's metal, of which the last atom is often loose.
        [(0.03, 0.27, 0.15, 0.05, 0.50)] * _ANY,
        # Pulse: frees a contaminated tip.
        [
            (0.15, 0.25, 0.10, 0.15, 0.35),
            (0.15, 0.40, 0.10, 0.05, 0.30),
            (0.02, 0.05, 0.85, 0.03, 0.05),
            (0.50, 0.15, 0.10, 0.15, 0.10),
            (0.10, 0.20, 0.20, 0.10, 0.40),
        ],
        # Pulse of 8 V: takes atoms off any end.
        [(0.05, 0.25, 0.25, 0.05, 0.40)] * _ANY,
        # Crash.
        [(0.02, 0.23, 0.35, 0.20, 0.20)] * _ANY,
    ],
    axis=2,
)
"""Probability of each state after a change, (cause, state before, state after), cumulated (design
choices). Shallow indentation after violent treatment is the usual recipe: a pulse or a deep dip
renews a bad end, and gentle dips make the new one sharp. Neither does so alone."""

ITSELF, GENTLE, DEEP, PULSE, STRONG_PULSE, CRASH = range(6)

OF_STATE = np.array(
    [
        (1.0, 1.0, 0.02, 0.002),
        (1.0, 1.0, 0.06, 0.002),
        (1.1, 1.3, 0.16, 0.002),
        (0.7, 1.1, 0.08, 0.006),
        (1.0, 1.0, 0.04, 0.016),
    ]
)
"""For each state: factors of strength and width, mean blur in nm, mean flicker in nm (design
choices)."""


@kernel
def next_state(state, cause, u):
    """State after a change.

    Args:
        state: the state before.
        cause: ITSELF, GENTLE, DEEP, PULSE, STRONG_PULSE or CRASH.
        u: uniform number.
    """
    for candidate in range(_NEXT.shape[2] - 1):
        if u < _NEXT[cause, state, candidate]:
            return candidate
    return _NEXT.shape[2] - 1


@kernel
def cause_of(dip_nm, pulse_v, hardness):
    """Cause of the change that conditioning may make: GENTLE, DEEP, PULSE or STRONG_PULSE.

    Args:
        dip_nm: depth of the dip, nm; 0 for a pulse.
        pulse_v: height of the pulse, V.
        hardness: of the tip, nm.
    """
    if dip_nm > 0.0:
        return GENTLE if dip_nm <= DEEP_RATIO * hardness else DEEP
    return PULSE if abs(pulse_v) < STRONG_V else STRONG_PULSE


@kernel
def change_probability(dip_nm, pulse_v, hardness):
    """Probability that conditioning changes a tip: 1 - exp(-(d / d_0)^2 - (V / V_0)^2).

    Args:
        dip_nm: d, depth of the dip, nm.
        pulse_v: V, height of the pulse, V.
        hardness: d_0 of the tip, nm.
    """
    dip, pulse = dip_nm / hardness, pulse_v / PULSE_V
    return 1.0 - exp64(-dip * dip - pulse * pulse)


@kernel
def change_rate(current_pa, bias_v, change_hz):
    """Rate of spontaneous changes, 1/s: raised by current and bias.

    (1 + I / 1 nA + (V / 2)^2) times the rate at rest, as in the simulator STM-Bench.

    Args:
        current_pa: I, pA.
        bias_v: V, V.
        change_hz: rate at rest, 1/s.
    """
    half = 0.5 * bias_v
    return change_hz * (1.0 + 1e-3 * abs(current_pa) + half * half)


_WIRE = np.int64(0)


@kernel
def draw_traits(s0, s1, tick, state, spread, traits):
    """Draw the traits of a new tip.

    Depth, width, contact conductance and hardness are log-normal; blur and flicker are uniform
    between a half and one and a half of the mean of the state.

    Args:
        s0, s1: stream of the tip.
        tick: number of the tip in the episode, 0 for the first.
        state: its state.
        spread: `TipSpread`.
        traits: (11,) float64, written, see `TRAITS`.
    """
    # Well of the tip: log-normal depth and width.
    factors = OF_STATE[state]
    traits[STRENGTH] = (
        MEAN_STRENGTH_EV * factors[0] * exp64(spread.strength * normal(s0, s1, tick, 0))
    )
    traits[WIDTH] = MEAN_WIDTH_NM * factors[1] * exp64(spread.width * normal(s0, s1, tick, 1))
    # Atom that pulls, off the atom that tunnels.
    traits[OFFSET_X] = spread.offset_nm * normal(s0, s1, tick, 2)
    traits[OFFSET_Y] = spread.offset_nm * normal(s0, s1, tick, 3)
    # Contact conductance, about half a quantum.
    traits[CONTACT] = 0.5 * QUANTUM_US * exp64(0.5 * normal(s0, s1, tick, 4))
    # Blur of images; a double tip has a ghost at a distance.
    traits[BLUR] = factors[2] * (0.5 + uniform(s0, s1, tick, 5))
    traits[GHOST] = 0.0
    traits[GHOST_X] = 0.8 * (2.0 * uniform(s0, s1, tick, 6) - 1.0)
    traits[GHOST_Y] = 0.8 * (2.0 * uniform(s0, s1, tick, 7) - 1.0)
    if state == DOUBLE:
        traits[GHOST] = 0.1 + 0.8 * uniform(s0, s1, tick, 8)
    traits[FLICKER] = factors[3] * (0.5 + uniform(s0, s1, tick, 9))
    # Of the wire: the same for all apices of an episode.
    traits[HARDNESS] = HARDNESS_NM * exp64(spread.hardness * normal(s0, s1, _WIRE, 10))


@kernel
def read_tip(s0, s1, tick, kind, traits, noise, out):
    """Estimate the state of a tip from an image of clean surface.

    Args:
        s0, s1: stream of the readings, of the measurement role.
        tick: number of the image.
        kind: state of the tip.
        traits: (11,) float64, see `TRAITS`.
        noise: standard deviations, one of `READING_LEVELS`.
        out: (4,) float64, written, see `READINGS`.
    """
    out[0], out[1], out[2] = traits[BLUR], traits[GHOST], traits[FLICKER]
    out[3] = FOULED_SLOPE if kind == CONTAMINATED else 1.0
    for i in range(4):
        out[i] += noise[i] * normal(s0, s1, tick, i)
