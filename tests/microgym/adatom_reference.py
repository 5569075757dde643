"""Reference of dragged adatoms: overdamped motion in the whole potential of substrate and well.

`microgym.physics.adatoms` hops between hollows instead. Units are those of that module.
"""

import math

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import exp64, sincos64
from microgym.random import normal

_ROOT3 = math.sqrt(3.0)
STEEPEST = 5.354460
"""Largest slope of the substrate along a bridge path, barrier / lattice: (8 pi / sqrt 3)
|sin 2v + sin v| at cos v = (-1 - sqrt 33) / 8."""


@kernel
def substrate_energy(x, y, barrier, lattice):
    """Potential of an adatom, eV: 0 in hollows, `barrier` on bridges, 9 times that on tops.

    V = 2 E_b [sum of three cosines of k_j r + 3/2], |k_j| = 4 pi / (sqrt 3 a).
    """
    k = 2.0 * math.pi / lattice
    _, one = sincos64(k * y * (2.0 / _ROOT3))
    _, two = sincos64(k * (x - y / _ROOT3))
    _, three = sincos64(k * (x + y / _ROOT3))
    return 2.0 * barrier * (one + two + three + 1.5)


@kernel
def substrate_force(x, y, barrier, lattice):
    """Minus the gradient of `substrate_energy`: (x, y), eV/nm."""
    k = 2.0 * math.pi / lattice
    one, _ = sincos64(k * y * (2.0 / _ROOT3))
    two, _ = sincos64(k * (x - y / _ROOT3))
    three, _ = sincos64(k * (x + y / _ROOT3))
    scale = 2.0 * barrier * k
    return scale * (two + three), scale * (2.0 * one - two + three) / _ROOT3


def least_depth(barrier: float, lattice: float, width: float) -> float:
    """Depth below which no well of a width can drag an adatom at T = 0, eV.

    The largest pull of a Gaussian well, depth / (width sqrt e), must exceed the substrate's largest
    slope.
    """
    return STEEPEST * barrier / lattice * width * math.exp(0.5)


@kernel
def _well(x, y, tip_x, tip_y, depth, half_inverse):
    """Energy of an adatom at a place in the tip's well, eV."""
    dx, dy = x - tip_x, y - tip_y
    return -depth * exp64(-(dx * dx + dy * dy) * half_inverse)


@kernel
def pull(s0, s1, tick, place, start, end, well, bath, pitch, steps):
    """Drag one adatom by its overdamped motion in substrate and well (Langevin, unit mobility).

    Args:
        s0, s1: stream of the noise.
        tick: of the draws.
        place: (2,) float64, place of the adatom, nm; written.
        start, end: (x, y) of the tip, nm.
        well: `Well`.
        bath: `Bath`.
        pitch: length of a sample of the path, nm.
        steps: integration steps at each sample.
    """
    barrier, lattice, thermal = bath
    depth, width = well
    half_inverse = 0.5 / (width * width)
    k = 4.0 * math.pi / (_ROOT3 * lattice)
    # Stable Euler step: a twentieth of the inverse of the largest curvature.
    dt = 0.05 / (3.0 * barrier * k * k + depth / (width * width))
    # Fluctuation and dissipation at unit mobility: <dx^2> = 2 k T dt.
    noise = np.sqrt(2.0 * thermal * dt)
    dx, dy = end[0] - start[0], end[1] - start[1]
    count = max(int(np.ceil(np.sqrt(dx * dx + dy * dy) / pitch)), 1)
    for sample in range(count):
        part = (sample + 1.0) / count
        tip_x, tip_y = start[0] + part * dx, start[1] + part * dy
        for step in range(steps):
            x, y = place[0], place[1]
            # Force of the substrate, and of the Gaussian well: U (r - r_tip) / w^2.
            force_x, force_y = substrate_force(x, y, barrier, lattice)
            slope = _well(x, y, tip_x, tip_y, depth, half_inverse) * 2.0 * half_inverse
            place[0] += dt * (force_x + slope * (x - tip_x))
            place[1] += dt * (force_y + slope * (y - tip_y))
            if thermal > 0.0:
                draw = 2 * (sample * steps + step)
                place[0] += noise * normal(s0, s1, tick, draw)
                place[1] += noise * normal(s0, s1, tick, draw + 1)
