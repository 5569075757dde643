"""Drawing kernels that the specimen families share: smooth noise, Gaussian blur, rounded edges."""

from typing import NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import BLOCK, any_nonzero, view1d
from microgym.numerics.libm import exp64, sincos32
from microgym.random import fill_normal
from microgym.state import Float32, Int64

NOISE_SCALE = np.float32(2.0861)
"""315/151: brings cubic B-spline noise on a square lattice to unit variance on average, since the
squared cubic B-spline integrates to 151/315 along each axis (de Boor, A Practical Guide to Splines,
1978)."""

BLUR_TRUNCATION = 4.0
"""Half-width of a blur in standard deviations, as in SciPy's gaussian_filter."""


class NoiseWork(NamedTuple):
    """Work arrays of `smooth_noise`.

    Attributes:
        lattice: random numbers at the points of the lattice, flat.
        across: a row of the lattice, weighted.
        first: first of the four lattice points of each pixel along an axis.
        weights: (4, longest axis), weights of these.
    """

    lattice: Float32
    across: Float32
    first: Int64
    weights: Float32


def noise_work(height: int, width: int, finest: float) -> NoiseWork:
    """Work arrays for planes of so many px and lattices of `finest` px or more."""
    rows, columns = lattice_points(height, finest), lattice_points(width, finest)
    longest = max(height, width)
    return NoiseWork(
        lattice=np.empty(rows * columns, np.float32),
        across=np.empty(columns, np.float32),
        first=np.empty(longest, np.int64),
        weights=np.empty((4, longest), np.float32),
    )


class BlurWork(NamedTuple):
    """Work arrays of `add_blur`, for planes of (h, w) px.

    Attributes:
        padded: (h + 2 halo, w + 2 halo), what is to be blurred.
        rows: (h + 2 halo, w), blurred along its rows.
        weights: (2 halo + 1,), those of the blur.
    """

    padded: Float32
    rows: Float32
    weights: Float32


def blur_work(height: int, width: int, halo: int) -> BlurWork:
    """Work arrays of blurs with a radius of `halo` px at most."""
    tall = height + 2 * halo
    shapes = ((tall, width + 2 * halo), (tall, width), 2 * halo + 1)
    return BlurWork(*(np.empty(shape, np.float32) for shape in shapes))


@inline_kernel
def lattice_points(length, spacing):
    """Lattice points that a spline over `length` px needs, at `spacing` px."""
    return int(length / spacing) + 5


@inline_kernel
def coverage(distance):
    """Fraction of a pixel inside an edge `distance` px away (negative inside), edge 1 px soft."""
    inside = np.float32(0.5) - np.float32(distance)
    inside = inside if inside > np.float32(0.0) else np.float32(0.0)
    return inside if inside < np.float32(1.0) else np.float32(1.0)


@inline_kernel
def clip_unit(x):
    """Clip a float32 to [0, 1]."""
    y = x if x > np.float32(0.0) else np.float32(0.0)
    return y if y < np.float32(1.0) else np.float32(1.0)


@kernel
def spline_weights(length, spacing, first, weights):
    """Cubic B-spline weights along one axis.

    Args:
        length: pixels along the axis.
        spacing: distance of lattice points, px.
        first: (length,) int64, the first of the four lattice points of each pixel, written.
        weights: (4, length) float32, written; each column sums to 1.
    """
    for j in range(length):
        # Uniform cubic B-spline at the place t between two lattice points.
        at = j / spacing
        low = int(np.floor(at))
        t = at - low
        s = 1.0 - t
        first[j] = low
        weights[0, j] = s * s * s / 6.0
        weights[1, j] = (4.0 + 3.0 * t * t * (t - 2.0)) / 6.0
        weights[2, j] = (4.0 + 3.0 * s * s * (s - 2.0)) / 6.0
        weights[3, j] = t * t * t / 6.0


@kernel
def smooth_noise(key, tick, spacing, wanted, out, work):
    """Smooth Gaussian noise of zero mean and about unit variance: cubic B-splines on a lattice.

    Its autocorrelation has a full width at half maximum of about 1.9 lattice spacings.

    Args:
        key: stream key of the lattice.
        tick: tick at which it is drawn.
        spacing: distance of lattice points, px; at least 1.
        wanted: (h, w) uint8, 1 where it is needed.
        out: (h, w) float32, C-contiguous, written where needed, and here and there beside.
        work: `NoiseWork` for as many px, and points as near.
    """
    height, width = out.shape
    rows, columns = lattice_points(height, spacing), lattice_points(width, spacing)
    points, first, weights = work.lattice[: rows * columns], work.first, work.weights
    fill_normal(*key, tick, points)
    spline_weights(max(height, width), spacing, first, weights)
    mixed = work.across[:columns]
    stride = weights.shape[1]
    for i in range(height):
        if not any_nonzero(view1d(wanted, i * width, width)):
            continue
        # Sum over four rows of the lattice, then over four columns.
        at = first[i] * columns
        above, upper = view1d(points, at, columns), view1d(points, at + columns, columns)
        lower = view1d(points, at + 2 * columns, columns)
        below = view1d(points, at + 3 * columns, columns)
        a = weights[0, i] * NOISE_SCALE
        b = weights[1, i] * NOISE_SCALE
        c = weights[2, i] * NOISE_SCALE
        d = weights[3, i] * NOISE_SCALE
        for j in range(columns):
            mixed[j] = a * above[j] + b * upper[j] + c * lower[j] + d * below[j]
        for start in range(0, width, BLOCK):
            count = min(BLOCK, width - start)
            if not any_nonzero(view1d(wanted, i * width + start, count)):
                continue
            target, nearest = view1d(out, i * width + start, count), view1d(first, start, count)
            w0, w1 = view1d(weights, start, count), view1d(weights, stride + start, count)
            w2 = view1d(weights, 2 * stride + start, count)
            w3 = view1d(weights, 3 * stride + start, count)
            for j in range(count):
                k = nearest[j]
                target[j] = (
                    w0[j] * mixed[k]
                    + w1[j] * mixed[k + 1]
                    + w2[j] * mixed[k + 2]
                    + w3[j] * mixed[k + 3]
                )


@kernel
def gaussian_weights(sigma, weights):
    """Sampled Gaussian, normalised; returns its radius in px, `BLUR_TRUNCATION` * sigma rounded."""
    radius = int(BLUR_TRUNCATION * sigma + 0.5)
    total = 0.0
    for t in range(-radius, radius + 1):
        total += exp64(-0.5 * (t / sigma) ** 2)
    for t in range(-radius, radius + 1):
        weights[t + radius] = exp64(-0.5 * (t / sigma) ** 2) / total
    return radius


@kernel
def blur_rows(source, left, weights, radius, scale, out):
    """Write `scale` times each row of `source` convolved with `weights`, from column `left` on.

    Args:
        source: (h, at least left + w + radius) float32, with left >= radius.
        left: column of `source` that column 0 of `out` belongs to.
        weights: (2 * radius + 1,) float32, symmetric.
        radius: px.
        scale: factor.
        out: (h, w) float32, written.
    """
    height, width = out.shape
    for i in range(height):
        row = source[i]
        target = out[i]
        target[:] = np.float32(0.0)
        for t in range(2 * radius + 1):
            w = scale * weights[t]
            shifted = row[left - radius + t : left - radius + t + width]
            for j in range(width):
                target[j] += w * shifted[j]


@kernel
def blur_columns(source, top, weights, radius, out):
    """Add to `out` each column of `source` convolved with `weights`, from row `top` on.

    Args:
        source: (at least top + h + radius, w) float32, with top >= radius.
        top: row of `source` that row 0 of `out` belongs to.
        weights: (2 * radius + 1,) float32, symmetric.
        radius: px.
        out: (h, w) float32, added to.
    """
    height, width = out.shape
    for i in range(height):
        target = out[i]
        for t in range(2 * radius + 1):
            w = weights[t]
            row = source[top + i - radius + t]
            for j in range(width):
                target[j] += w * row[j]


@kernel
def add_blur(work, sigma, scale, out):
    """Add `scale` times the Gaussian blur of `work.padded` to `out`; see `BlurWork`."""
    halo = work.weights.size // 2
    radius = gaussian_weights(sigma, work.weights)
    blur_rows(work.padded, halo, work.weights, radius, scale, work.rows)
    blur_columns(work.rows, halo, work.weights, radius, out)


@kernel
def to_transmission(amplitude, phase):
    """Turn amplitude and phase, in place, into real and imaginary part of modulus at most 1.

    Args:
        amplitude: (H, W) float32, positive.
        phase: (H, W) float32, rad.
    """
    height, width = amplitude.shape
    # Rounded down, so that no quotient exceeds 1.
    scale = np.float32(0.9999999) / amplitude.max()
    for i in range(height):
        for j in range(width):
            modulus = scale * amplitude[i, j]
            sine, cosine = sincos32(phase[i, j])
            amplitude[i, j] = modulus * cosine
            phase[i, j] = modulus * sine
