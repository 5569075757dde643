"""Adatoms on a close-packed metal surface, and a tip that drags them.

An adatom on fcc(111) sits in a hollow. The hollows form a honeycomb, a bridge lies between two of
them, and the top of a surface atom in the middle of every hexagon. The tip adds an attractive
Gaussian well. At a few kelvin an adatom hops only where the well lowers the barrier to almost
nothing, so that geometry decides: along close-packed rows, from bridge to bridge, the adatom
follows easily; straight over a top it stays behind.

`drag` hops between hollows with Arrhenius rates (kinetic Monte Carlo); tests compare it with the
overdamped motion in the whole potential.
Lengths are in nm, energies in eV, times in s, conductances in uS.
x runs along a close-packed row, a top is at the origin, places are (x, y).
"""

import math
from typing import NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import exp64, log64
from microgym.physics.tunnelling import QUANTUM_US
from microgym.random import threefry, uniform

LATTICE_NM = 0.288
"""Distance of neighbouring atoms of Ag(111), nm (Chen et al., Nat. Commun. 13, 7499, 2022)."""
BARRIER_EV = 0.06
"""Barrier from hollow to hollow, eV: lower end of 60 to 100 meV quoted for Ag on Ag(111)."""
ATTEMPTS_HZ = 1e12
"""Attempt rate of hops, 1/s (design choice, the usual order)."""
TRANSFER = 0.5
"""Share of the energy that a hop gains which its barrier loses; a half keeps detailed balance."""
DEPTH_EXPONENT = 0.46
"""The well deepens as conductance to this power: 1 / (2 kappa lambda) for a force that decays over
lambda = 0.1 nm (design choice)."""

_ROOT3 = math.sqrt(3.0)
_REACH = 6.0  # widths beyond which the well is nothing: exp(-18) = 1.5e-8
MOST_HOPS = 0.01
"""Hops by itself, of one adatom in an hour, below which the cold holds an adatom (design choice).
"""
_NEVER = 1e12  # a hop with a mean waiting time of so many durations is left out


class Bath(NamedTuple):
    """Substrate and temperature that an adatom hops under.

    Attributes:
        barrier_ev: barrier from hollow to hollow, eV.
        lattice_nm: distance of surface atoms, nm.
        thermal_ev: k T, eV.
    """

    barrier_ev: float
    lattice_nm: float
    thermal_ev: float


class Well(NamedTuple):
    """Attractive Gaussian well of the tip.

    Attributes:
        depth_ev: eV.
        width_nm: standard deviation, nm.
    """

    depth_ev: float
    width_nm: float


def warmest_ev(barrier_ev: float) -> float:
    """Largest k T, eV, at which adatoms under no tip stay where they are.

    At three hops of rate a exp(-E / k T) an adatom makes `MOST_HOPS` of them in an hour: 1.44 meV,
    16.8 K, at 60 meV.

    Args:
        barrier_ev: E, barrier from hollow to hollow, eV.
    """
    return barrier_ev / math.log(3.0 * ATTEMPTS_HZ * 3600.0 / MOST_HOPS)


@kernel
def site_place(n, m, s, lattice):
    """Place (x, y) of a hollow, nm.

    Args:
        n: cells along the row.
        m: cells along the row turned by 60 degrees.
        s: 0 for the fcc hollow of the cell, 1 for the hcp hollow.
        lattice: distance of surface atoms, nm.
    """
    third = (s + 1.0) / 3.0
    u, v = n + third, m + third
    return lattice * (u + 0.5 * v), lattice * 0.5 * _ROOT3 * v


@kernel
def nearest_site(x, y, lattice):
    """The hollow (n, m, s) nearest to a place.

    The region of a hollow is the triangle between the three surface atoms around it.

    Args:
        x, y: place, nm.
        lattice: distance of surface atoms, nm.

    Returns:
        Cells along both directions, and 0 for the fcc or 1 for the hcp hollow.
    """
    v = y / (0.5 * _ROOT3 * lattice)
    u = x / lattice - 0.5 * v
    n, m = np.floor(u), np.floor(v)
    s = 1 if (u - n) + (v - m) >= 1.0 else 0
    return int(n), int(m), s


@inline_kernel
def _neighbour(n, m, s, j):
    """Neighbour j (0, 1, 2) of a hollow: the other kind, in the same cell or an adjacent one."""
    step = 1 if s == 1 else -1
    return n + (step if j == 1 else 0), m + (step if j == 2 else 0), 1 - s


@kernel
def well_depth(conductance, strength):
    """Depth of the tip's well, eV: strength (G / G_0)^0.46.

    Args:
        conductance: of the junction over the adatom, uS.
        strength: depth at the conductance quantum, eV.
    """
    return strength * exp64(DEPTH_EXPONENT * log64(conductance / QUANTUM_US))


@inline_kernel
def hop_rate(barrier, gain, thermal):
    """Rate of one hop, 1/s, that gains an energy; without barrier it is the attempt rate.

    Args:
        barrier: height of the barrier without the tip, eV.
        gain: energy that the hop gains, eV.
        thermal: k T, eV.
    """
    height = barrier - TRANSFER * gain
    return ATTEMPTS_HZ * exp64(-(height if height > 0.0 else 0.0) / thermal)


@inline_kernel
def _well(x, y, tip_x, tip_y, depth, half_inverse):
    """Energy of an adatom at a place in the tip's well, eV."""
    dx, dy = x - tip_x, y - tip_y
    return -depth * exp64(-(dx * dx + dy * dy) * half_inverse)


@kernel
def _blocked(places, present, atom, x, y, lattice):
    """True if another adatom is closer to a hollow than two can be."""
    for other in range(places.shape[0]):
        if other != atom and present[other]:
            dx, dy = places[other, 0] - x, places[other, 1] - y
            if dx * dx + dy * dy < 0.81 * lattice * lattice:
                return True
    return False


@kernel
def hop_for(s0, s1, tick, index, atom, sites, places, present, tip, well, bath, duration):
    """Let one adatom hop for a time under a tip that stands still; exact for constant rates.

    The waiting time to the next hop is exponential with the total rate, so the statistics are the
    same however a time is sliced.

    Args:
        s0, s1: stream of the adatoms, of the exogenous role.
        tick: of the draws.
        index: number of this interval and atom in the tick; its draws have a stream of their own.
        atom: which.
        sites: (A, 3) int64, hollows (n, m, s); written.
        places: (A, 2) float64, places (x, y), nm; written.
        present: (A,) bool.
        tip: (x, y), nm.
        well: `Well`.
        bath: `Bath`.
        duration: s.

    Returns:
        Number of hops.
    """
    barrier, lattice, thermal = bath
    depth, width = well
    half_inverse = 0.5 / (width * width)
    highest = thermal * log64(_NEVER * ATTEMPTS_HZ * duration)
    left, hops = duration, 0
    k0, k1 = threefry(s0, s1, index, tick)
    # Every turn takes a waiting time off what is left, until it is used up or no hop is possible.
    while True:
        n, m, s = sites[atom, 0], sites[atom, 1], sites[atom, 2]
        here = _well(places[atom, 0], places[atom, 1], tip[0], tip[1], depth, half_inverse)
        # At most so much could be gained: where that is not enough, nothing happens.
        if barrier - TRANSFER * (here + depth) >= highest:
            break
        rate_0, rate_1, rate_2 = 0.0, 0.0, 0.0
        for j in range(3):
            to_n, to_m, to_s = _neighbour(n, m, s, j)
            x, y = site_place(to_n, to_m, to_s, lattice)
            there = _well(x, y, tip[0], tip[1], depth, half_inverse)
            rate = 0.0
            likely = barrier - TRANSFER * (here - there) < highest
            if likely and not _blocked(places, present, atom, x, y, lattice):
                rate = hop_rate(barrier, here - there, thermal)
            if j == 0:
                rate_0 = rate
            elif j == 1:
                rate_1 = rate
            else:
                rate_2 = rate
        total = rate_0 + rate_1 + rate_2
        if total == 0.0:
            break
        left -= -log64(uniform(k0, k1, hops, 0)) / total
        if left < 0.0:
            break
        pick = total * uniform(k0, k1, hops, 1)
        j = 0 if pick < rate_0 else (1 if pick < rate_0 + rate_1 else 2)
        n, m, s = _neighbour(n, m, s, j)
        sites[atom, 0], sites[atom, 1], sites[atom, 2] = n, m, s
        places[atom, 0], places[atom, 1] = site_place(n, m, s, lattice)
        hops += 1
    return hops


@kernel
def near(places, atom, x, y, reach):
    """True if an adatom is within a reach of a place.

    Args:
        places: (A, 2) float64, nm.
        atom: which adatom.
        x, y: place, nm.
        reach: nm.
    """
    dx, dy = places[atom, 0] - x, places[atom, 1] - y
    return dx * dx + dy * dy < reach * reach


@kernel
def hop_reach(well, bath, duration):
    """Distance from a tip beyond which no adatom hops, nm, in a cold substrate (`warmest_ev`).

    A hop of a length h from the distance r gains at most depth exp(-(r - h)^2 / (2 width^2)).
    """
    barrier, lattice, thermal = bath
    depth, width = well
    most = _REACH * width
    least = (barrier - thermal * log64(_NEVER * ATTEMPTS_HZ * duration)) / TRANSFER
    if least <= 0.0:
        return most
    if depth <= least:
        return 0.0
    return min(most, lattice / _ROOT3 + 1.000001 * width * np.sqrt(2.0 * log64(depth / least)))


@kernel
def pass_over(s0, s1, tick, index, sites, places, present, tip, well, bath, duration, reach):
    """Let all adatoms near a tip hop while it stands at one sample of its path.

    Args:
        index: number of the interval of the first adatom, as for `hop_for`; the others follow.
        present: (A,) bool: only these are there.
        reach: of `hop_reach`, which is the same all along a path.
        s0, s1, tick, sites, places, tip, well, bath, duration: as for `hop_for`.
    """
    for atom in range(sites.shape[0]):
        if present[atom] and near(places, atom, tip[0], tip[1], reach):
            own = index + atom
            hop_for(s0, s1, tick, own, atom, sites, places, present, tip, well, bath, duration)


@kernel
def drag(s0, s1, tick, sites, places, present, start, end, well, bath, pitch, speed):
    """Move a tip along a straight line and let the adatoms near it hop.

    Args:
        start, end: (x, y), nm.
        pitch: length of a sample of the path, nm.
        speed: of the tip, nm/s.
        s0, s1, tick, sites, places, present, well, bath: as for `hop_for`.
    """
    # Samples of the path, `pitch` or less apart; the tip stands at each for the same time.
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = np.sqrt(dx * dx + dy * dy)
    count = max(int(np.ceil(length / pitch)), 1)
    duration = length / speed / count
    # Adatoms beyond this distance do not hop.
    reach = hop_reach(well, bath, duration)
    for sample in range(count):
        part = (sample + 1.0) / count
        tip = (start[0] + part * dx, start[1] + part * dy)
        index = sample * sites.shape[0]
        pass_over(s0, s1, tick, index, sites, places, present, tip, well, bath, duration, reach)


@kernel
def rehearse(
    sites, places, present, starts, ends, depths, width, bath, pitch, speed, outcomes, tried
):
    """Simulate several drags, each from the same start, without changing the adatoms.

    Args:
        sites, places, present: as for `hop_for`; left as they are.
        starts, ends: (k, 2) float64, nm.
        depths: (k,) float64, depths of the well, eV.
        width: of the well, nm.
        bath, pitch, speed: as for `drag`.
        outcomes: (k, A, 2) float64, written, places, nm.
        tried: (A, 3) int64, work.
    """
    for k in range(starts.shape[0]):
        moved = outcomes[k]
        # Every drag starts from the same adatoms.
        for atom in range(sites.shape[0]):
            for axis in range(3):
                tried[atom, axis] = sites[atom, axis]
            for axis in range(2):
                moved[atom, axis] = places[atom, axis]
        start, end = (starts[k, 0], starts[k, 1]), (ends[k, 0], ends[k, 1])
        well = Well(depths[k], width)
        drag(k, k, k, tried, moved, present, start, end, well, bath, pitch, speed)
