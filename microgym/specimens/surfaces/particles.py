"""Particles and fibres: spheres on a plane, and chains of them."""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos64
from microgym.random import fill_normal, uniform
from microgym.random.streams import SpecimenWorld
from microgym.specimens.surfaces.drawing_context import GRAINS, between_log, scene_stream

_PARTICLES = np.int64(SpecimenWorld.SURFACE_PARTICLES)
_ATTEMPTS = 12


@kernel
def stamp_sphere(y, x, radius_nm, pixel_nm, base_nm, height):
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
def _touches(y, x, radius, grains, count):
    for k in range(count):
        dy, dx = grains[k, 0] - y, grains[k, 1] - x
        gap = grains[k, 2] + radius
        if dy * dy + dx * dx < gap * gap * (1.0 - 1e-9):
            return True
    return False


@kernel
def add_particles(scene, count, low_nm, high_nm, gather):
    """Scatter spheres that do not overlap; some lie against an earlier one, as after drying.

    Args:
        scene: surface; its height is raised, its phase set to 1 under particles. They are centred
            where its work's `region` is above 0; its work's `points` hold (y, x, radius), all in
            px, afterwards.
        count: number to try, at most `GRAINS`.
        low_nm: smallest radius, nm; radii are uniform in the logarithm.
        high_nm: largest.
        gather: probability of lying against another.

    Returns:
        Number of particles that found room.
    """
    # One tick a particle, from 0 on.
    s0, s1 = scene_stream(scene, _PARTICLES)
    height, pixel_nm, region = scene.height, scene.pixel_nm, scene.work.region
    grains, bases = scene.work.points, scene.work.draws
    n = height.shape[0]
    placed = 0
    for k in range(min(count, GRAINS)):
        radius = between_log(uniform(s0, s1, k, np.int64(0)), low_nm, high_nm) / pixel_nm
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
            if not (0 <= i < n and 0 <= j < n) or region[i, j] <= np.float32(0.0):
                continue
            if _touches(y, x, radius, grains, placed):
                continue
            grains[placed, 0], grains[placed, 1], grains[placed, 2] = y, x, radius
            placed += 1
            break
    # Bases are read before the first sphere is laid, so that none lies on another.
    for k in range(placed):
        i, j = int(np.floor(grains[k, 0] + 0.5)), int(np.floor(grains[k, 1] + 0.5))
        bases[k] = height[i, j]
    for k in range(placed):
        y, x, radius = grains[k, 0], grains[k, 1], grains[k, 2]
        stamp_sphere(y, x, radius * pixel_nm, pixel_nm, np.float64(bases[k]), height)
        _mark(y, x, radius, scene.phase)
    return placed


@kernel
def _mark(y, x, radius, phase):
    """Set the pixels within a circle to 1."""
    n = phase.shape[0]
    first, last = max(0, int(y - radius)), min(n, int(y + radius) + 2)
    start, stop = max(0, int(x - radius)), min(n, int(x + radius) + 2)
    for i in range(first, last):
        for j in range(start, stop):
            if (i - y) * (i - y) + (j - x) * (j - x) <= radius * radius:
                phase[i, j] = np.float32(1.0)


@kernel
def walk_chain(key, tick, y, x, angle, persistence_px, steps, path, draws):
    """A chain of steps of 1 px whose direction diffuses: the worm-like chain in two dimensions.

    The cosine of the angle between directions a length s apart is exp(-s / 2P) on average, with
    the persistence length P (Rivetti, Guthold and Bustamante, J. Mol. Biol. 264, 919, 1996).

    Args:
        key: stream key.
        tick: tick of the chain.
        y: row of its start, px.
        x: column, px.
        angle: first direction, rad.
        persistence_px: persistence length P, px.
        steps: number of points.
        path: (at least steps, 3) float64, written: row, column, direction.
        draws: (at least steps,) float32 work.
    """
    fill_normal(*key, tick, draws)
    kick = np.sqrt(1.0 / persistence_px)
    for t in range(steps):
        path[t, 0], path[t, 1], path[t, 2] = y, x, angle
        sine, cosine = sincos64(angle)
        y += sine
        x += cosine
        angle += kick * draws[t]


@kernel
def add_fibre(scene, tick, radius_nm, persistence_px, steps):
    """Lay a round fibre on the surface, on top of those it crosses.

    Args:
        scene: surface; its height is added to, its phase set to 1 under the fibre.
        tick: number of the fibre, from 1 on; it draws at this tick, and at tick 0 from index
            `2^16 tick` on.
        radius_nm: radius, nm.
        persistence_px: persistence length, px; see `walk_chain`.
        steps: length, px, at most that of the work arrays.
    """
    height, phase, pixel_nm, work = scene.height, scene.phase, scene.pixel_nm, scene.work
    s0, s1 = scene_stream(scene, _PARTICLES)
    n = height.shape[0]
    index = tick << 16
    angle = 2.0 * np.pi * uniform(s0, s1, np.int64(0), index)
    sine, cosine = sincos64(angle)
    # Were it straight, its middle would lie in the field.
    y = (n - 1) * uniform(s0, s1, np.int64(0), index + 1) - 0.5 * steps * sine
    x = (n - 1) * uniform(s0, s1, np.int64(0), index + 2) - 0.5 * steps * cosine
    walk_chain((s0, s1), tick, y, x, angle, persistence_px, steps, work.points, work.draws)
    work.noise[:] = np.float32(0.0)
    for t in range(steps):
        stamp_sphere(work.points[t, 0], work.points[t, 1], radius_nm, pixel_nm, 0.0, work.noise)
    for i in range(n):
        for j in range(n):
            if work.noise[i, j] > np.float32(0.0):
                height[i, j] += work.noise[i, j]
                phase[i, j] = np.float32(1.0)
