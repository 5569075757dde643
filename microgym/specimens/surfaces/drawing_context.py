"""Drawing context of the families of surfaces: random numbers, smooth noise, work arrays."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.fft import FFTPlan, plan, workspace
from microgym.numerics.libm import exp64, log64
from microgym.specimens.drawing import lattice_points, smooth_noise
from microgym.specimens.grf import field_size

Plane = NDArray[np.float32]

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

Key = tuple[np.uint32, np.uint32]


class Work(NamedTuple):
    """Work arrays of all families, for a grid of n by n.

    Attributes:
        noise: (n, n) float32.
        region: (n, n) float32.
        everywhere: (n, n) uint8, ones.
        lattice, line, first, weights: of `microgym.specimens.drawing.smooth_noise`.
        re, im: float32 planes of the transform, flat.
        transform: its float32 work array.
        fft: its plan.
        edges: (`EDGES`, along) float32, places of meandering edges, px.
        draws: (along,) float32.
        points: (along, 3) float64, of particles or of a fibre; along exceeds `GRAINS`.
        numbers: (`SCENE_NUMBERS`,) float64.
    """

    noise: Plane
    region: Plane
    everywhere: NDArray[np.uint8]
    lattice: Plane
    line: Plane
    first: NDArray[np.int64]
    weights: Plane
    re: Plane
    im: Plane
    transform: Plane
    fft: FFTPlan
    edges: Plane
    draws: Plane
    points: NDArray[np.float64]
    numbers: NDArray[np.float64]


class Scene(NamedTuple):
    """One surface while it is drawn.

    Attributes:
        numbers: (`SCENE_NUMBERS`,) float64, uniform numbers of the scene's parameters.
        edges, roughness, islands, particles: keys of the streams of meandering edges, of roughness,
            of islands and regions, and of particles and fibres.
        pixel_nm: edge of a pixel, nm.
        height: (n, n) float32, nm.
        phase: (n, n) float32, part of a pixel in [0, 1] that stands out in the height.
        work: of `surface_work(n)`.
    """

    numbers: NDArray[np.float64]
    edges: Key
    roughness: Key
    islands: Key
    particles: Key
    pixel_nm: float
    height: Plane
    phase: Plane
    work: Work


@cache
def _plan(n: int) -> FFTPlan:
    return plan(n)


def surface_work(n: int) -> Work:
    """Work arrays for a grid of n by n px.

    Args:
        n: edge, px, 64 to 512.

    Returns:
        Fresh arrays.
    """
    points = lattice_points(n, FINEST)
    size = field_size(2 * n, 2 * n)
    along = n + n // 2 + 4
    return Work(
        noise=np.empty((n, n), np.float32),
        region=np.empty((n, n), np.float32),
        everywhere=np.ones((n, n), np.uint8),
        lattice=np.empty(points * points, np.float32),
        line=np.empty(points, np.float32),
        first=np.empty(n, np.int64),
        weights=np.empty((4, n), np.float32),
        re=np.empty(size * size, np.float32),
        im=np.empty(size * size, np.float32),
        transform=np.empty(workspace(size), np.float32),
        fft=_plan(size),
        edges=np.empty((EDGES, along), np.float32),
        draws=np.empty(along, np.float32),
        points=np.empty((along, 3)),
        numbers=np.empty(SCENE_NUMBERS),
    )


@inline_kernel
def between(number: float, low: float, high: float) -> float:
    """A number uniform between two, from one uniform in (0, 1)."""
    return low + (high - low) * number


@kernel
def between_log(number: float, low: float, high: float) -> float:
    """As `between`, uniform in the logarithm."""
    return low * exp64(number * log64(high / low))


@kernel
def clear(plane: Plane) -> None:
    """Fill a plane with zeros."""
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            plane[i, j] = np.float32(0.0)


@kernel
def draw_noise(
    s0: np.uint32, s1: np.uint32, tick: int, spacing: float, out: Plane, work: Work
) -> None:
    """Smooth noise of unit variance; `spacing` in px, no finer than `FINEST`."""
    smooth_noise(
        s0,
        s1,
        tick,
        max(spacing, FINEST),
        work.everywhere,
        out,
        work.lattice,
        work.line,
        work.first,
        work.weights,
    )
