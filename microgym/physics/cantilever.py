"""A cantilever over a surface: force law, averaged motion of a tapping tip, and contact mode.

An oscillating cantilever obeys m z'' + (m w / Q) z' + k z = F0 cos(w t) + F(gap + z). The force is
that of Derjaguin, Mueller and Toporov in contact, F = -H R / (6 a0^2) + (4/3) E sqrt(R) s^(3/2) at
a depth s = a0 - d, and van der Waals' between sphere and plane, F = -H R / (6 d^2), beyond a0.

Averaged over a cycle at resonance (Krylov and Bogoliubov; San Paulo and Garcia, Phys. Rev. B 64,
193411, 2001), z = A cos(w t - phi) follows

    dA/dt = (A0 sin phi - A) / tau,    A dphi/dt = A0 cos phi / tau + w V / (k A),

with tau = 2 Q / w and V = <F z>, positive where attraction prevails. In steady state this is the
harmonic balance A^2 + (2 Q V / (k A))^2 = A0^2. In the coordinates u = A sin phi, v = A cos phi the
force turns the vector (u, v) by an angle w V t / (k A^2), and the rest lets it relax to (A0, 0):
each is a step that keeps A, or is exact. Branches of the amplitude, their ends, and forces in steep
places follow, where dA/dt asks for a phase that only further impacts can turn.

Lengths are in nm, forces in nN, stiffness in nN/nm (N/m), moduli in nN/nm^2 (GPa), Hamaker
constants in nN nm (1e-18 J). Tests compare with the integrated equation of motion.
"""

import math
from dataclasses import dataclass

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.validation import Checked, NonNegative, Positive

HAMAKER_NN_NM = 0.064
"""Hamaker constant, nN nm: 6.4e-20 J, silicon on silicon oxide or a polymer in air, as is commonly
quoted (not verified here)."""
CONTACT_NM = 0.165
"""Intermolecular distance a0 at which contact begins, nm (Israelachvili, Intermolecular and Surface
Forces)."""
STIFFEST = 2.0
"""Largest square of the contact's angular frequency times the step. Between amplitude and phase the
contact acts as a spring of frequency W, W^2 = (A0 / tau) (w / (k A)) E sqrt(R) s / sqrt(2 A). A
contact that is stiffer than the step resolves is taken as softer, at the same mean force."""

# Of type float32, so that sums stay in it.
_F32 = np.float32
_A0, _ZERO, _ONE, _TWO = _F32(CONTACT_NM), _F32(0.0), _F32(1.0), _F32(2.0)
_ADHESION = _F32(1.0 / CONTACT_NM**2)
_FAR, _FIRST, _SECOND = _F32(4.0 / math.pi), _F32(0.269), _F32(0.0285)
_GROWTH, _SLIGHT, _EIGHTH, _LEAST = _F32(0.75), _F32(0.35), _F32(0.125), _F32(0.3)
_STEPS = 40


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
        """Time constant tau = 2 Q / w of the free cantilever, s."""
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


@inline_kernel
def adhesion_of(radius):
    """Adhesion H R / (6 a0^2) of a sphere, nN."""
    return HAMAKER_NN_NM * radius / (6.0 * CONTACT_NM * CONTACT_NM)


@kernel
def coupling_of(step_s, lag_s, stiffness_n_m, quality, free_nm, radius_nm):
    """Factors of `turn_of` for a step of the averaged motion.

    Args:
        step_s: duration of the step, s.
        lag_s: time constant tau, s.
        stiffness_n_m, quality, free_nm: k, Q and A0 of the cantilever.
        radius_nm: of the tip.

    Returns:
        Factors of attraction, of repulsion, and of the softest contact that is not resolved.
    """
    # Half an angle is w V dt / (2 k A^2), w = 2 Q / tau.
    w = 2.0 * quality / lag_s
    turn = 0.5 * w * step_s / stiffness_n_m
    attraction = turn * HAMAKER_NN_NM * radius_nm * np.sqrt(2.0) / (6.0 * np.pi)
    # From W^2 dt^2 <= STIFFEST: E sqrt(R) s <= STIFFEST tau k sqrt(2) A^(3/2) / (A0 w dt^2).
    bound = STIFFEST * lag_s * stiffness_n_m * np.sqrt(2.0) / (free_nm * w * step_s * step_s)
    return attraction, turn / (2.0 * np.sqrt(2.0)), bound


@inline_kernel
def turn_of(amplitude, root, gap, elastic, attraction, repulsion, bound):
    """Half the angle by which a force turns the motion in a step, as a fraction; float32.

    With y = sqrt(s) and A large against s (Hertz' part: exact to s^2 / A^2)

        V = (sqrt(2) H R / 6 pi) sqrt(A) J - E sqrt(R) sqrt(A) s^2 / (2 sqrt(2)) (1 - s / 8 A),

    J the integral of 1 / max(d + x^2, a0)^2 over x > 0: (pi / 4) d^(-3/2) outside of contact, and y
    / a0^2 + 1 / (4 a0^(3/2) / pi + 0.269 y + 0.0285 y^2) in it, to 0.5 % for depths up to 2 nm. The
    attraction's factor 1 / (1 + 3 d / 4 A) is exact in first order; 1 - 0.35 s / A is fitted to the
    quadrature.

    Args:
        amplitude: A, nm, above 0.
        root: its square root.
        gap: mean distance, nm.
        elastic: E sqrt(R), nN/nm^(3/2).
        attraction, repulsion, bound: see `coupling_of`.

    Returns:
        Numerator and denominator, and E sqrt(R) s^2, bounded, nN sqrt(nm).
    """
    d = gap - amplitude
    s = max(_A0 - d, _ZERO)
    y, far, cube = np.sqrt(s), max(d, _A0), amplitude * root
    stiff = min(elastic * s, bound * cube)
    rest = _FAR * far * np.sqrt(far) + y * (_FIRST + _SECOND * y)
    part, span = amplitude - _SLIGHT * s, amplitude + _GROWTH * max(d, _ZERO)
    pull = attraction * (_ADHESION * y * rest + _ONE) * amplitude * max(part, _LEAST * amplitude)
    push = repulsion * stiff * s * (amplitude - _EIGHTH * s) * rest * span
    return pull - push, amplitude * cube * rest * span, stiff * s


@kernel
def balanced_gap(amplitude, elastic, free, lag_s, step_s, coupling):
    """Gap at which a tapping tip has an amplitude in repulsion, in steady state, nm.

    Args:
        amplitude: A, nm, between 0 and A0.
        elastic: E sqrt(R), nN/nm^(3/2).
        free, lag_s: A0, nm, and time constant of the cantilever, s.
        step_s: step of `coupling_of`, s.
        coupling: what it returns.
    """
    attraction, repulsion, bound = coupling
    a, root = _F32(amplitude), _F32(np.sqrt(amplitude))
    # w V / (k A^2) = -sqrt(A0^2 - A^2) / (A tau), of which half an angle is one half.
    wanted = -0.5 * step_s * np.sqrt(max(free * free - amplitude * amplitude, 0.0))
    wanted /= amplitude * lag_s
    low, high = 0.0, amplitude + CONTACT_NM
    for _ in range(_STEPS):
        gap = 0.5 * (low + high)
        turn, whole, _ = turn_of(
            *(a, root, _F32(gap), _F32(elastic)),
            *(_F32(attraction), _F32(repulsion), _F32(bound)),
        )
        if turn > wanted * whole:
            high = gap
        else:
            low = gap
    return 0.5 * (low + high)


@inline_kernel
def contact_peak(stiff, elastic, radius):
    """Largest force within a cycle, nN: (4/3) E sqrt(R) s^(3/2) less adhesion, at least 0.

    The depth is that of the mean force <F> = E sqrt(R) s^2 / (2 sqrt(2 A)).

    Args:
        stiff: E sqrt(R) s^2, as bounded in `turn_of`, nN sqrt(nm).
        elastic: E sqrt(R), nN/nm^(3/2).
        radius: of the tip, nm.
    """
    square = stiff / elastic
    root = np.sqrt(square)
    return max(4.0 / 3.0 * elastic * root * np.sqrt(root) - adhesion_of(radius), 0.0)


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


@kernel
def cube_root(x):
    """Cube root of a number of at least 0, by Newton's method from above."""
    root = max(x, 1.0)
    for _ in range(2 * _STEPS):
        root = (2.0 * root + x / (root * root)) / 3.0
    return root


@kernel
def contact_pressure(hard, radius):
    """Largest pressure under a sphere, GPa: p = (6 F E^2 / (pi^3 R^2))^(1/3) (Hertz).

    Args:
        hard: F E^2 R, force times the square of E sqrt(R), nN^3/nm^3.
        radius: R, nm.
    """
    return cube_root(6.0 * hard / (np.pi * radius) ** 3)


@kernel
def contact_limits(stiffness_n_m, radius_nm):
    """Numbers of a cantilever in contact mode, nm but for the third.

    The gap is the height of the unbent tip over the surface. From far, the cantilever bends towards
    the surface by x = H R / (6 k d^2), and contact begins where the attraction's gradient
    H R / (3 d^3) exceeds the spring constant: at the distance d = (H R / 3k)^(1/3) and the gap
    d + x = 3/2 d. It holds until adhesion H R / (6 a0^2) is overcome.

    Args:
        stiffness_n_m: spring constant k, N/m.
        radius_nm: of the tip.

    Returns:
        Bending by adhesion, gap at which contact begins, H R / 6k in nm^3, and gap at which it
        ends.
    """
    pull = adhesion_of(radius_nm) / stiffness_n_m
    reach = HAMAKER_NN_NM * radius_nm / (6.0 * stiffness_n_m)
    snap = 1.5 * cube_root(2.0 * reach)
    return pull, snap, reach, max(pull, snap)


@inline_kernel
def deflection_of(gap, depth_root, elastic, spring, pull, snap, reach, lost):
    """Target of minus the deflection in contact mode, nm; float32.

    In contact the cantilever is in series with the elastic surface: k (push - s) = (4/3) E sqrt(R)
    s^(3/2), push = pull - gap, by Newton's method in sqrt(s) from the last depth.

    Args:
        gap: height of the unbent tip, nm.
        depth_root: sqrt(s) before; below 0 where the tip does not touch.
        elastic: E sqrt(R), nN/nm^(3/2).
        spring: k, N/m.
        pull, snap, reach, lost: see `contact_limits`.

    Returns:
        Minus the deflection, sqrt(s) or -1, and load on the contact, nN.
    """
    touches = gap < (lost if depth_root >= _ZERO else snap)
    push = max(pull - gap, _ZERO)
    beta = _F32(4.0 / 3.0) * elastic / spring
    y = depth_root if depth_root > _ZERO else np.sqrt(push)
    for _ in range(4):
        slope = (_F32(3.0) * beta * y + _TWO) * y + _F32(1e-6)
        y = max(y - ((beta * y + _ONE) * y * y - push) / slope, _ZERO)
    press = max(push - y * y, _ZERO)
    # Attraction before contact, x = (H R / 6k) / (gap - x)^2.
    away = max(gap, snap)
    x = reach / (away * away)
    for _ in range(2):
        x = reach / ((away - x) * (away - x))
    target = pull - press if touches else x
    return target, (y if touches else -_ONE), (spring * press if touches else _ZERO)


def hertz_of(modulus_gpa: float, radius_nm: float) -> float:
    """(4/3) E sqrt(R), nN/nm^(3/2)."""
    return 4.0 / 3.0 * modulus_gpa * math.sqrt(radius_nm)
