"""Drawn shapes: `large_features`, a stand-in for an etched film, and `siemens_star`.

`large_features` stands in for the experimental tungsten patterns of the PtychoNN data set, which
are not freely available: broad plateaus with rounded outlines along one preferred direction, in two
etch levels, with steps in amplitude and phase, slightly sloping and grainy. Results on it cannot be
compared with those of the papers. All numbers are design choices,
lengths in units of the scanned region's edge.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos32, sincos64
from microgym.random import WORLD, fill_uniform, stream
from microgym.random.streams import SpecimenWorld
from microgym.specimens.drawing import NoiseWork, clip_unit, coverage, noise_work, smooth_noise
from microgym.state import Float32

_SHAPES, _STAR = np.int64(SpecimenWorld.FEATURES), np.int64(SpecimenWorld.STAR)
_TEXTURE = np.int64(SpecimenWorld.FEATURE_TEXTURE)
_GRAIN = 3.0
_FEATURES = 26


class FeaturesWork(NamedTuple):
    """Work arrays of `draw_features`.

    Attributes:
        deep, shallow: (H, W), distances from the edges of both etch levels, px.
        grain: (H, W), of the film.
        noise: of the grain.
        draws: (8,), uniform numbers.
    """

    deep: Float32
    shallow: Float32
    grain: Float32
    noise: NoiseWork
    draws: Float32


def features_work(height: int, width: int, margin: int) -> FeaturesWork:
    """Work arrays of `draw_features`.

    Args:
        height, width: of the field, px.
        margin: width of the border around the scanned region, px.
    """
    deep, shallow, grain = np.empty((3, height, width), np.float32)
    noise = noise_work(height, width, _GRAIN)
    return FeaturesWork(deep, shallow, grain, noise, star_work(height, width, margin))


def star_work(height: int, width: int, margin: int) -> Float32:
    """Work array of `draw_star`: uniform numbers."""
    del height, width, margin
    return np.empty(8, np.float32)


@kernel
def _rounded_box(distance, y, x, c, s, half_long, half_short, corner, hole):
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
def _features(key, level, distance, unit, draws):
    """Distances of one etch level: boxes, bars and frames along two directions."""
    height, width = distance.shape
    distance[:] = np.float32(1e3)
    fill_uniform(*key, np.int64(0), draws)
    lean = 3.141592653589793 * draws[0]
    area = height * width / (unit * unit)
    count = max(3, int(_FEATURES * area * (0.32 if level == 0 else 0.18) + 0.5))
    for k in range(count):
        fill_uniform(*key, 1 + 2 * k + level, draws)
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
def draw_features(key, margin, real, imag, structure, work):
    """Draw one `large_features` specimen over the whole field, see `microgym.specimens.families`.

    The edge of the scanned region sets the size of the features.

    Args:
        key: two uint32, key of the specimen.
        margin: width of the border around the scanned region, px.
        real, imag: (H, W) float32, written, transmission function.
        structure: (H, W) uint8, written, 1 where there is structure.
        work: of `features_work`.
    """
    height, width = real.shape
    deep, shallow, grain, draws = work.deep, work.shallow, work.grain, work.draws
    shapes = stream(key[0], key[1], WORLD, _SHAPES)
    unit = np.float64(min(height, width) - 2 * margin)
    _features(shapes, np.int64(0), deep, unit, draws)
    _features(shapes, np.int64(1), shallow, unit, draws)
    texture = stream(key[0], key[1], WORLD, _TEXTURE)
    smooth_noise(texture, np.int64(0), _GRAIN, structure, grain, work.noise)
    fill_uniform(*shapes, np.int64(0), draws)
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
def draw_star(key, margin, real, imag, structure, draws):
    """Draw a Siemens star: spokes and three ring gaps in vacuum, mostly a phase object.

    Number of spokes, place, size, rotation and thickness are drawn. The edges come from
    sin(m * angle) = Im((x + iy)^m) / r^m, whose first-order distance to a spoke's edge is
    r sin(m * angle) / m.

    It lies wholly within the scanned region. See `microgym.specimens.families`.

    Args:
        key: two uint32, key of the specimen.
        margin: width of the border around the scanned region, px.
        real, imag: (H, W) float32, written, transmission function.
        structure: (H, W) uint8, written, 1 where there is structure.
        draws: of `star_work`.
    """
    height, width = real.shape
    unit = np.float64(min(height, width) - 2 * margin)
    fill_uniform(*stream(key[0], key[1], WORLD, _STAR), np.int64(0), draws)
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
