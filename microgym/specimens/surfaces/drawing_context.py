"""Drawing context of the families of surfaces: random numbers, smooth noise, work arrays."""

from typing import NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import exp64, log64
from microgym.random import WORLD, draw_uniform, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import NoiseWork, noise_work, smooth_noise
from microgym.specimens.spectral import SpectralWork, spectral_work
from microgym.state import Float32, Float64, Uint8, Uint32

EDGES = 48
"""Most edges that one drawing can hold: of terraces or of trenches."""
FINEST = 1.5
"""Smallest distance of lattice points of smooth noise, px."""
GRAINS = 64
"""Most particles of one surface."""
SCENE_NUMBERS = 92
"""Random parameters of one scene, at most."""
NOISE_SLOPE = 1.478
"""sqrt(pi / 2 * 210 / 151): mean slope of smooth noise times the spacing of its lattice, since the
squared derivative of the cubic B-spline integrates to 2/3, its square to 151/315."""

_SCENE = np.int64(SpecimenWorld.SURFACE_SCENE)


class Work(NamedTuple):
    """Work arrays of all families, for a grid of n by n.

    Attributes:
        noise, region: (n, n).
        everywhere: (n, n), ones.
        lattice: of smooth noise.
        spectrum: of roughness.
        edges: (`EDGES`, along), places of meandering edges, px.
        draws: (along,).
        points: (along, 3), of particles or of a fibre; along exceeds `GRAINS`.
    """

    noise: Float32
    region: Float32
    everywhere: Uint8
    lattice: NoiseWork
    spectrum: SpectralWork
    edges: Float32
    draws: Float32
    points: Float64


class Scene(NamedTuple):
    """One surface while it is drawn.

    Attributes:
        key: (2,), of the specimen.
        numbers: (`SCENE_NUMBERS`,), uniform numbers of the scene's parameters.
        pixel_nm: edge of a pixel, nm.
        height: (n, n), nm.
        phase: (n, n), part of a pixel in [0, 1] that stands out in the height.
        work: of `surface_work(n)`.
    """

    key: Uint32
    numbers: Float64
    pixel_nm: float
    height: Float32
    phase: Float32
    work: Work


def surface_work(n: int) -> Work:
    """Work arrays for a grid of n by n px, n from 64 to 512."""
    along = n + n // 2 + 4
    return Work(
        noise=np.empty((n, n), np.float32),
        region=np.empty((n, n), np.float32),
        everywhere=np.ones((n, n), np.uint8),
        lattice=noise_work(n, n, FINEST),
        spectrum=spectral_work(n),
        edges=np.empty((EDGES, along), np.float32),
        draws=np.empty(along, np.float32),
        points=np.empty((along, 3)),
    )


@kernel
def open_scene(scene):
    """Draw the numbers of a scene, and flatten it."""
    key = scene_stream(scene, _SCENE)
    for i in range(scene.numbers.size):
        scene.numbers[i] = draw_uniform(*key, np.int64(0), i)
    scene.height[:], scene.phase[:] = np.float32(0.0), np.float32(0.0)


@kernel
def scene_stream(scene, process):
    """Stream key of a process of the surface, as a call, for its code is long."""
    return stream(scene.key[0], scene.key[1], WORLD, process)


@inline_kernel
def between(number, low, high):
    """A number uniform between two, from one uniform in (0, 1)."""
    return low + (high - low) * number


@kernel
def between_log(number, low, high):
    """As `between`, uniform in the logarithm."""
    return low * exp64(number * log64(high / low))


@kernel
def draw_noise(key, tick, spacing, out, work):
    """Smooth noise of unit variance; `spacing` in px, no finer than `FINEST`."""
    smooth_noise(key, tick, max(spacing, FINEST), work.everywhere, out, work.lattice)
