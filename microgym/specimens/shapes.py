"""Drawn shapes: `large_features`, a stand-in for an etched film, and `siemens_star`.

`large_features` stands in for the experimental tungsten patterns of the PtychoNN data set, which
are not freely available: broad plateaus with rounded outlines along one preferred direction, in two
etch levels, with steps in amplitude and phase, slightly sloping and grainy. Results on it cannot be
compared with those of the papers. All numbers are design choices,
lengths in units of the scanned region's edge.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view2d
from microgym.numerics.libm import sincos32, sincos64
from microgym.random import WORLD, fill_uniform, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import (
    clip_unit,
    coverage,
    lattice_points,
    smooth_noise,
)

Plane = NDArray[np.float32]

_SHAPES, _STAR = np.int64(SpecimenWorld.FEATURES), np.int64(SpecimenWorld.STAR)
_TEXTURE = np.int64(SpecimenWorld.FEATURE_TEXTURE)
_GRAIN = 3.0
_FEATURES = 26


def features_work(height: int, width: int) -> tuple[int, int]:
    """Lengths of the float32 and int64 work arrays of `draw_features`."""
    longest = max(height, width)
    lattice = lattice_points(height, _GRAIN) * lattice_points(width, _GRAIN)
    return 3 * height * width + lattice + 8 * longest + 64, longest


@kernel
def _rounded_box(
    distance: Plane,
    y: float,
    x: float,
    c: float,
    s: float,
    half_long: float,
    half_short: float,
    corner: float,
    hole: float,
) -> None:
    """Lower `distance` to that of a rounded, rotated box; `hole` > 0: a frame so wide."""
    height, width = distance.shape
    reach = half_long + half_short + 2.0
    first, last = max(0, int(y - reach)), min(height, int(y + reach) + 2)
    start, stop = max(0, int(x - reach)), min(width, int(x + reach) + 2)
    a, b, r = np.float32(half_long - corner), np.float32(half_short - corner), np.float32(corner)
    cosine, sine = np.float32(c), np.float32(s)
    zero = np.float32(0.0)
    for i in range(first, last):
        dy = np.float32(i - y)
        row = distance[i, start:stop]
        for j in range(stop - start):
            dx = np.float32(start + j - x)
            # Signed distance of a rounded box, in its own axes.
            u = abs(cosine * dx + sine * dy) - a
            v = abs(cosine * dy - sine * dx) - b
            pu, pv = max(u, zero), max(v, zero)
            d = np.sqrt(pu * pu + pv * pv) + min(max(u, v), zero) - r
            if hole > 0.0:
                d = max(d, -d - np.float32(hole))
            row[j] = min(row[j], d)


@kernel
def _features(
    s0: np.uint32, s1: np.uint32, level: int, distance: Plane, unit: float, draws: Plane
) -> None:
    """Distances of one etch level: boxes, bars and frames along two directions."""
    height, width = distance.shape
    for i in range(height):
        for j in range(width):
            distance[i, j] = np.float32(1e3)
    fill_uniform(s0, s1, np.int64(0), draws)
    lean = 3.141592653589793 * draws[0]
    area = height * width / (unit * unit)
    count = max(3, int(_FEATURES * area * (0.32 if level == 0 else 0.18) + 0.5))
    for k in range(count):
        fill_uniform(s0, s1, 1 + 2 * k + level, draws)
        # Orientation along one of two directions, size, aspect, corners, and a frame or not.
        across = 1.5707963267948966 if draws[0] < 0.3 else 0.0
        tilt = 0.12 * (draws[1] - 0.5)
        sine, cosine = sincos64(lean + across + tilt)
        size = 0.035 + 0.10 * draws[2]
        stretch = 1.0 + 2.2 * draws[3]
        rounding = 0.35 + 0.65 * draws[4]
        frame = draws[5] < 0.2
        y = height * draws[6]
        x = width * draws[7]
        short = unit * size
        hole = 0.7 * short if frame else 0.0
        _rounded_box(distance, y, x, cosine, sine, short * stretch, short, short * rounding, hole)


@kernel
def draw_features(
    k0: np.uint32,
    k1: np.uint32,
    margin: int,
    real: Plane,
    imag: Plane,
    structure: NDArray[np.uint8],
    work: Plane,
    indices: NDArray[np.int64],
) -> None:
    """Draw one `large_features` specimen over the whole field.

    Args:
        k0: first word of the specimen's key.
        k1: second word.
        margin: px outside the scanned region, whose edge sets the size of the features.
        real: (H, W) float32, written.
        imag: (H, W) float32, written.
        structure: (H, W) uint8, ones: there is structure everywhere.
        work: float32, first length of `features_work(H, W)`.
        indices: int64, second length.
    """
    height, width = real.shape
    size, longest = height * width, max(height, width)
    deep = view2d(work, 0, height, width)
    shallow = view2d(work, size, height, width)
    grain = view2d(work, 2 * size, height, width)
    weights = view2d(work, 3 * size, 4, longest)
    line = work[3 * size + 4 * longest : 3 * size + 8 * longest + 64]
    lattice = work[3 * size + 8 * longest + 64 :]
    s0, s1 = stream(k0, k1, WORLD, _SHAPES)
    g0, g1 = stream(k0, k1, WORLD, _TEXTURE)
    unit = np.float64(min(height, width) - 2 * margin)
    draws = line[:8]
    _features(s0, s1, np.int64(0), deep, unit, draws)
    _features(s0, s1, np.int64(1), shallow, unit, draws)
    smooth_noise(g0, g1, np.int64(0), _GRAIN, structure, grain, lattice, line, indices, weights)
    fill_uniform(s0, s1, np.int64(0), draws)
    darkest = 0.55 + 0.15 * draws[1]
    latest = np.float32(0.7 + 0.5 * draws[2])
    slope_y = np.float32(0.5 * (draws[3] - 0.5) / unit)
    slope_x = np.float32(0.5 * (draws[4] - 0.5) / unit)
    wall = np.float32(max(1.0, 0.012 * unit))
    dark = np.float32(1.0 - darkest)
    for i in range(height):
        for j in range(width):
            # Thickness of two etch levels with slanted walls, and grain.
            full = clip_unit(np.float32(0.5) - deep[i, j] / wall)
            half = clip_unit(np.float32(0.5) - shallow[i, j] / wall)
            film = max(full, np.float32(0.55) * half)
            rough = np.float32(0.03) * grain[i, j]
            thick = clip_unit(film + rough * (np.float32(0.3) + film))
            amplitude = np.float32(0.98) - dark * thick
            # Phase of the film, on a substrate with a slope.
            phase = latest * thick + slope_y * np.float32(i) + slope_x * np.float32(j)
            sine, cosine = sincos32(phase)
            real[i, j] = amplitude * cosine
            imag[i, j] = amplitude * sine


@kernel
def draw_star(
    k0: np.uint32,
    k1: np.uint32,
    margin: int,
    real: Plane,
    imag: Plane,
    structure: NDArray[np.uint8],
) -> None:
    """Draw a Siemens star: spokes and three ring gaps in vacuum, mostly a phase object.

    Number of spokes, place, size, rotation and thickness are drawn. The edges come from
    sin(m * angle) = Im((x + iy)^m) / r^m, whose first-order distance to a spoke's edge is
    r sin(m * angle) / m.

    Args:
        k0: first word of the specimen's key.
        k1: second word.
        margin: px outside the scanned region, in which the star lies wholly.
        real: (H, W) float32, written.
        imag: (H, W) float32, written.
        structure: (H, W) uint8, written; 1 where the specimen is not vacuum.
    """
    height, width = real.shape
    s0, s1 = stream(k0, k1, WORLD, _STAR)
    unit = np.float64(min(height, width) - 2 * margin)
    # The plane to be written lends its first pixels to the draws.
    draws = real[0, :8]
    fill_uniform(s0, s1, np.int64(0), draws)
    spokes = 12 + int(13.0 * draws[0])
    radius = unit * (0.28 + 0.14 * draws[1])
    room_y = height - 1 - 2 * margin - 2.0 * radius
    room_x = width - 1 - 2 * margin - 2.0 * radius
    y0 = margin + radius + room_y * draws[2]
    x0 = margin + radius + room_x * draws[3]
    turn_s, turn_c = sincos64(6.283185307179586 * draws[4])
    late = np.float32(0.5 + 0.7 * draws[5])
    sine, cosine = sincos32(late)
    amplitude = np.float32(0.85 + 0.1 * draws[6])
    step_re = amplitude * cosine - np.float32(1.0)
    step_im = amplitude * sine
    gap = max(1.0, 0.02 * radius)
    for i in range(height):
        for j in range(width):
            dy, dx = i - y0, j - x0
            r = np.sqrt(dy * dy + dx * dx)
            part = np.float32(0.0)
            if r < radius + 0.5:
                inverse = 1.0 / r if r > 1e-9 else 0.0
                cy, cx = dy * inverse, dx * inverse
                pr, pi = turn_c, turn_s
                br, bi = cx, cy
                power = spokes
                while power > 0:
                    if power & 1:
                        pr, pi = pr * br - pi * bi, pr * bi + pi * br
                    br, bi = br * br - bi * bi, 2.0 * br * bi
                    power >>= 1
                edge = max(-r * pi / spokes, r - radius)
                for ring in range(1, 4):
                    edge = max(edge, gap - abs(r - 0.25 * ring * radius))
                part = coverage(edge)
            real[i, j] = np.float32(1.0) + part * step_re
            imag[i, j] = part * step_im
            structure[i, j] = np.uint8(1) if part > np.float32(0.0) else np.uint8(0)
