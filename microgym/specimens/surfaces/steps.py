"""Terraces and trenches: surfaces between edges that meander."""

from typing import NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.libm import exp64, sincos64
from microgym.random import fill_normal
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import coverage
from microgym.specimens.surfaces.drawing_context import EDGES, scene_stream

_EDGES = np.int64(SpecimenWorld.SURFACE_EDGES)
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
def draw_edges(key, amplitude, correlation_px, edges, draws):
    """Draw the distance of each edge from a straight line, in units of the distance of edges.

    An edge that fluctuates by itself is a random walk along its length, and its neighbours hold it
    back (Jeong and Williams, Surf. Sci. Rep. 34, 171, 1999): an Ornstein-Uhlenbeck process along
    the edge, with an exact step from px to px. Edges stay within 0.45 of their line and therefore
    never cross.

    Args:
        key: stream key; one tick an edge, from 1 on.
        amplitude: standard deviation, in units of the distance of edges.
        correlation_px: correlation length along the edge, px.
        edges: (m, along) float32, written.
        draws: (along,) float32 work.
    """
    # Exact update of the Ornstein-Uhlenbeck process: x' = e^(-1/l) x + a sqrt(1 - e^(-2/l)) xi.
    keep = exp64(-1.0 / correlation_px)
    fresh = amplitude * np.sqrt(1.0 - keep * keep)
    for k in range(edges.shape[0]):
        fill_normal(*key, k + 1, draws)
        at = amplitude * draws[0]
        for t in range(edges.shape[1]):
            if t > 0:
                at = keep * at + fresh * draws[t]
            edges[k, t] = min(max(at, -_FARTHEST), _FARTHEST)


@kernel
def _edges_across(scene, bands):
    """Draw the edges of bands; return sine and cosine of the direction across them."""
    work = scene.work
    key = scene_stream(scene, _EDGES)
    draw_edges(key, bands.amplitude, bands.correlation_px, work.edges, work.draws)
    return sincos64(bands.angle)


@inline_kernel
def _place(i, j, n, sine, cosine, bands, edges):
    """Coordinate of a pixel across the bands in periods, and along their edges in px."""
    middle = 0.5 * (n - 1)
    dy, dx = i - middle, j - middle
    across = (cosine * dx + sine * dy) / bands.period_px + bands.offset
    return across, cosine * dy - sine * dx + 0.5 * (edges.shape[1] - 1)


@inline_kernel
def _edge(edges, k, along):
    """Distance of edge k from its line, linear between the px along it."""
    t = int(along)
    return edges[k, t] + (along - t) * (edges[k, t + 1] - edges[k, t])


@kernel
def draw_terraces(scene, bands, step_nm):
    """Draw terraces: height = step * floor(u / period + offset), edges meandering.

    Args:
        scene: surface; its height is 0 about the middle, its phase 0 on even terraces, 1 on odd.
        bands: terraces; the direction u of ascent is the one across them.
        step_nm: height of a step, nm.
    """
    height, phase, edges = scene.height, scene.phase, scene.work.edges
    n, width_px = height.shape[0], bands.period_px
    sine, cosine = _edges_across(scene, bands)
    for i in range(n):
        for j in range(n):
            q, s = _place(i, j, n, sine, cosine, bands, edges)
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
def draw_trenches(scene, bands, trench):
    """Draw parallel trenches with slanted walls and edges that meander.

    Args:
        scene: surface; its height is 0 between trenches, its phase the depth as a fraction.
        bands: trenches; edges are half a period apart.
        trench: profile.
    """
    height, phase, edges = scene.height, scene.phase, scene.work.edges
    n = height.shape[0]
    half, reach = 0.5 * trench.width_px, 0.5 * bands.period_px
    sine, cosine = _edges_across(scene, bands)
    for i in range(n):
        for j in range(n):
            q, s = _place(i, j, n, sine, cosine, bands, edges)
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
