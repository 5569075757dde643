"""Particles and fibres: spheres on a plane, and chains of them."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.libm import exp64, log64, sincos64
from microgym.random import fill_normal, uniform
from microgym.specimens.surfaces.drawing_context import GRAINS, Work, clear

Plane = NDArray[np.float32]

_ATTEMPTS = 12


@kernel
def stamp_sphere(
    y: float, x: float, radius_nm: float, pixel_nm: float, base_nm: float, height: Plane
) -> None:
    """Lay a sphere on a plane; seen from above it has a hemisphere's shape, its top 2r high.

    Args:
        y: row of its centre, px.
        x: column, px.
        radius_nm: radius r, nm.
        pixel_nm: edge of a pixel, nm.
        base_nm: height of the plane, nm.
        height: (n, n) float32, nm, raised to the sphere where that is higher.
    """
    n = height.shape[0]
    reach = radius_nm / pixel_nm + 1.0
    first, last = max(0, int(np.floor(y - reach))), min(n, int(np.floor(y + reach)) + 2)
    start, stop = max(0, int(np.floor(x - reach))), min(n, int(np.floor(x + reach)) + 2)
    square = radius_nm * radius_nm
    for i in range(first, last):
        dy = (i - y) * pixel_nm
        for j in range(start, stop):
            dx = (j - x) * pixel_nm
            left = square - dy * dy - dx * dx
            if left >= 0.0:
                top = np.float32(base_nm + radius_nm + np.sqrt(left))
                height[i, j] = max(height[i, j], top)


@kernel
def _touches(y: float, x: float, radius: float, grains: NDArray[np.float64], count: int) -> bool:
    for k in range(count):
        dy, dx = grains[k, 0] - y, grains[k, 1] - x
        gap = grains[k, 2] + radius
        if dy * dy + dx * dx < gap * gap * (1.0 - 1e-9):
            return True
    return False


@kernel
def add_particles(
    s0: np.uint32,
    s1: np.uint32,
    count: int,
    low_nm: float,
    high_nm: float,
    gather: float,
    pixel_nm: float,
    height: Plane,
    phase: Plane,
    work: Work,
) -> int:
    """Scatter spheres that do not overlap; some lie against an earlier one, as after drying.

    Args:
        s0: first word of the stream key; one tick a particle, from 0 on.
        s1: second word.
        count: number to try, at most `GRAINS`.
        low_nm: smallest radius, nm; radii are uniform in the logarithm.
        high_nm: largest.
        gather: probability of lying against another.
        pixel_nm: edge of a pixel, nm.
        height: (n, n) float32, nm, raised.
        phase: (n, n) float32, set to 1 under particles.
        work: of `surface_work(n)`; particles are centred where its `region` is above 0. Its
            `points` hold (y, x, radius), all in px, afterwards.

    Returns:
        Number of particles that found room.
    """
    n = height.shape[0]
    grains = work.points
    placed = 0
    for k in range(min(count, GRAINS)):
        radius_nm = low_nm * exp64(uniform(s0, s1, k, np.int64(0)) * log64(high_nm / low_nm))
        radius = radius_nm / pixel_nm
        for attempt in range(_ATTEMPTS):
            a = uniform(s0, s1, k, 3 * attempt + 1)
            b = uniform(s0, s1, k, 3 * attempt + 2)
            y, x = (n - 1) * a, (n - 1) * b
            if placed > 0 and uniform(s0, s1, k, 3 * attempt + 3) < gather:
                other = min(int(a * placed), placed - 1)
                sine, cosine = sincos64(2.0 * np.pi * b)
                gap = radius + grains[other, 2]
                y, x = grains[other, 0] + gap * sine, grains[other, 1] + gap * cosine
            i, j = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
            if not (0 <= i < n and 0 <= j < n) or work.region[i, j] <= np.float32(0.0):
                continue
            if _touches(y, x, radius, grains, placed):
                continue
            grains[placed, 0], grains[placed, 1], grains[placed, 2] = y, x, radius
            placed += 1
            break
    # Bases are read before the first sphere is laid, so that none lies on another.
    for k in range(placed):
        i, j = int(np.floor(grains[k, 0] + 0.5)), int(np.floor(grains[k, 1] + 0.5))
        work.draws[k] = height[i, j]
    for k in range(placed):
        y, x, radius = grains[k, 0], grains[k, 1], grains[k, 2]
        base = np.float64(work.draws[k])
        stamp_sphere(y, x, radius * pixel_nm, pixel_nm, base, height)
        _mark(y, x, radius, phase)
    return placed


@kernel
def _mark(y: float, x: float, radius: float, phase: Plane) -> None:
    """Set the pixels within a circle to 1."""
    n = phase.shape[0]
    first, last = max(0, int(y - radius)), min(n, int(y + radius) + 2)
    start, stop = max(0, int(x - radius)), min(n, int(x + radius) + 2)
    for i in range(first, last):
        for j in range(start, stop):
            if (i - y) * (i - y) + (j - x) * (j - x) <= radius * radius:
                phase[i, j] = np.float32(1.0)


@kernel
def walk_chain(
    s0: np.uint32,
    s1: np.uint32,
    tick: int,
    y: float,
    x: float,
    angle: float,
    persistence_px: float,
    steps: int,
    path: NDArray[np.float64],
    draws: Plane,
) -> None:
    """A chain of steps of 1 px whose direction diffuses: the worm-like chain in two dimensions.

    The cosine of the angle between directions a length s apart is exp(-s / 2P) on average, with
    the persistence length P (Rivetti, Guthold and Bustamante, J. Mol. Biol. 264, 919, 1996).

    Args:
        s0: first word of the stream key.
        s1: second word.
        tick: tick of the chain.
        y: row of its start, px.
        x: column, px.
        angle: first direction, rad.
        persistence_px: persistence length P, px.
        steps: number of points.
        path: (at least steps, 3) float64, written: row, column, direction.
        draws: (at least steps,) float32 work.
    """
    fill_normal(s0, s1, tick, draws)
    kick = np.sqrt(1.0 / persistence_px)
    for t in range(steps):
        path[t, 0], path[t, 1], path[t, 2] = y, x, angle
        sine, cosine = sincos64(angle)
        y += sine
        x += cosine
        angle += kick * draws[t]


@kernel
def add_fibre(
    s0: np.uint32,
    s1: np.uint32,
    tick: int,
    radius_nm: float,
    persistence_px: float,
    steps: int,
    pixel_nm: float,
    height: Plane,
    phase: Plane,
    work: Work,
) -> None:
    """Lay a round fibre on the surface, on top of those it crosses.

    Args:
        s0: first word of the stream key; tick 0 from index `2^16 tick` on, and this tick.
        s1: second word.
        tick: number of the fibre, from 1 on.
        radius_nm: radius, nm.
        persistence_px: persistence length, px; see `walk_chain`.
        steps: length, px, at most that of the work arrays.
        pixel_nm: edge of a pixel, nm.
        height: (n, n) float32, nm, added to.
        phase: (n, n) float32, set to 1 under the fibre.
        work: of `surface_work(n)`.
    """
    n = height.shape[0]
    index = tick << 16
    angle = 2.0 * np.pi * uniform(s0, s1, np.int64(0), index)
    sine, cosine = sincos64(angle)
    # Were it straight, its middle would lie in the field.
    y = (n - 1) * uniform(s0, s1, np.int64(0), index + 1) - 0.5 * steps * sine
    x = (n - 1) * uniform(s0, s1, np.int64(0), index + 2) - 0.5 * steps * cosine
    walk_chain(s0, s1, tick, y, x, angle, persistence_px, steps, work.points, work.draws)
    clear(work.noise)
    for t in range(steps):
        stamp_sphere(work.points[t, 0], work.points[t, 1], radius_nm, pixel_nm, 0.0, work.noise)
    for i in range(n):
        for j in range(n):
            if work.noise[i, j] > np.float32(0.0):
                height[i, j] += work.noise[i, j]
                phase[i, j] = np.float32(1.0)
