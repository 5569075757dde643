"""Recipes of the families of surfaces: their random parameters, and the films drawn with them.

All ranges are design choices within the usual range of force microscopy: steps of 0.2 to 1 nm,
roughness of 0.2 to 5 nm. Each recipe takes a `Scene`; the number at an index of `scene.numbers`
belongs to one parameter for good.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.random import WORLD, draw_uniform, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import clip_unit
from microgym.specimens.surfaces.drawing_context import (
    FINEST,
    NOISE_SLOPE,
    Scene,
    Work,
    between,
    between_log,
    clear,
    draw_noise,
)
from microgym.specimens.surfaces.materials import draw_modulus
from microgym.specimens.surfaces.particles import add_fibre, add_particles
from microgym.specimens.surfaces.roughness import add_islands, add_roughness
from microgym.specimens.surfaces.steps import Bands, Trench, draw_terraces, draw_trenches

Plane = NDArray[np.float32]

_SCENE, _EDGES = np.int64(SpecimenWorld.SURFACE_SCENE), np.int64(SpecimenWorld.SURFACE_EDGES)
_ROUGHNESS = np.int64(SpecimenWorld.SURFACE_ROUGHNESS)
_ISLANDS = np.int64(SpecimenWorld.SURFACE_ISLANDS)
_PARTICLES = np.int64(SpecimenWorld.SURFACE_PARTICLES)
_MATERIALS = np.int64(SpecimenWorld.SURFACE_MATERIALS)
_NO_LAYER = 9.0


class Recipe(NamedTuple):
    """Parameters of all surfaces of a call.

    Attributes:
        family: position in `microgym.specimens.splits.SURFACES`.
        pixel_nm: edge of a pixel, nm.
        contrast: of `draw_modulus`.
        low_gpa, high_gpa: smallest and largest modulus, GPa.
    """

    family: int
    pixel_nm: float
    contrast: int
    low_gpa: float
    high_gpa: float


@kernel
def _open_stream(k0, k1, process):
    """`microgym.random.stream` of the world role as a call, for its code is long."""
    return stream(k0, k1, WORLD, process)


@kernel
def _substrate(scene, low_nm, high_nm):
    """Add the roughness of every substrate, of a rms between two numbers."""
    u, n = scene.numbers, scene.height.shape[0]
    rms = between_log(u[90], low_nm, high_nm)
    correlation = n * between_log(u[91], 0.01, 0.05)
    add_roughness(*scene.roughness, rms, 0.7, correlation, scene.height, scene.work)


@kernel
def _stairs(scene):
    """Terraces, from 3 to 10 across the field; return the height of a step, nm."""
    u, n = scene.numbers, scene.height.shape[0]
    step = between_log(u[3], 0.2, 1.0)
    bands = Bands(
        between(u[0], 0.0, 2.0 * np.pi),
        n / between_log(u[1], 3.0, 10.0),
        between(u[2], 0.0, 1.0),
        between(u[4], 0.04, 0.14),
        n * between_log(u[5], 0.1, 0.4),
    )
    draw_terraces(*scene.edges, bands, step, scene.height, scene.phase, scene.work)
    return step


@kernel
def _terraces(scene):
    """Terraces; on half of them islands of the next layer have begun to grow."""
    u, n = scene.numbers, scene.height.shape[0]
    step = _stairs(scene)
    if u[10] < 0.5:
        spacing = n * between_log(u[11], 0.025, 0.06)
        level = between(u[12], 1.3, 2.2)
        _grow_islands(scene, spacing, level, _NO_LAYER, step)


@kernel
def _grow_islands(scene, spacing, level, again, layer_nm):
    """`add_islands` on the surface of a scene."""
    s0, s1 = scene.islands
    tick = np.int64(0)
    add_islands(
        s0, s1, tick, spacing, level, again, layer_nm, scene.height, scene.phase, scene.work
    )  # fmt: skip


@kernel
def _islands(scene):
    """Islands of 1 to 20 nm on a fifth to three fifths of the field; on some a second layer."""
    u, n = scene.numbers, scene.height.shape[0]
    _substrate(scene, 0.1, 0.4)
    spacing = n * between_log(u[0], 0.03, 0.1)
    level = between(u[1], -0.25, 0.85)
    layer = between_log(u[2], 1.0, 20.0)
    again = level + between(u[4], 0.6, 1.2) if u[3] < 0.4 else _NO_LAYER
    _grow_islands(scene, spacing, level, again, layer)


@kernel
def _roughness(scene):
    """Self-affine roughness of 0.2 to 5 nm and Hurst exponent 0.5 to 0.9."""
    u, n, height, phase = scene.numbers, scene.height.shape[0], scene.height, scene.phase
    rms = between_log(u[0], 0.2, 5.0)
    hurst = between(u[1], 0.5, 0.9)
    correlation = n * between_log(u[2], 0.02, 0.12)
    add_roughness(*scene.roughness, rms, hurst, correlation, height, scene.work)
    # Heights of two standard deviations span the phase.
    scale = np.float32(0.25 / rms)
    for i in range(n):
        for j in range(n):
            phase[i, j] = clip_unit(np.float32(0.5) + scale * height[i, j])


@kernel
def _everywhere(region):
    """Open the whole field for particles."""
    for i in range(region.shape[0]):
        for j in range(region.shape[1]):
            region[i, j] = np.float32(1.0)


@kernel
def _scatter(scene, fewest, most):
    """Particles with radii of 0.8 to 4 % of the field, alone or against each other."""
    u, pixel_nm = scene.numbers, scene.pixel_nm
    field = scene.height.shape[0] * pixel_nm
    count = int(between_log(u[20], fewest, most + 1.0))
    mean = field * between_log(u[21], 0.01, 0.032)
    spread = between(u[22], 1.05, 1.25)
    gather = between(u[23], 0.0, 0.8)
    low, high = mean / spread, mean * spread
    s0, s1 = scene.particles
    add_particles(
        s0, s1, count, low, high, gather, pixel_nm, scene.height, scene.phase, scene.work
    )  # fmt: skip


@kernel
def _particles(scene):
    """Six to sixty spheres on a plane that is nearly flat."""
    _substrate(scene, 0.1, 0.3)
    _everywhere(scene.work.region)
    _scatter(scene, 6.0, 60.0)


@kernel
def _fibres(scene):
    """Three to ten round fibres of one kind, crossing; radii of 0.4 to 1.5 % of the field."""
    u, n, pixel_nm = scene.numbers, scene.height.shape[0], scene.pixel_nm
    s0, s1 = scene.particles
    _substrate(scene, 0.1, 0.3)
    radius = pixel_nm * max(1.0, n * between_log(u[0], 0.004, 0.015))
    persistence = n * between_log(u[1], 0.15, 2.0)
    count = int(between_log(u[2], 3.0, 11.0))
    for f in range(count):
        length = int(n * between(u[10 + f], 0.4, 1.5))
        add_fibre(
            s0, s1, f + 1, radius, persistence, length, pixel_nm, scene.height, scene.phase,
            scene.work,
        )  # fmt: skip


@kernel
def _exceeded_on(plane: Plane, share: float) -> np.float32:
    """The level that a share of a plane exceeds, to 1e-4 of its range, by bisection."""
    low, high = plane[0, 0], plane[0, 0]
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            low, high = min(low, plane[i, j]), max(high, plane[i, j])
    # The fraction above a level falls as the level rises.
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
def _mixed(scene):
    """Flat terraces, and beside them, on a fifth to a half, a tall deposit with particles."""
    u, n, region = scene.numbers, scene.height.shape[0], scene.work.region
    s0, s1 = scene.islands
    _stairs(scene)
    clear(scene.phase)
    # The deposit covers the field where smooth noise exceeds a level.
    draw_noise(s0, s1, np.int64(5), 0.3 * n, region, scene.work)
    level = _exceeded_on(region, between(u[30], 0.2, 0.5))
    for i in range(n):
        for j in range(n):
            region[i, j] -= level
    _deposit(scene)
    _scatter(scene, 4.0, 25.0)


@kernel
def _deposit(scene):
    """Islands of 5 to 40 nm, the denser the deeper they lie in the region."""
    u, n, height, phase = scene.numbers, scene.height.shape[0], scene.height, scene.phase
    s0, s1 = scene.islands
    noise, region = scene.work.noise, scene.work.region
    spacing = n * between_log(u[31], 0.02, 0.05)
    plateau = np.float32(between_log(u[32], 5.0, 40.0))
    sharp = np.float32(max(spacing, FINEST) / NOISE_SLOPE)
    draw_noise(s0, s1, np.int64(6), spacing, noise, scene.work)
    for i in range(n):
        for j in range(n):
            # Outside the region the excess lies below every noise.
            inside = region[i, j]
            excess = noise[i, j] + np.float32(1.5) * min(inside, np.float32(0.6))
            excess = excess - np.float32(0.5) if inside > np.float32(0.0) else np.float32(-9.0)
            # The excess over the slope is the distance from the edge, px.
            part = clip_unit(np.float32(0.5) + sharp * excess)
            height[i, j] += plateau * part
            phase[i, j] = max(phase[i, j], part)


@kernel
def _trenches(scene):
    """Parallel trenches with walls of 76 to 86 degrees, 0.5 to 2.5 times as deep as wide."""
    u, n = scene.numbers, scene.height.shape[0]
    width = n * between_log(u[1], 0.04, 0.12)
    bands = Bands(
        between(u[0], 0.0, 2.0 * np.pi),
        max(width * between(u[2], 1.8, 3.5), n / 14.0),
        between(u[3], 0.0, 1.0),
        between(u[6], 0.01, 0.05),
        n * between_log(u[7], 0.02, 0.1),
    )
    aspect = between_log(u[4], 0.5, 2.5)
    steepness = between_log(u[5], 4.0, 15.0)
    # Depth from the aspect ratio; a wall of slope `steepness` is that much narrower.
    trench = Trench(width, aspect * width * scene.pixel_nm, max(aspect * width / steepness, 1.0))
    draw_trenches(*scene.edges, bands, trench, scene.height, scene.phase, scene.work)
    _substrate(scene, 0.1, 0.4)


@kernel
def draw_surfaces(
    keys: NDArray[np.uint32], recipe: Recipe, height: Plane, modulus: Plane, work: Work
) -> None:
    """Draw k surfaces.

    Args:
        keys: (k, 2) uint32.
        recipe: family, pixel, and moduli.
        height: (k, n, n) float32, nm, written.
        modulus: (k, n, n) float32, GPa, written.
        work: of `surface_work(n)`.
    """
    family = recipe.family
    for k in range(keys.shape[0]):
        k0, k1 = keys[k, 0], keys[k, 1]
        s0, s1 = _open_stream(k0, k1, _SCENE)
        for i in range(work.numbers.size):
            work.numbers[i] = draw_uniform(s0, s1, np.int64(0), i)
        # The plane of moduli holds the phase until they are drawn.
        h, phase = height[k], modulus[k]
        clear(h)
        clear(phase)
        scene = Scene(
            work.numbers,
            _open_stream(k0, k1, _EDGES),
            _open_stream(k0, k1, _ROUGHNESS),
            _open_stream(k0, k1, _ISLANDS),
            _open_stream(k0, k1, _PARTICLES),
            recipe.pixel_nm,
            h,
            phase,
            work,
        )
        if family == 0:
            _terraces(scene)
        elif family == 1:
            _islands(scene)
        elif family == 2:
            _roughness(scene)
        elif family == 3:
            _particles(scene)
        elif family == 4:
            _fibres(scene)
        elif family == 5:
            _mixed(scene)
        else:
            _trenches(scene)
        m0, m1 = _open_stream(k0, k1, _MATERIALS)
        contrast, low_gpa, high_gpa = recipe.contrast, recipe.low_gpa, recipe.high_gpa
        draw_modulus(m0, m1, contrast, low_gpa, high_gpa, phase, phase, work)
