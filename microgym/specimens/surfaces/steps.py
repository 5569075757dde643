"""Terraces and trenches: surfaces between edges that meander."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.libm import exp64, sincos64
from microgym.random import fill_normal
from microgym.specimens.drawing import coverage
from microgym.specimens.surfaces.drawing_context import EDGES, Work

Plane = NDArray[np.float32]

_FARTHEST = 0.45


@kernel
def draw_edges(
    s0: np.uint32,
    s1: np.uint32,
    amplitude: float,
    correlation_px: float,
    edges: Plane,
    draws: Plane,
) -> None:
    """Draw how far each edge strays from a straight line, in units of the distance of edges.

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
    keep = exp64(-1.0 / correlation_px)
    fresh = amplitude * np.sqrt(1.0 - keep * keep)
    for k in range(edges.shape[0]):
        fill_normal(s0, s1, k + 1, draws)
        at = amplitude * draws[0]
        for t in range(edges.shape[1]):
            if t > 0:
                at = keep * at + fresh * draws[t]
            edges[k, t] = min(max(at, -_FARTHEST), _FARTHEST)


@kernel
def draw_terraces(
    s0: np.uint32,
    s1: np.uint32,
    angle: float,
    width_px: float,
    offset: float,
    step_nm: float,
    amplitude: float,
    correlation_px: float,
    height: Plane,
    phase: Plane,
    work: Work,
) -> None:
    """Draw terraces: height = step * floor(u / width + offset), edges meandering.

    Args:
        s0: first word of the stream key of the edges.
        s1: second word.
        angle: direction u of ascent against the rows, rad.
        width_px: mean width of a terrace, px; at least n/30.
        offset: part of a terrace by which all are shifted.
        step_nm: height of a step, nm.
        amplitude, correlation_px: of `draw_edges`, in units of the width.
        height: (n, n) float32, nm, written; 0 about the middle.
        phase: (n, n) float32, written: 0 on even terraces, 1 on odd ones.
        work: of `surface_work(n)`.
    """
    n = height.shape[0]
    edges = work.edges
    draw_edges(s0, s1, amplitude, correlation_px, edges, work.draws)
    sine, cosine = sincos64(angle)
    middle = 0.5 * (n - 1)
    along_middle = 0.5 * (edges.shape[1] - 1)
    for i in range(n):
        dy = i - middle
        for j in range(n):
            dx = j - middle
            q = (cosine * dx + sine * dy) / width_px + offset
            s = cosine * dy - sine * dx + along_middle
            t = int(s)
            f = s - t
            below = np.floor(q)
            k = int(below) + EDGES // 2
            near = edges[k, t] + f * (edges[k, t + 1] - edges[k, t])
            far = edges[k + 1, t] + f * (edges[k + 1, t + 1] - edges[k + 1, t])
            passed = np.float64(coverage((below + near - q) * width_px))
            passed += np.float64(coverage((below + 1.0 + far - q) * width_px))
            level = below + passed - 1.0
            height[i, j] = np.float32(step_nm * level)
            phase[i, j] = np.float32(abs(level - 2.0 * np.floor(0.5 * level + 0.5)))


@kernel
def draw_trenches(
    s0: np.uint32,
    s1: np.uint32,
    angle: float,
    pitch_px: float,
    width_px: float,
    offset: float,
    depth_nm: float,
    wall_px: float,
    amplitude: float,
    correlation_px: float,
    height: Plane,
    phase: Plane,
    work: Work,
) -> None:
    """Draw parallel trenches with slanted walls and edges that meander.

    Args:
        s0: first word of the stream key of the edges.
        s1: second word.
        angle: direction across the trenches against the rows, rad.
        pitch_px: distance of trenches, px; at least n/15.
        width_px: width of the opening, px, below the pitch.
        offset: part of a pitch by which all are shifted.
        depth_nm: depth of a flat floor, nm; where walls meet before it, they end there.
        wall_px: width of a wall seen from above, px, above 0.
        amplitude, correlation_px: of `draw_edges`, in units of half the pitch.
        height: (n, n) float32, nm, written: 0 between trenches.
        phase: (n, n) float32, written: the depth as a fraction.
        work: of `surface_work(n)`.
    """
    n = height.shape[0]
    edges = work.edges
    draw_edges(s0, s1, amplitude, correlation_px, edges, work.draws)
    sine, cosine = sincos64(angle)
    middle = 0.5 * (n - 1)
    along_middle = 0.5 * (edges.shape[1] - 1)
    half, reach = 0.5 * width_px, 0.5 * pitch_px
    for i in range(n):
        dy = i - middle
        for j in range(n):
            dx = j - middle
            q = (cosine * dx + sine * dy) / pitch_px + offset
            s = cosine * dy - sine * dx + along_middle
            t = int(s)
            f = s - t
            trench = np.floor(q + 0.5)
            u = (q - trench) * pitch_px
            k = 2 * int(trench) + EDGES // 2
            left = edges[k, t] + f * (edges[k, t + 1] - edges[k, t])
            right = edges[k + 1, t] + f * (edges[k + 1, t + 1] - edges[k + 1, t])
            inside = min(u + half - reach * left, half + reach * right - u)
            deep = min(max(inside / wall_px, 0.0), 1.0)
            height[i, j] = np.float32(-depth_nm * deep)
            phase[i, j] = np.float32(deep)
