"""Recipes of the families of surfaces: their random parameters, and the films drawn with them.

All ranges are design choices within the usual range of force microscopy: steps of 0.2 to 1 nm,
roughness of 0.2 to 5 nm. Each recipe takes a `Scene`; the number at an index of `scene.numbers`
belongs to one parameter for good.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from microgym.jit import kernel
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import clip_unit
from microgym.specimens.surfaces.drawing_context import (
    FINEST,
    NOISE_SLOPE,
    between,
    between_log,
    draw_noise,
    scene_stream,
)
from microgym.specimens.surfaces.particles import add_fibre, add_particles
from microgym.specimens.surfaces.roughness import add_islands, add_roughness
from microgym.specimens.surfaces.steps import Bands, Trench, draw_terraces, draw_trenches

_ISLANDS = np.int64(SpecimenWorld.SURFACE_ISLANDS)
_NO_LAYER = 9.0


@kernel
def _substrate(scene, low_nm, high_nm):
    """Add the roughness of every substrate, of a rms between two numbers."""
    u, n = scene.numbers, scene.height.shape[0]
    rms = between_log(u[90], low_nm, high_nm)
    correlation = n * between_log(u[91], 0.01, 0.05)
    add_roughness(scene, rms, 0.7, correlation)


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
    draw_terraces(scene, bands, step)
    return step


@kernel
def _terraces(scene):
    """Terraces; on half of them islands of the next layer have begun to grow."""
    u, n = scene.numbers, scene.height.shape[0]
    step = _stairs(scene)
    if u[10] < 0.5:
        spacing = n * between_log(u[11], 0.025, 0.06)
        level = between(u[12], 1.3, 2.2)
        add_islands(scene, spacing, level, _NO_LAYER, step)


@kernel
def _islands(scene):
    """Islands of 1 to 20 nm on a fifth to three fifths of the field; on some a second layer."""
    u, n = scene.numbers, scene.height.shape[0]
    _substrate(scene, 0.1, 0.4)
    spacing = n * between_log(u[0], 0.03, 0.1)
    level = between(u[1], -0.25, 0.85)
    layer = between_log(u[2], 1.0, 20.0)
    again = level + between(u[4], 0.6, 1.2) if u[3] < 0.4 else _NO_LAYER
    add_islands(scene, spacing, level, again, layer)


@kernel
def _roughness(scene):
    """Self-affine roughness of 0.2 to 5 nm and Hurst exponent 0.5 to 0.9."""
    u, n, height, phase = scene.numbers, scene.height.shape[0], scene.height, scene.phase
    rms = between_log(u[0], 0.2, 5.0)
    hurst = between(u[1], 0.5, 0.9)
    correlation = n * between_log(u[2], 0.02, 0.12)
    add_roughness(scene, rms, hurst, correlation)
    # Heights of two standard deviations span the phase.
    scale = np.float32(0.25 / rms)
    for i in range(n):
        for j in range(n):
            phase[i, j] = clip_unit(np.float32(0.5) + scale * height[i, j])


@kernel
def _scatter(scene, fewest, most):
    """Particles with radii of 0.8 to 4 % of the field, alone or against each other."""
    u = scene.numbers
    field = scene.height.shape[0] * scene.pixel_nm
    count = int(between_log(u[20], fewest, most + 1.0))
    mean = field * between_log(u[21], 0.01, 0.032)
    spread = between(u[22], 1.05, 1.25)
    gather = between(u[23], 0.0, 0.8)
    add_particles(scene, count, mean / spread, mean * spread, gather)


@kernel
def _particles(scene):
    """Six to sixty spheres on a plane that is nearly flat."""
    _substrate(scene, 0.1, 0.3)
    scene.work.region[:] = np.float32(1.0)
    _scatter(scene, 6.0, 60.0)


@kernel
def _fibres(scene):
    """Three to ten round fibres of one kind, crossing; radii of 0.4 to 1.5 % of the field."""
    u, n = scene.numbers, scene.height.shape[0]
    _substrate(scene, 0.1, 0.3)
    radius = scene.pixel_nm * max(1.0, n * between_log(u[0], 0.004, 0.015))
    persistence = n * between_log(u[1], 0.15, 2.0)
    count = int(between_log(u[2], 3.0, 11.0))
    for f in range(count):
        length = int(n * between(u[10 + f], 0.4, 1.5))
        add_fibre(scene, f + 1, radius, persistence, length)


@kernel
def _exceeded_on(plane, share):
    """The level that a share of a plane exceeds, to 1e-4 of its range, by bisection."""
    low, high = plane.min(), plane.max()
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
    _stairs(scene)
    scene.phase[:] = np.float32(0.0)
    # The deposit covers the field where smooth noise exceeds a level.
    draw_noise(scene_stream(scene, _ISLANDS), np.int64(5), 0.3 * n, region, scene.work)
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
    noise, region = scene.work.noise, scene.work.region
    spacing = n * between_log(u[31], 0.02, 0.05)
    plateau = np.float32(between_log(u[32], 5.0, 40.0))
    sharp = np.float32(max(spacing, FINEST) / NOISE_SLOPE)
    draw_noise(scene_stream(scene, _ISLANDS), np.int64(6), spacing, noise, scene.work)
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
    draw_trenches(scene, bands, trench)
    _substrate(scene, 0.1, 0.4)


RECIPES: Final[dict[str, Callable[..., Any]]] = {
    "terraces": _terraces,
    "islands": _islands,
    "roughness": _roughness,
    "particles": _particles,
    "fibres": _fibres,
    "mixed": _mixed,
    "trenches": _trenches,
}
"""Recipe of each family; it draws height and phase of a scene."""
