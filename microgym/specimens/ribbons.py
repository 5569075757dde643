"""Paths of the ribbons of `sparse`: random walks with a persistent direction.

A strand starts somewhere in the scanned region and walks until it has covered its share; direction
follows a curvature that drifts (an Ornstein-Uhlenbeck process about a constant of the strand). It
turns away from the region's border, and, unless it is one that crosses, from earlier ribbons.
Lengths are in units of the region's edge / 128; all numbers are design choices.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import sincos64
from microgym.random import fill_normal, fill_uniform
from microgym.state import Float32, Float64

FRACTION_RANGE = (0.10, 0.30)
"""Fraction of the scanned region that is structure, drawn uniformly."""
WIDTH_RANGE = (8.0, 14.0)
"""Width of a ribbon."""

_MAX_STRANDS = 5
_MAX_SPAWNS = 40
_LONGEST_WALK = 1200
_LOOKAHEAD = 15.0
_TURN = 1.0 / 9.0
_MAX_CURVATURE = 1.0 / 14.0
_EVASION = 1.0 / 12.0
_CROSSING = 0.35
_DRIFT_LENGTH = 30.0
_DRIFT = 1.0 / 35.0
_BIAS = 1.0 / 60.0
_SHORTEST = 75.0


class RibbonWork(NamedTuple):
    """Work arrays of `draw_strands`.

    Attributes:
        now: (5,), the strand at hand: y, x, direction y, direction x, half-width.
        halfway: (strands, 5), the strands as they were halfway.
        mirrored: (roots, 5), the roots as seen from their other ends.
        scene: (32,), uniform draws of the scene, of which those from 20 on are free for other use.
        draws: (8,), uniform draws of a strand.
        kicks: (steps,), normal draws of its walk.
    """

    now: Float64
    halfway: Float64
    mirrored: Float64
    scene: Float32
    draws: Float32
    kicks: Float32


def ribbon_work() -> RibbonWork:
    """Work arrays of `draw_strands`."""
    return RibbonWork(
        now=np.zeros(5),
        halfway=np.zeros((_MAX_STRANDS, 5)),
        mirrored=np.zeros((3, 5)),
        scene=np.empty(32, np.float32),
        draws=np.empty(8, np.float32),
        kicks=np.empty(_LONGEST_WALK, np.float32),
    )


@kernel
def _stamp(depth, y, x, half, top, bottom, left, right):
    """Lower `depth` to the distance from a disk's edge; return the new px in the region."""
    height, width = depth.shape
    reach = half + 1.5
    first = max(0, int(np.floor(y - reach)))
    last = min(height, int(np.floor(y + reach)) + 2)
    start = max(0, int(np.floor(x - reach)))
    stop = min(width, int(np.floor(x + reach)) + 2)
    inner_start, inner_stop = max(start, left), min(stop, right)
    radius = np.float32(half)
    fresh = 0
    for i in range(first, last):
        dy = np.float32(i - y)
        dy2 = dy * dy
        if top <= i < bottom and inner_stop > inner_start:
            inner = view1d(depth, i * width + inner_start, inner_stop - inner_start)
            offset = np.float32(inner_start - x)
            edge = (radius + np.float32(0.5)) * (radius + np.float32(0.5))
            for j in range(inner_stop - inner_start):
                dx = offset + np.float32(j)
                fresh += (inner[j] >= np.float32(0.5)) & (dy2 + dx * dx < edge)
        row = view1d(depth, i * width + start, stop - start)
        offset = np.float32(start - x)
        for j in range(stop - start):
            dx = offset + np.float32(j)
            d = np.sqrt(dy2 + dx * dx) - radius
            row[j] = d if d < row[j] else row[j]
    return fresh


@kernel
def _depth_at(depth, y, x):
    """Distance to the nearest ribbon; far where (y, x) is off the plane."""
    i, j = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
    if 0 <= i < depth.shape[0] and 0 <= j < depth.shape[1]:
        return depth[i, j]
    return np.float32(1e3)


@kernel
def _evasion(depth, y, x, c, s, unit):
    """Curvature that leads past structure ahead, or 0 where the way is free."""
    far = _LOOKAHEAD * unit
    if _depth_at(depth, y + far * c, x + far * s) > 6.0 * unit:
        return 0.0
    lc, ls = _turned(c, s, 0.6)
    rc, rs = _turned(c, s, -0.6)
    left = _depth_at(depth, y + far * lc, x + far * ls)
    right = _depth_at(depth, y + far * rc, x + far * rs)
    return _EVASION if left > right else -_EVASION


@inline_kernel
def _turned(c, s, angle):
    """Rotate the direction (c, s) by a small angle, staying on the unit circle."""
    a = c - s * angle
    b = s + c * angle
    norm = np.sqrt(a * a + b * b)
    return a / norm, b / norm


@kernel
def _walk(draws, kicks, state, branch, depth, margin, unit, covered, target):
    """Draw one strand until `target` px are covered or it has to end; return the px covered.

    `state` is (y, x, direction y, direction x, half-width); the state halfway goes to `branch`.
    """
    height, width = depth.shape
    y, x, c, s, half = state[0], state[1], state[2], state[3], state[4]
    middle_y, middle_x = 0.5 * (height - 1), 0.5 * (width - 1)
    reach_y = middle_y - margin - half + 2.0 * unit
    reach_x = middle_x - margin - half + 2.0 * unit
    bias = _BIAS * (2.0 * draws[4] - 1.0)
    keep = 1.0 - 1.0 / _DRIFT_LENGTH
    kick = _DRIFT * np.sqrt(1.0 - keep * keep)
    drift = _DRIFT * kicks[0]
    crosses = draws[5] < _CROSSING
    halfway = covered + (target - covered) // 2
    branch[0], branch[1], branch[2], branch[3], branch[4] = y, x, c, s, half
    for step in range(1, kicks.size):
        # A strand ends where it leaves the region.
        if abs(y - middle_y) > reach_y + unit or abs(x - middle_x) > reach_x + unit:
            return covered
        covered += _stamp(depth, y, x, half, margin, height - margin, margin, width - margin)
        if covered <= halfway:
            branch[0], branch[1], branch[2], branch[3], branch[4] = y, x, c, s, half
        if covered >= target:
            return covered
        # Curvature: an Ornstein-Uhlenbeck process about the bias of the strand.
        drift = keep * drift + kick * kicks[step]
        curvature = min(max(bias + drift, -_MAX_CURVATURE), _MAX_CURVATURE)
        if not crosses:
            evasion = _evasion(depth, y, x, c, s, unit)
            curvature = evasion if evasion != 0.0 else curvature
        # At the border the strand turns back to the middle.
        ahead_y, ahead_x = y + _LOOKAHEAD * unit * c, x + _LOOKAHEAD * unit * s
        if abs(ahead_y - middle_y) > reach_y or abs(ahead_x - middle_x) > reach_x:
            cross = c * (middle_x - x) - s * (middle_y - y)
            curvature = _TURN if cross >= 0.0 else -_TURN
            drift = 0.25 * curvature
        c, s = _turned(c, s, curvature)
        y += unit * c
        x += unit * s
    return covered


@kernel
def _start(draws, state, height, width, margin, unit):
    """A fresh strand: place, direction, half-width."""
    half = 0.5 * unit * (WIDTH_RANGE[0] + (WIDTH_RANGE[1] - WIDTH_RANGE[0]) * draws[0])
    s, c = sincos64(6.283185307179586 * draws[1])
    inset = margin + half + 8.0 * unit
    state[0] = inset + (height - 1 - 2.0 * inset) * draws[2]
    state[1] = inset + (width - 1 - 2.0 * inset) * draws[3]
    state[2], state[3], state[4] = c, s, half


@kernel
def _fork(draws, state, parent):
    """A strand that leaves its parent at 35 to 70 degrees, a little thinner."""
    angle = 0.61 + 0.61 * draws[0]
    angle = angle if draws[1] < 0.5 else -angle
    sine, cosine = sincos64(angle)
    state[0], state[1] = parent[0], parent[1]
    state[2] = parent[2] * cosine - parent[3] * sine
    state[3] = parent[3] * cosine + parent[2] * sine
    state[4] = parent[4] * (0.75 + 0.2 * draws[2])


@kernel
def draw_strands(key, depth, margin, work):
    """Draw all ribbons as signed distances.

    Args:
        key: stream key of the shapes.
        depth: (H, W) float32, far everywhere at first; lowered to the signed distance from the
            ribbons' edges, px, negative inside.
        margin: px on each side outside the scanned region.
        work: `RibbonWork`; its scene stays.
    """
    height, width = depth.shape
    region = (height - 2 * margin) * (width - 2 * margin)
    unit = min(height, width) - 2 * margin
    unit = unit / 128.0
    now, scene, draws, kicks = work.now, work.scene, work.draws, work.kicks
    fill_uniform(*key, np.int64(0), scene)
    fraction = FRACTION_RANGE[0] + (FRACTION_RANGE[1] - FRACTION_RANGE[0]) * scene[0]
    target = int(fraction * region + 0.5)
    roots = 1 + int(3.0 * scene[1])
    strands = roots
    for b in range(2):
        strands += scene[2 + b] < 0.4
    length = target / (0.5 * (WIDTH_RANGE[0] + WIDTH_RANGE[1]) * unit)
    strands = max(1, min(strands, int(length / (_SHORTEST * unit))))
    roots = min(roots, strands)
    covered = np.int64(0)
    for k in range(_MAX_SPAWNS):
        if covered >= target:
            break
        share = target if k >= strands - 1 else covered + (target - covered) // (strands - k)
        fill_uniform(*key, 1 + 2 * k, draws)
        fill_normal(*key, 2 + 2 * k, kicks)
        if k < roots or k >= strands + roots:
            _start(draws, now, height, width, margin, unit)
        elif k < strands:
            _fork(draws, now, work.halfway[int(roots * scene[8 + k])])
        else:
            # A strand that ended early is taken up again at its other end.
            for q in range(now.size):
                now[q] = work.mirrored[k - strands, q]
        if k < roots:
            mirror = work.mirrored[k]
            mirror[0], mirror[1], mirror[4] = now[0], now[1], now[4]
            mirror[2], mirror[3] = -now[2], -now[3]
        mine = work.halfway[min(k, _MAX_STRANDS - 1)]
        covered = _walk(draws, kicks, now, mine, depth, margin, unit, covered, share)
