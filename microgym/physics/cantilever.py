"""A cantilever over a surface: force law, amplitude against distance, and peak force.

An oscillating cantilever obeys m z'' + (m w / Q) z' + k z = F0 cos(w t) + F(gap + z). At resonance
and in one harmonic its amplitude A at a mean gap g solves (San Paulo and Garcia, Phys. Rev. B 64,
193411, 2001, without dissipation)

    A^2 + (2 Q V / (k A))^2 = A0^2,    V(g, A) = <F z>,

with the sign of V that of attraction. The force is that of Derjaguin, Mueller and Toporov in
contact, F = -H R / (6 a0^2) + (4/3) E sqrt(R) (a0 - d)^(3/2), and van der Waals' between sphere and
plane, F = -H R / (6 d^2), beyond a0. Lengths are in nm, forces in nN, stiffness in nN/nm (N/m),
moduli in nN/nm^2 (GPa), Hamaker constants in nN nm (1e-18 J).

A scan reads the amplitude from tables; tests compare the tables with the integrated equation of
motion.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import sincos
from microgym.validation import Checked, NonNegative, Positive

HAMAKER_NN_NM = 0.064
"""Hamaker constant, nN nm: 6.4e-20 J, silicon on silicon oxide or a polymer in air, as is commonly
quoted (not verified here)."""
CONTACT_NM = 0.165
"""Intermolecular distance at which contact begins, nm (Israelachvili, Intermolecular and Surface
Forces)."""
MODULI_GPA = (0.5, 1.5, 4.5, 13.5, 40.0, 120.0)
"""Reduced moduli at which tables are made, GPa: soft polymer to diamond-like (design choice)."""
RADII_NM = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Radii of the tip at which tables are made, nm: sharper than new to ruined (design choice)."""
NODES = 256
"""Points of the quadrature over half a cycle: within 1e-3 of V (design choice)."""
_AMPLITUDES = 72
_GAPS = 512
_STEPS = 34
_BEYOND_NM = 4.0

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Cantilever(Checked):
    """A cantilever and its drive.

    Attributes:
        stiffness_n_m: spring constant k, N/m.
        resonance_hz: resonance frequency, Hz.
        quality: quality factor Q.
        free_amplitude_nm: amplitude A0 far from the surface, nm; 0 for contact mode.
    """

    stiffness_n_m: Positive = 40.0
    resonance_hz: Positive = 300e3
    quality: Positive = 400.0
    free_amplitude_nm: NonNegative = 20.0

    @property
    def lag_s(self) -> float:
        """Time constant 2 Q / w with which the amplitude follows, s."""
        return self.quality / (np.pi * self.resonance_hz)


@inline_kernel
def tip_force(d, hamaker_radius, stiffness):
    """Force on the tip at a distance, nN, positive if repulsive.

    Args:
        d: distance, nm.
        hamaker_radius: H R, nN nm^2.
        stiffness: (4/3) E sqrt(R), nN/nm^(3/2).
    """
    depth = CONTACT_NM - d
    inside = max(depth, 0.0)
    far = max(d, CONTACT_NM)
    return stiffness * inside * np.sqrt(inside) - hamaker_radius / (6.0 * far * far)


@kernel
def virial(gap, amplitude, hamaker_radius, stiffness, cosines):
    """V = <F z> over a cycle, nN nm; positive if attraction prevails.

    Args:
        gap: mean distance, nm.
        amplitude: nm.
        hamaker_radius, stiffness: as in `tip_force`.
        cosines: (nodes,) cosines of the midpoints of equal parts of half a cycle.
    """
    total = 0.0
    # Midpoint rule over half a cycle: the other half is its mirror image.
    for i in range(cosines.size):
        z = amplitude * cosines[i]
        total += tip_force(gap + z, hamaker_radius, stiffness) * z
    return total / cosines.size


@kernel
def _falling_to(level, low, high, amplitude, hamaker_radius, stiffness, cosines, rising):
    """Gap in [low, high] at which V has a level, V rising (or falling) between them."""
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        above = virial(middle, amplitude, hamaker_radius, stiffness, cosines) > level
        if above == rising:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


@kernel
def _most_attractive(amplitude, hamaker_radius, stiffness, cosines):
    """Gap at which V is largest (golden section)."""
    low, high = amplitude - 4.0, amplitude + 4.0 * CONTACT_NM
    golden = 0.6180339887498949
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a = virial(a, amplitude, hamaker_radius, stiffness, cosines)
    at_b = virial(b, amplitude, hamaker_radius, stiffness, cosines)
    # The larger of two inner points keeps its side of the bracket.
    for _ in range(_STEPS):
        if at_a > at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = virial(a, amplitude, hamaker_radius, stiffness, cosines)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = virial(b, amplitude, hamaker_radius, stiffness, cosines)
    return 0.5 * (low + high)


@kernel
def solve_gaps(amplitudes, free, slope, hamaker_radius, stiffness, cosines, out):
    """Gaps at which the harmonic balance holds, by bisection.

    Args:
        amplitudes: (n,) nm, below the free amplitude.
        free: free amplitude, nm.
        slope: k / (2 Q), nN/nm.
        hamaker_radius, stiffness: as in `tip_force`.
        cosines: as in `virial`.
        out: (3, n) float64, written: outer attractive solution, inner one, repulsive one; NaN where
            attraction is too weak for the first two.
    """
    for i in range(amplitudes.size):
        a = amplitudes[i]
        # |V| = (k / 2 Q) A sqrt(A0^2 - A^2), from the harmonic balance.
        level = slope * a * np.sqrt(max(free * free - a * a, 0.0))
        top = _most_attractive(a, hamaker_radius, stiffness, cosines)
        # Repulsive solution: V = -level, below the gap of largest attraction.
        low = top - 4.0
        while virial(low, a, hamaker_radius, stiffness, cosines) > -level:
            low -= 4.0
        out[2, i] = _falling_to(-level, low, top, a, hamaker_radius, stiffness, cosines, True)
        # Two attractive solutions, V = level, on either side of that gap.
        if virial(top, a, hamaker_radius, stiffness, cosines) > level:
            far = top + 60.0
            out[0, i] = _falling_to(level, top, far, a, hamaker_radius, stiffness, cosines, False)
            out[1, i] = _falling_to(level, low, top, a, hamaker_radius, stiffness, cosines, True)
        else:
            out[0, i] = np.nan
            out[1, i] = np.nan


@functools.cache
def half_cycle(nodes: int = NODES) -> Float64:
    """Cosines of the midpoints of equal parts of half a cycle, (nodes,) float64, read-only."""
    cosines = sincos(np.pi * (np.arange(nodes) + 0.5) / nodes)[1]
    cosines.flags.writeable = False
    return cosines


def balance(
    cantilever: Cantilever,
    modulus_gpa: float,
    radius_nm: float,
    amplitudes_nm: Float64,
    hamaker_nn_nm: float = HAMAKER_NN_NM,
    nodes: int = NODES,
) -> Float64:
    """Gaps at which a cantilever has given amplitudes.

    Args:
        cantilever: the cantilever and its drive.
        modulus_gpa: reduced modulus of tip and specimen, GPa; 0 for no repulsion at all.
        radius_nm: radius of the tip, nm.
        amplitudes_nm: (n,), below the free amplitude.
        hamaker_nn_nm: Hamaker constant, nN nm.
        nodes: points of the quadrature.

    Returns:
        (3, n) gaps, nm: outer attractive, inner attractive, repulsive; NaN where there is none.
    """
    out = np.empty((3, amplitudes_nm.size))
    stiffness = hertz_of(modulus_gpa, radius_nm)
    slope = cantilever.stiffness_n_m / (2.0 * cantilever.quality)
    solve_gaps(
        np.ascontiguousarray(amplitudes_nm, np.float64),
        float(cantilever.free_amplitude_nm),
        slope,
        float(hamaker_nn_nm * radius_nm),
        stiffness,
        half_cycle(nodes),
        out,
    )
    return out


def branches(
    cantilever: Cantilever,
    modulus_gpa: float,
    radius_nm: float,
    gaps_nm: Float64,
    hamaker_nn_nm: float = HAMAKER_NN_NM,
) -> Float64:
    """Amplitude against gap, on approach and on retraction.

    All solutions of the harmonic balance form one curve. Where the gap goes back and forth along
    it, two amplitudes are stable, and the history of the gap selects one. Below the gap at which
    the oscillation is quenched the curve goes on with slope one into negative values, the target of
    the collapsing amplitude.

    Args:
        cantilever: the cantilever and its drive.
        modulus_gpa, radius_nm: reduced modulus and radius of the tip.
        gaps_nm: (n,) rising, nm.
        hamaker_nn_nm: Hamaker constant, nN nm.

    Returns:
        (2, n) amplitudes, nm: coming from far, coming from near; equal where only one is stable.
    """
    free = cantilever.free_amplitude_nm
    first = 0.02
    angle = np.linspace(first, 0.5 * np.pi - 1e-4, _AMPLITUDES)
    amplitude = free * sincos(angle)[0]
    outer, inner, near = balance(cantilever, modulus_gpa, radius_nm, amplitude, hamaker_nn_nm)
    there = ~np.isnan(outer)
    # From far away down the curve: falling on the outer branch, up the inner one, then repulsion.
    gap = np.concatenate([outer[there][::-1], inner[there], near[::-1]])
    value = np.concatenate([amplitude[there][::-1], amplitude[there], amplitude[::-1]])
    coming = gap <= np.minimum.accumulate(gap)
    going = (gap[::-1] >= np.maximum.accumulate(gap[::-1]))[::-1]
    out = np.empty((2, gaps_nm.size))
    for layer, kept in enumerate((coming, going)):
        g, a = gap[kept][::-1], value[kept][::-1]
        out[layer] = np.interp(gaps_nm, g, a, right=free)
        below = gaps_nm < g[0]
        out[layer, below] = a[0] + gaps_nm[below] - g[0]
    return out


class SignalTable(NamedTuple):
    """Signal of the feedback loop against the gap, for moduli and radii.

    Attributes:
        low_nm: smallest gap, nm.
        step_nm: distance of the gaps, nm.
        values: (radii, 2, moduli, gaps) float64: amplitude in nm, or minus the deflection in nm in
            contact mode; coming from far, and coming from near.
        free: signal far from the surface, nm.
    """

    low_nm: float
    step_nm: float
    values: Float64
    free: float


@functools.lru_cache(maxsize=8)
def amplitude_table(cantilever: Cantilever) -> SignalTable:
    """The table of an oscillating cantilever.

    Args:
        cantilever: with a free amplitude above 0.

    Returns:
        Amplitudes for `MODULI_GPA` and `RADII_NM`; its arrays are read-only.
    """
    free = cantilever.free_amplitude_nm
    gaps = np.linspace(-free, free + _BEYOND_NM, _GAPS)
    values = np.empty((len(RADII_NM), 2, len(MODULI_GPA), _GAPS))
    for r, radius in enumerate(RADII_NM):
        for m, modulus in enumerate(MODULI_GPA):
            values[r, :, m] = branches(cantilever, modulus, radius, gaps)
    values.flags.writeable = False
    return SignalTable(float(gaps[0]), float(gaps[1] - gaps[0]), values, free)


@inline_kernel
def pressed(push, spring, stiffness):
    """Force of a spring that pushes an elastic contact, nN.

    Solves F = k (push - depth) = (4/3) E sqrt(R) depth^(3/2) by Newton's method from above, which
    converges from there without fail since the function is convex.

    Args:
        push: depth that the unbent spring would reach in the surface, nm, at least 0.
        spring: k, N/m.
        stiffness: (4/3) E sqrt(R).
    """
    depth = push
    for _ in range(8):
        root = np.sqrt(depth)
        excess = stiffness * depth * root - spring * (push - depth)
        depth = max(depth - excess / (1.5 * stiffness * root + spring), 0.0)
    return spring * (push - depth)


@functools.lru_cache(maxsize=8)
def deflection_table(cantilever: Cantilever, reach_nm: float = 400.0) -> SignalTable:
    """The table of a cantilever in contact mode: minus its deflection against the gap.

    The gap is the height of the unbent tip over the surface. In contact the cantilever is in series
    with the elastic surface, and holds on until the adhesion H R / (6 a0^2) is overcome. From far,
    the cantilever bends towards the surface by x = H R / (6 k d^2), and contact begins where the
    attraction's gradient H R / (3 d^3) exceeds the spring constant: at the distance d = (H R /
    3k)^(1/3) and the gap d + x = 3/2 d. Pull-off is where adhesion bends the cantilever by the gap.

    Args:
        cantilever: its free amplitude is ignored.
        reach_nm: deepest push, nm.

    Returns:
        Deflections for `MODULI_GPA` and `RADII_NM`; its arrays are read-only.
    """
    k = cantilever.stiffness_n_m
    high = 1.5 * HAMAKER_NN_NM * RADII_NM[-1] / (6.0 * CONTACT_NM**2) / k + 2.0
    gaps = np.linspace(-reach_nm, high, 2 * _GAPS)
    values = np.zeros((len(RADII_NM), 2, len(MODULI_GPA), gaps.size))
    for r, radius in enumerate(RADII_NM):
        pull = HAMAKER_NN_NM * radius / (6.0 * CONTACT_NM**2) / k
        # Bending is left out before contact: it is at most half the distance d.
        snap = 1.5 * np.cbrt(HAMAKER_NN_NM * radius / (3.0 * k))
        for m, modulus in enumerate(MODULI_GPA):
            touching = _touching(gaps, k, hertz_of(modulus, radius), pull)
            for layer, limit in enumerate((snap, max(pull, snap))):
                values[r, layer, m] = np.where(gaps < limit, touching, 0.0)
    values.flags.writeable = False
    return SignalTable(float(gaps[0]), float(gaps[1] - gaps[0]), values, 0.0)


def hertz_of(modulus_gpa: float, radius_nm: float) -> float:
    """(4/3) E sqrt(R), nN/nm^(3/2)."""
    return 4.0 / 3.0 * modulus_gpa * float(np.sqrt(radius_nm))


def _touching(gaps: Float64, spring: float, stiffness: float, pull_nm: float) -> Float64:
    """Minus the deflection in contact; adhesion shifts the zero of force by `pull_nm`."""
    out = np.empty_like(gaps)
    _press_rows(np.maximum(pull_nm - gaps, 0.0), spring, stiffness, out)
    return np.minimum(pull_nm - out / spring, np.maximum(gaps, 0.0) + pull_nm)


@kernel
def _press_rows(push, spring, stiffness, out):
    """`pressed` for an array."""
    for i in range(push.size):
        out[i] = pressed(push[i], spring, stiffness)


@inline_kernel
def mean_force(target, slope, free):
    """Time average of the force on the tip, nN: (k / 2Q) sqrt(A0^2 - T^2).

    In steady state T is the amplitude (San Paulo and Garcia 2001). While the amplitude falls, T is
    its target A + (2Q / w) dA/dt: the drive's phase turns until it brakes the oscillation, and the
    mean force holds that phase.

    Args:
        target: T, nm.
        slope: k / (2 Q), nN/nm.
        free: free amplitude, nm.
    """
    return slope * np.sqrt(max(free * free - target * target, 0.0))


@kernel
def peak_force(amplitude, target, modulus, radius, spring, quality, free):
    """Largest force within a cycle, nN, and the part of the cycle that the tip is in contact.

    A contact of depth s lasts a part sqrt(2 s / A) / pi of a cycle and carries E sqrt(R) s^2 /
    (2 sqrt(2 A)) on average (large amplitudes; its scaling: Hu and Raman, Appl. Phys. Lett. 91,
    123106, 2007). That is the mean force and the share of van der Waals' attraction: all of the
    adhesion during contact, and on the way there a part sqrt(2 a0 / A) / 4 for an orbit that just
    touches, a0 / (pi sqrt(2 s A)) for one that goes deep (of both the harmonic sum). Where the
    target is below zero, the cantilever is pushed by that much besides.

    Args:
        amplitude: nm, above 0.
        target: T of `mean_force`, nm; below 0 where the oscillation is being quenched.
        modulus, radius: reduced modulus, GPa, and radius of the tip, nm.
        spring, quality, free: of the cantilever.
    """
    adhesion = HAMAKER_NN_NM * radius / (6.0 * CONTACT_NM * CONTACT_NM)
    least = max(amplitude, 1.0)
    mean = mean_force(max(target, 0.0), spring / (2.0 * quality), free)
    elastic = modulus * np.sqrt(radius)
    scale = 2.0 * np.sqrt(2.0 * least) / elastic
    touching = 4.0 / np.sqrt(2.0 * CONTACT_NM / least)
    share, depth, way = 0.0, 0.0, 1.0 / touching
    # Fixed point of depth, share of the cycle in contact, and attraction on the way there.
    for _ in range(4):
        depth = np.sqrt(scale * (mean + adhesion * (share + way)))
        share = min(np.sqrt(2.0 * depth / least) / np.pi, 1.0)
        way = 1.0 / (touching + np.pi * np.sqrt(2.0 * depth * least) / CONTACT_NM)
    # F = (4/3) E sqrt(R) s^(3/2) - H R / (6 a0^2).
    force = max(4.0 / 3.0 * elastic * depth * np.sqrt(depth) - adhesion, 0.0)
    # A quenched cantilever is pressed into the surface as a spring.
    if target < 0.0:
        force += pressed(-target, spring, 4.0 / 3.0 * elastic)
        share = 1.0
    return force, share
