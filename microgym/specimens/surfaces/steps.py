"""Terraces and trenches: surfaces between edges that meander."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import exp64, sincos64
from microgym.random import fill_normal
from microgym.specimens.drawing import coverage
from microgym.specimens.surfaces.drawing_context import EDGES, Work

Plane = NDArray[np.float32]

_FARTHEST = 0.45


class Bands(NamedTuple):
    """Parallel bands, terraces or trenches, that repeat across a field.

    Attributes:
        angle: direction across the bands against the rows, rad.
        period_px: mean distance of bands, px; at least n/30 for terraces, n/15 for trenches.
        offset: part of a period by which all are shifted.
        amplitude, correlation_px: of `draw_edges`, in units of the distance of edges.
    """

    angle: float
    period_px: float
    offset: float
    amplitude: float
    correlation_px: float


@kernel
def draw_edges(
    s0: np.uint32,
    s1: np.uint32,
    amplitude: float,
    correlation_px: float,
    edges: Plane,
    draws: Plane,
) -> None:
    """Draw the distance of each edge from a straight line, in units of the distance of edges.

    An edge that fluctuates by itself is a random walk along its length, and its neighbours hold it
    back (Jeong and Williams, Surf. Sci. Rep. 34, 171, 1999): an Ornstein-Uhlenbeck process along
    the edge, with an exact step from px to px. Edges stay within 0.45 of their line and therefore
    never cross.

    Args:
        s0: first word of the stream key; one tick an edge, from 1 on.
        s1: second word.
        amplitude: standard deviation, in units of the distance of edges.
        correlation_px: correlation length along the edge, px.
        edges: (m, along) float32, written.
        draws: (along,) float32 work.
    """
    # Exact update of the Ornstein-Uhlenbeck process: x' = e^(-1/l) x + a sqrt(1 - e^(-2/l)) xi.
    keep = exp64(-1.0 / correlation_px)
    fresh = amplitude * np.sqrt(1.0 - keep * keep)
    for k in range(edges.shape[0]):
        fill_normal(s0, s1, k + 1, draws)
        at = amplitude * draws[0]
        for t in range(edges.shape[1]):
            if t > 0:
                at = keep * at + fresh * draws[t]
            edges[k, t] = min(max(at, -_FARTHEST), _FARTHEST)


@inline_kernel
def _place(dy, dx, sine, cosine, bands):
    """Coordinate of a pixel across the bands in periods, and along them in px."""
    across = (cosine * dx + sine * dy) / bands.period_px + bands.offset
    return across, cosine * dy - sine * dx


@inline_kernel
def _edge(edges, k, along):
    """Distance of edge k from its line, linear between the px along it."""
    t = int(along)
    return edges[k, t] + (along - t) * (edges[k, t + 1] - edges[k, t])


@kernel
def draw_terraces(
    s0: np.uint32,
    s1: np.uint32,
    bands: Bands,
    step_nm: float,
    height: Plane,
    phase: Plane,
    work: Work,
) -> None:
    """Draw terraces: height = step * floor(u / period + offset), edges meandering.

    Args:
        s0: first word of the stream key of the edges.
        s1: second word.
        bands: terraces; the direction u of ascent is the one across them.
        step_nm: height of a step, nm.
        height: (n, n) float32, nm, written; 0 about the middle.
        phase: (n, n) float32, written: 0 on even terraces, 1 on odd ones.
        work: of `surface_work(n)`.
    """
    n = height.shape[0]
    edges, width_px = work.edges, bands.period_px
    draw_edges(s0, s1, bands.amplitude, bands.correlation_px, edges, work.draws)
    sine, cosine = sincos64(bands.angle)
    middle = 0.5 * (n - 1)
    along_middle = 0.5 * (edges.shape[1] - 1)
    for i in range(n):
        for j in range(n):
            q, along = _place(i - middle, j - middle, sine, cosine, bands)
            s = along + along_middle
            below = np.floor(q)
            k = int(below) + EDGES // 2
            # The edges before and behind the pixel, each one pixel wide.
            near, far = _edge(edges, k, s), _edge(edges, k + 1, s)
            passed = np.float64(coverage((below + near - q) * width_px))
            passed += np.float64(coverage((below + 1.0 + far - q) * width_px))
            level = below + passed - 1.0
            height[i, j] = np.float32(step_nm * level)
            # Triangle wave: distance of the level from the nearest even number.
            phase[i, j] = np.float32(abs(level - 2.0 * np.floor(0.5 * level + 0.5)))


class Trench(NamedTuple):
    """Profile of a trench.

    Attributes:
        width_px: width of the opening, px, below the period.
        depth_nm: depth of a flat floor, nm; where walls meet before it, they end there.
        wall_px: width of a wall seen from above, px, above 0.
    """

    width_px: float
    depth_nm: float
    wall_px: float


@kernel
def draw_trenches(
    s0: np.uint32,
    s1: np.uint32,
    bands: Bands,
    trench: Trench,
    height: Plane,
    phase: Plane,
    work: Work,
) -> None:
    """Draw parallel trenches with slanted walls and edges that meander.

    Args:
        s0: first word of the stream key of the edges.
        s1: second word.
        bands: trenches; edges are half a period apart.
        trench: profile.
        height: (n, n) float32, nm, written: 0 between trenches.
        phase: (n, n) float32, written: the depth as a fraction.
        work: of `surface_work(n)`.
    """
    n = height.shape[0]
    edges = work.edges
    draw_edges(s0, s1, bands.amplitude, bands.correlation_px, edges, work.draws)
    sine, cosine = sincos64(bands.angle)
    middle = 0.5 * (n - 1)
    along_middle = 0.5 * (edges.shape[1] - 1)
    half, reach = 0.5 * trench.width_px, 0.5 * bands.period_px
    for i in range(n):
        for j in range(n):
            q, along = _place(i - middle, j - middle, sine, cosine, bands)
            s = along + along_middle
            # Distance u from the middle line of the nearest trench, px.
            nearest = np.floor(q + 0.5)
            u = (q - nearest) * bands.period_px
            k = 2 * int(nearest) + EDGES // 2
            left, right = _edge(edges, k, s), _edge(edges, k + 1, s)
            # Depth grows with the distance from the nearer edge, down to the floor.
            inside = min(u + half - reach * left, half + reach * right - u)
            deep = min(max(inside / trench.wall_px, 0.0), 1.0)
            height[i, j] = np.float32(-trench.depth_nm * deep)
            phase[i, j] = np.float32(deep)
