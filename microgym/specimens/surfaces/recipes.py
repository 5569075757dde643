"""The recipes of the families of surfaces: which numbers they draw, and what from them.

All ranges are design choices within what force microscopy looks at: steps of 0.2 to 1 nm, roughness
of 0.2 to 5 nm.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.random import Role, stream
from microgym.specimens.drawing import clip_unit
from microgym.specimens.surfaces.drawing_context import (
    FINEST,
    NOISE_SLOPE,
    Work,
    between,
    between_log,
    clear,
    draw_noise,
)
from microgym.specimens.surfaces.materials import draw_modulus
from microgym.specimens.surfaces.particles import add_fibre, add_particles
from microgym.specimens.surfaces.roughness import add_islands, add_roughness
from microgym.specimens.surfaces.steps import draw_terraces, draw_trenches

Plane = NDArray[np.float32]

PROCESS_SCENE: Final = 1010
"""Process number of the numbers of a surface in the WORLD role."""
PROCESS_EDGES: Final = 1011
"""Process number of meandering edges."""
PROCESS_FILM: Final = 1012
"""Process number of roughness."""
PROCESS_ISLANDS: Final = 1013
"""Process number of islands and regions."""
PROCESS_GRAINS: Final = 1014
"""Process number of particles and fibres."""
PROCESS_MATERIAL: Final = 1015
"""Process number of the materials."""

_WORLD = np.int64(Role.WORLD)
_SCENE, _EDGES, _FILM = np.int64(PROCESS_SCENE), np.int64(PROCESS_EDGES), np.int64(PROCESS_FILM)
_ISLANDS, _GRAINS = np.int64(PROCESS_ISLANDS), np.int64(PROCESS_GRAINS)
_MATERIAL = np.int64(PROCESS_MATERIAL)
_NO_LAYER = 9.0


@kernel
def _stream(k0: np.uint32, k1: np.uint32, process: int) -> tuple[np.uint32, np.uint32]:
    return stream(k0, k1, _WORLD, process)


@kernel
def _film(
    k0: np.uint32, k1: np.uint32, low_nm: float, high_nm: float, height: Plane, work: Work
) -> None:
    """Add what no substrate is without: roughness of a rms between two numbers."""
    s0, s1 = _stream(k0, k1, _SCENE)
    f0, f1 = _stream(k0, k1, _FILM)
    n = height.shape[0]
    rms = between_log(s0, s1, np.int64(90), low_nm, high_nm)
    correlation = n * between_log(s0, s1, np.int64(91), 0.01, 0.05)
    add_roughness(f0, f1, rms, 0.7, correlation, height, work)


@kernel
def _stairs(k0: np.uint32, k1: np.uint32, height: Plane, phase: Plane, work: Work) -> float:
    """Terraces, from 3 to 10 across the field; return the height of a step, nm."""
    s0, s1 = _stream(k0, k1, _SCENE)
    e0, e1 = _stream(k0, k1, _EDGES)
    n = height.shape[0]
    angle = between(s0, s1, np.int64(0), 0.0, 2.0 * np.pi)
    width = n / between_log(s0, s1, np.int64(1), 3.0, 10.0)
    offset = between(s0, s1, np.int64(2), 0.0, 1.0)
    step = between_log(s0, s1, np.int64(3), 0.2, 1.0)
    amplitude = between(s0, s1, np.int64(4), 0.04, 0.14)
    correlation = n * between_log(s0, s1, np.int64(5), 0.1, 0.4)
    draw_terraces(e0, e1, angle, width, offset, step, amplitude, correlation, height, phase, work)
    return step


@kernel
def _terraces(k0: np.uint32, k1: np.uint32, height: Plane, phase: Plane, work: Work) -> None:
    """Terraces; on half of them islands of the next layer have begun to grow."""
    step = _stairs(k0, k1, height, phase, work)
    s0, s1 = _stream(k0, k1, _SCENE)
    i0, i1 = _stream(k0, k1, _ISLANDS)
    if between(s0, s1, np.int64(10), 0.0, 1.0) < 0.5:
        spacing = height.shape[0] * between_log(s0, s1, np.int64(11), 0.025, 0.06)
        level = between(s0, s1, np.int64(12), 1.3, 2.2)
        add_islands(i0, i1, np.int64(0), spacing, level, _NO_LAYER, step, height, phase, work)


@kernel
def _islands(k0: np.uint32, k1: np.uint32, height: Plane, phase: Plane, work: Work) -> None:
    """Islands of 1 to 20 nm on a fifth to three fifths of the field; on some a second layer."""
    s0, s1 = _stream(k0, k1, _SCENE)
    i0, i1 = _stream(k0, k1, _ISLANDS)
    _film(k0, k1, 0.1, 0.4, height, work)
    spacing = height.shape[0] * between_log(s0, s1, np.int64(0), 0.03, 0.1)
    level = between(s0, s1, np.int64(1), -0.25, 0.85)
    plateau = between_log(s0, s1, np.int64(2), 1.0, 20.0)
    again = _NO_LAYER
    if between(s0, s1, np.int64(3), 0.0, 1.0) < 0.4:
        again = level + between(s0, s1, np.int64(4), 0.6, 1.2)
    add_islands(i0, i1, np.int64(0), spacing, level, again, plateau, height, phase, work)


@kernel
def _roughness(k0: np.uint32, k1: np.uint32, height: Plane, phase: Plane, work: Work) -> None:
    """Self-affine roughness of 0.2 to 5 nm and Hurst exponent 0.5 to 0.9."""
    s0, s1 = _stream(k0, k1, _SCENE)
    f0, f1 = _stream(k0, k1, _FILM)
    n = height.shape[0]
    rms = between_log(s0, s1, np.int64(0), 0.2, 5.0)
    hurst = between(s0, s1, np.int64(1), 0.5, 0.9)
    correlation = n * between_log(s0, s1, np.int64(2), 0.02, 0.12)
    add_roughness(f0, f1, rms, hurst, correlation, height, work)
    scale = np.float32(0.25 / rms)
    for i in range(n):
        for j in range(n):
            phase[i, j] = clip_unit(np.float32(0.5) + scale * height[i, j])


@kernel
def _everywhere(region: Plane) -> None:
    for i in range(region.shape[0]):
        for j in range(region.shape[1]):
            region[i, j] = np.float32(1.0)


@kernel
def _scatter(
    k0: np.uint32,
    k1: np.uint32,
    fewest: float,
    most: float,
    pixel_nm: float,
    height: Plane,
    phase: Plane,
    work: Work,
) -> None:
    """Particles with radii of 0.8 to 4 % of the field, alone or against each other."""
    s0, s1 = _stream(k0, k1, _SCENE)
    g0, g1 = _stream(k0, k1, _GRAINS)
    field = height.shape[0] * pixel_nm
    count = int(between_log(s0, s1, np.int64(20), fewest, most + 1.0))
    mean = field * between_log(s0, s1, np.int64(21), 0.01, 0.032)
    spread = between(s0, s1, np.int64(22), 1.05, 1.25)
    gather = between(s0, s1, np.int64(23), 0.0, 0.8)
    low, high = mean / spread, mean * spread
    add_particles(g0, g1, count, low, high, gather, pixel_nm, height, phase, work)


@kernel
def _particles(
    k0: np.uint32, k1: np.uint32, pixel_nm: float, height: Plane, phase: Plane, work: Work
) -> None:
    """Six to sixty spheres on a plane that is nearly flat."""
    _film(k0, k1, 0.1, 0.3, height, work)
    _everywhere(work.region)
    _scatter(k0, k1, 6.0, 60.0, pixel_nm, height, phase, work)


@kernel
def _fibres(
    k0: np.uint32, k1: np.uint32, pixel_nm: float, height: Plane, phase: Plane, work: Work
) -> None:
    """Three to ten round fibres of one kind, crossing; radii of 0.4 to 1.5 % of the field."""
    s0, s1 = _stream(k0, k1, _SCENE)
    g0, g1 = _stream(k0, k1, _GRAINS)
    n = height.shape[0]
    _film(k0, k1, 0.1, 0.3, height, work)
    radius = pixel_nm * max(1.0, n * between_log(s0, s1, np.int64(0), 0.004, 0.015))
    persistence = n * between_log(s0, s1, np.int64(1), 0.15, 2.0)
    count = int(between_log(s0, s1, np.int64(2), 3.0, 11.0))
    for f in range(count):
        length = int(n * between(s0, s1, 10 + f, 0.4, 1.5))
        add_fibre(g0, g1, f + 1, radius, persistence, length, pixel_nm, height, phase, work)


@kernel
def _exceeded_on(plane: Plane, share: float) -> np.float32:
    """The level that a share of a plane exceeds, to 1e-4 of its range, by bisection."""
    low, high = plane[0, 0], plane[0, 0]
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            low, high = min(low, plane[i, j]), max(high, plane[i, j])
    wanted = int(share * plane.size)
    for _ in range(14):
        level = np.float32(0.5) * (low + high)
        above = 0
        for i in range(plane.shape[0]):
            for j in range(plane.shape[1]):
                above += plane[i, j] > level
        if above > wanted:
            low = level
        else:
            high = level
    return high


@kernel
def _mixed(
    k0: np.uint32, k1: np.uint32, pixel_nm: float, height: Plane, phase: Plane, work: Work
) -> None:
    """Flat terraces, and beside them, on a fifth to a half, a tall deposit with particles."""
    s0, s1 = _stream(k0, k1, _SCENE)
    i0, i1 = _stream(k0, k1, _ISLANDS)
    n = height.shape[0]
    _stairs(k0, k1, height, phase, work)
    clear(phase)
    region = work.region
    draw_noise(i0, i1, np.int64(5), 0.3 * n, region, work)
    share = between(s0, s1, np.int64(30), 0.2, 0.5)
    level = _exceeded_on(region, share)
    for i in range(n):
        for j in range(n):
            region[i, j] -= level
    _deposit(k0, k1, height, phase, work)
    _scatter(k0, k1, 4.0, 25.0, pixel_nm, height, phase, work)


@kernel
def _deposit(k0: np.uint32, k1: np.uint32, height: Plane, phase: Plane, work: Work) -> None:
    """Islands of 5 to 40 nm, the denser the deeper they lie in the region."""
    s0, s1 = _stream(k0, k1, _SCENE)
    i0, i1 = _stream(k0, k1, _ISLANDS)
    n = height.shape[0]
    spacing = n * between_log(s0, s1, np.int64(31), 0.02, 0.05)
    plateau = np.float32(between_log(s0, s1, np.int64(32), 5.0, 40.0))
    sharp = np.float32(max(spacing, FINEST) / NOISE_SLOPE)
    draw_noise(i0, i1, np.int64(6), spacing, work.noise, work)
    for i in range(n):
        for j in range(n):
            # Outside the region the excess is cut to what no noise makes up for.
            inside = work.region[i, j]
            excess = work.noise[i, j] + np.float32(1.5) * min(inside, np.float32(0.6))
            excess = excess - np.float32(0.5) if inside > np.float32(0.0) else np.float32(-9.0)
            part = clip_unit(np.float32(0.5) + sharp * excess)
            height[i, j] += plateau * part
            phase[i, j] = max(phase[i, j], part)


@kernel
def _trenches(
    k0: np.uint32, k1: np.uint32, pixel_nm: float, height: Plane, phase: Plane, work: Work
) -> None:
    """Parallel trenches with walls of 76 to 86 degrees, 0.5 to 2.5 times as deep as wide."""
    s0, s1 = _stream(k0, k1, _SCENE)
    e0, e1 = _stream(k0, k1, _EDGES)
    n = height.shape[0]
    angle = between(s0, s1, np.int64(0), 0.0, 2.0 * np.pi)
    width = n * between_log(s0, s1, np.int64(1), 0.04, 0.12)
    pitch = max(width * between(s0, s1, np.int64(2), 1.8, 3.5), n / 14.0)
    offset = between(s0, s1, np.int64(3), 0.0, 1.0)
    aspect = between_log(s0, s1, np.int64(4), 0.5, 2.5)
    steepness = between_log(s0, s1, np.int64(5), 4.0, 15.0)
    amplitude = between(s0, s1, np.int64(6), 0.01, 0.05)
    correlation = n * between_log(s0, s1, np.int64(7), 0.02, 0.1)
    depth = aspect * width * pixel_nm
    wall = max(aspect * width / steepness, 1.0)
    draw_trenches(
        e0,
        e1,
        angle,
        pitch,
        width,
        offset,
        depth,
        wall,
        amplitude,
        correlation,
        height,
        phase,
        work,
    )
    _film(k0, k1, 0.1, 0.4, height, work)


@kernel
def draw_surfaces(
    family: int,
    keys: NDArray[np.uint32],
    pixel_nm: float,
    contrast: int,
    low_gpa: float,
    high_gpa: float,
    height: Plane,
    modulus: Plane,
    work: Work,
) -> None:
    """Draw k surfaces.

    Args:
        family: position in `microgym.specimens.splits.SURFACES`.
        keys: (k, 2) uint32.
        pixel_nm: edge of a pixel, nm.
        contrast: of `draw_modulus`.
        low_gpa, high_gpa: smallest and largest modulus, GPa.
        height: (k, n, n) float32, nm, written.
        modulus: (k, n, n) float32, GPa, written.
        work: of `surface_work(n)`.
    """
    for k in range(keys.shape[0]):
        k0, k1 = keys[k, 0], keys[k, 1]
        # The plane of moduli holds, until they are drawn, what stands out in the height.
        h, phase = height[k], modulus[k]
        clear(h)
        clear(phase)
        if family == 0:
            _terraces(k0, k1, h, phase, work)
        elif family == 1:
            _islands(k0, k1, h, phase, work)
        elif family == 2:
            _roughness(k0, k1, h, phase, work)
        elif family == 3:
            _particles(k0, k1, pixel_nm, h, phase, work)
        elif family == 4:
            _fibres(k0, k1, pixel_nm, h, phase, work)
        elif family == 5:
            _mixed(k0, k1, pixel_nm, h, phase, work)
        else:
            _trenches(k0, k1, pixel_nm, h, phase, work)
        m0, m1 = _stream(k0, k1, _MATERIAL)
        draw_modulus(m0, m1, contrast, low_gpa, high_gpa, phase, phase, work)
