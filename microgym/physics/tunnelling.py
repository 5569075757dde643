"""Tunnelling between a tip and a metal: current, feedback, noise, standing waves.

The barrier is one-dimensional (WKB; Tersoff and Hamann, Phys. Rev. B 31, 805, 1985): the current
falls as exp(-2 kappa z) with the gap z, kappa = sqrt(2 m phi) / hbar. The feedback that keeps it
constant is a pure integrator, whose answer to a step is solved exactly, so that no time step enters
the result. Lengths are in nm, conductances in uS, currents in pA, energies in eV.
"""

import math

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import exp64, log64, sincos64
from microgym.validation import positive

ELECTRON_MASS_KG = 9.1093837015e-31
ELEMENTARY_CHARGE_C = 1.602176634e-19
HBAR_J_S = 1.054571817e-34
"""CODATA 2018."""

WAVE_NUMBER = 1e-9 * math.sqrt(2.0 * ELECTRON_MASS_KG * ELEMENTARY_CHARGE_C) / HBAR_J_S
"""Wave number of a free electron of 1 eV, and decay constant under a barrier of 1 eV, 1/nm."""

QUANTUM_US = 77.480917
"""Conductance quantum 2 e^2 / h, uS: about that of a contact of one metal atom (Limot et al., Phys.
Rev. Lett. 94, 126102, 2005)."""


def decay_constant(work_function_ev: float) -> float:
    """Decay constant of the wave function in the gap.

    Args:
        work_function_ev: apparent barrier height, eV, above 0.

    Returns:
        kappa, 1/nm: 10.868 at 4.5 eV, so that a decade of current is 0.106 nm.
    """
    return WAVE_NUMBER * math.sqrt(positive("work_function_ev", work_function_ev))


def surface_wave_number(mass: float, energy_ev: float) -> float:
    """Wave number of a surface state at an energy above its band's bottom.

    Args:
        mass: effective mass, electron masses, above 0.
        energy_ev: above the bottom of the band, eV, above 0.

    Returns:
        k, 1/nm: 2.095 for Cu(111) at the Fermi energy (0.38, 0.44 eV), 0.826 for Ag(111) (0.40,
        0.065 eV).
    """
    return WAVE_NUMBER * math.sqrt(positive("mass", mass) * positive("energy_ev", energy_ev))


@inline_kernel
def settled_linear(lead_nm, keep, kappa):
    """Remaining distance of the tip from its set point under a linear amplifier, nm.

    The loop dz/dt = K (I / I_set - 1) is fast upwards and slews with K downwards.

    With w = exp(2 kappa lead) it is dw/dt = 2 kappa K (1 - w), which is solved exactly.

    Args:
        lead_nm: height above the one that has the set current, nm.
        keep: exp(-2 kappa K dt).
        kappa: decay constant, 1/nm.
    """
    grown = exp64(2.0 * kappa * lead_nm)
    return log64(1.0 + (grown - 1.0) * keep) / (2.0 * kappa)


@kernel
def track_line(heights_nm, dt, gain, kappa, linear, lead_nm, trace_nm):
    """Scan one line at constant current.

    Args:
        heights_nm: (n,) float64, height of constant current over each pixel, nm.
        dt: time of a pixel, s.
        gain: K, nm/s: an e-fold of current (logarithmic) or all of it (linear) moves the tip so.
        kappa: decay constant, 1/nm.
        linear: whether the amplifier is linear.
        lead_nm: height of the tip above the first pixel's before the line, nm.
        trace_nm: (n,) float64, written: height of the tip at the end of each pixel, nm.

    Returns:
        Lead at the end of the line, nm.
    """
    keep = exp64(-2.0 * kappa * gain * dt)
    before = heights_nm[0]
    for i in range(heights_nm.size):
        lead_nm += before - heights_nm[i]
        before = heights_nm[i]
        # Logarithmic amplifier, dz/dt = K ln(I / I_set): plant gain 2 kappa, so the lead decays.
        lead_nm = settled_linear(lead_nm, keep, kappa) if linear else lead_nm * keep
        trace_nm[i] = before + lead_nm
    return lead_nm


@inline_kernel
def scattered_density(distance_nm, wave_number, phase_shift):
    """Change of the surface's density of states around a point scatterer, as a part of it.

    (1 / k r) [cos^2(k r - pi/4 + eta) - cos^2(k r - pi/4)] (Crommie, Lutz and Eigler, Nature 363,
    524, 1993), the far field of scattered surface electrons; it repeats every pi / k.

    Args:
        distance_nm: from the scatterer, nm. Within 1 / k, where the far field means nothing, the
            value at 1 / k is held (design choice).
        wave_number: k, 1/nm.
        phase_shift: eta, rad; pi/2 for a hard scatterer.
    """
    way = max(wave_number * distance_nm, 1.0)
    _, with_shift = sincos64(way - 0.25 * math.pi + phase_shift)
    _, without = sincos64(way - 0.25 * math.pi)
    return (with_shift * with_shift - without * without) / way
