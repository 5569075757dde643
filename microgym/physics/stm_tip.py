"""The end of the tip: its hidden shape, how it changes, and what conditioning does to it.

A tip is in one of five states, and within a state no two are alike: how deep and how wide a well it
makes for an adatom, how far the atom that pulls is from the atom that tunnels, how blurred, doubled
and restless its images are, how deep it must be dipped to change. The chain's probabilities follow
the action set of Krull et al., Commun. Phys. 3, 54 (2020), voltage pulses and controlled dips; the
numbers are design choices unless a source is named. Lengths are in nm, energies in eV, biases in V.
"""

from dataclasses import dataclass, fields

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exp64
from microgym.physics.tunnelling import QUANTUM_US
from microgym.random import normal, uniform
from microgym.validation import finite

STATES = ("sharp", "double", "blunt", "contaminated", "unstable")
"""States of a tip; a tip's state is its position here."""
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
"""What a tip is described by, in the order of its array:

strength of its well at the conductance quantum, eV; width of the well, nm; where it pulls, as seen
from where it tunnels (x, y), nm; conductance at which it jumps into contact, uS; blur of its
images, nm; strength of the ghost that a second end makes, 0 to 1, and the ghost's place (x, y), nm;
restlessness of its height, nm; depth of a dip that changes it with a probability of 1 - 1/e, nm."""

(STRENGTH, WIDTH, OFFSET_X, OFFSET_Y, CONTACT, BLUR, GHOST, GHOST_X, GHOST_Y, FLICKER, HARDNESS) = (
    range(11)
)

MEAN_STRENGTH_EV = 2.0
"""Median strength: wells of 0.45 to 0.62 eV at 3 to 6 uS, of which the weaker drag an adatom along
close-packed rows only and the stronger in most directions (found by search)."""
MEAN_WIDTH_NM = 0.15
HARDNESS_NM = 1.2
PULSE_V = 4.0
"""Pulse that changes a tip with a probability of 1 - 1/e, V."""

PULSES_V = (2.5, -2.5, 4.0, -4.0, 8.0, -8.0)
"""Voltage pulses of 200 ms, V (DeepSPM's action table, as Krull et al.)."""
DIPS_NM = (0.8, 1.0, 1.2, 1.8, 2.5, 5.0)
"""Dips at 20 mV for 200 ms, nm (the same)."""


@dataclass(frozen=True)
class ApexParameters:
    """How much tips differ, and how easily they change by themselves; by default not at all.

    Attributes:
        strength_spread: standard deviation of the logarithm of the well's strength.
        width_spread: standard deviation of the logarithm of its width.
        offset_nm: standard deviation of the offset along each axis, nm.
        hardness_spread: standard deviation of the logarithm of the hardness.
        change_hz: rate of spontaneous changes without current, 1/s.

    Raises:
        TypeError: a number is not a number.
        ValueError: one is negative, NaN or infinite.
    """

    strength_spread: float = 0.0
    width_spread: float = 0.0
    offset_nm: float = 0.0
    hardness_spread: float = 0.0
    change_hz: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        for field in fields(self):
            value = getattr(self, field.name)
            if finite(field.name, value) < 0.0:
                raise ValueError(f"{field.name}={value!r} must be at least 0")

    def vector(self) -> tuple[float, ...]:
        """The numbers in the order of the attributes."""
        return tuple(float(getattr(self, field.name)) for field in fields(self))


APEX_LEVELS: dict[str, ApexParameters] = {
    "off": ApexParameters(),
    "easy": ApexParameters(0.15, 0.05, 0.03, 0.15, 1e-5),
    "real": ApexParameters(0.3, 0.1, 0.07, 0.3, 3e-5),
    "hard": ApexParameters(0.45, 0.15, 0.12, 0.45, 1e-4),
}
"""The switch of the tip. The rate of "real" makes 0.02 changes in an image of ten minutes; current
raises it (`change_rate`)."""

_NEXT = np.cumsum(
    [
        (0.30, 0.25, 0.20, 0.15, 0.10),  # by itself
        (0.35, 0.20, 0.25, 0.10, 0.10),  # after a gentle dip
        (0.20, 0.20, 0.35, 0.15, 0.10),  # after a deep dip
        (0.15, 0.35, 0.15, 0.10, 0.25),  # after a pulse
        (0.10, 0.35, 0.25, 0.10, 0.20),  # after a pulse of 8 V
        (0.02, 0.23, 0.35, 0.20, 0.20),  # after a crash
    ],
    axis=1,
)
"""Probability of each state after a change. That of "sharp" is 0.35 after dips of 0.8 to 1.8 nm,
0.2 after deeper ones, 0.1 after 8 V (design choices)."""

ITSELF, GENTLE, DEEP, PULSE, STRONG_PULSE, CRASH = range(6)

# What a state means for the traits: factors of strength and width, mean blur, mean flicker.
_OF_STATE = np.array(
    [
        (1.0, 1.0, 0.02, 0.002),
        (1.0, 1.0, 0.06, 0.002),
        (1.1, 1.3, 0.16, 0.002),
        (0.7, 1.1, 0.08, 0.006),
        (1.0, 1.0, 0.04, 0.016),
    ]
)


@kernel
def next_state(state, cause, u):
    """State after a change.

    A clean pulse frees a contaminated tip, and a gentle dip steadies an unstable one: each makes it
    sharp with a probability of 0.5 (design choice).

    Args:
        state: the state before.
        cause: ITSELF, GENTLE, DEEP, PULSE, STRONG_PULSE or CRASH.
        u: uniform number.
    """
    helps = (state == CONTAMINATED and cause == PULSE) or (state == UNSTABLE and cause == GENTLE)
    if helps:
        if u < 0.5:
            return SHARP
        u = 2.0 * u - 1.0
    for candidate in range(_NEXT.shape[1] - 1):
        if u < _NEXT[cause, candidate]:
            return candidate
    return _NEXT.shape[1] - 1


@kernel
def change_probability(dip_nm, pulse_v, hardness):
    """Probability that conditioning changes a tip: 1 - exp(-(d / d_0)^2 - (V / V_0)^2)."""
    dip, pulse = dip_nm / hardness, pulse_v / PULSE_V
    return 1.0 - exp64(-dip * dip - pulse * pulse)


@kernel
def change_rate(current_pa, bias_v, change_hz):
    """Rate of spontaneous changes, 1/s: raised by current and bias.

    (1 + I / 1 nA + (V / 2)^2) times the rate at rest, as in the simulator STM-Bench.
    """
    half = 0.5 * bias_v
    return change_hz * (1.0 + 1e-3 * abs(current_pa) + half * half)


@kernel
def draw_traits(s0, s1, tick, state, spread, traits):
    """Make a new tip.

    Args:
        s0, s1: stream of the tip.
        tick: number of the tip in the episode, 0 for the first.
        state: its state.
        spread: numbers of `ApexParameters`.
        traits: (11,) float64, written, see `TRAITS`.
    """
    factors = _OF_STATE[state]
    traits[STRENGTH] = MEAN_STRENGTH_EV * factors[0] * exp64(spread[0] * normal(s0, s1, tick, 0))
    traits[WIDTH] = MEAN_WIDTH_NM * factors[1] * exp64(spread[1] * normal(s0, s1, tick, 1))
    traits[OFFSET_X] = spread[2] * normal(s0, s1, tick, 2)
    traits[OFFSET_Y] = spread[2] * normal(s0, s1, tick, 3)
    traits[CONTACT] = 0.5 * QUANTUM_US * exp64(0.5 * normal(s0, s1, tick, 4))
    traits[BLUR] = factors[2] * (0.5 + uniform(s0, s1, tick, 5))
    traits[GHOST] = 0.0
    traits[GHOST_X] = 0.8 * (2.0 * uniform(s0, s1, tick, 6) - 1.0)
    traits[GHOST_Y] = 0.8 * (2.0 * uniform(s0, s1, tick, 7) - 1.0)
    if state == DOUBLE:
        traits[GHOST] = 0.1 + 0.8 * uniform(s0, s1, tick, 8)
    traits[FLICKER] = factors[3] * (0.5 + uniform(s0, s1, tick, 9))
    traits[HARDNESS] = HARDNESS_NM * exp64(spread[3] * normal(s0, s1, tick, 10))
