"""Observations of AFM-v0: channels, and the kernels that reduce lines and images to cells."""

from typing import Annotated, NamedTuple

import numpy as np

from microgym.envs.core.channels import Channel, Channels, Plane
from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import log, log64
from microgym.state import Float64, Shape

CELLS = 64
"""Cells of a line in the observation."""
HEIGHT_NM, UNREST_NM = 20.0, 1.0
"""Sizes at which heights and errors are at half their range, nm (design choices)."""

SIGNALS = Channels(
    CELLS,
    trace="height z on the way there, less its mean, as z / (abs(z) + 20 nm)",
    retrace="the same on the way back",
    error=Channel("mean of signal less setpoint", "free amplitude"),
    unrest="root mean square error e in the cell, as e / (e + 1 nm)",
    phase="cosine of the oscillation's phase: positive in repulsion",
)
RESTORED = Channels(
    CELLS,
    height="restored height z less its mean, as z / (abs(z) + 20 nm)",
    uncertainty="root mean square uncertainty s in the cell, as s / (s + 1 nm)",
)
IMAGE = Plane(
    CELLS, CELLS, height="image so far, each line less its mean, as z / (abs(z) + 20 nm); else 0"
)
_SIZE = "log(size / 1 nm) / log(100) of the"
NUMBERS = Channels(
    setpoint="setpoint of the last action",
    integral_gain="integral gain of the last action",
    proportional_gain="proportional gain of the last action",
    line_rate="line rate of the last action",
    lines_left="share of the lines that is left",
    time_left="share of the time that is left",
    pace="half the logarithm of time_left over lines_left",
    discrepancy=f"{_SIZE} root mean square of trace less retrace",
    error=f"{_SIZE} root mean square of the error signal",
    ripple=f"{_SIZE} root mean square of its change from pixel to pixel",
    steepness=f"{_SIZE} trace's mean absolute change from pixel to pixel",
    usual_steepness=f"{_SIZE} steepness, mean of all lines so far",
    saturated="share of the line in which the amplitude was nearly the free one",
    worst_error=Channel("largest error", "free amplitude"),
    engaged="1 while the tip is at the surface",
    exchanges=Channel("tips used up", "3 tips"),
    event="last event, in thirds: scan, re-engage, withdraw, change tip",
)


class LineSizes(NamedTuple):
    """Summary of the last lines of N microscopes.

    Attributes:
        discrepancy: root mean square of trace less retrace, means apart.
        error: root mean square of the error signal.
        ripple: root mean square of the error signal's change from pixel to pixel.
        steepness: mean absolute change of the trace from pixel to pixel.
        total_steepness: sum of the steepness of all lines so far.
        worst: largest absolute error.
        mean: mean of the trace.
    """

    discrepancy: Annotated[Float64, Shape(unit="nm")]
    error: Annotated[Float64, Shape(unit="nm")]
    ripple: Annotated[Float64, Shape(unit="nm")]
    steepness: Annotated[Float64, Shape(unit="nm/px")]
    total_steepness: Annotated[Float64, Shape(unit="nm/px")]
    worst: Annotated[Float64, Shape(unit="nm")]
    mean: Annotated[Float64, Shape(unit="nm")]


def level_of(size: Float64) -> Float64:
    """Sizes in nm on a logarithmic scale: 0.01 nm is -1, 1 nm is 0, 100 nm is 1."""
    return np.clip(log(np.maximum(size, 1e-6)) / 4.605170185988092, -1.0, 1.0)


@kernel
def reduce_lines(rows, line, free, signals, sizes):
    """Reduce the last line of the listed rows to cells and to its summary.

    Args:
        rows: (k,) int64.
        line: `LineState` of the instrument, with pixels that are a multiple of 64.
        free: free amplitude, nm, by which errors are divided.
        signals: (N, 5, 64) float32, written, see `SIGNALS`.
        sizes: `LineSizes`, written.
    """
    pixels = line.trace.shape[1]
    width = pixels // CELLS
    for b in rows:
        z, y = view1d(line.trace, b * pixels, pixels), view1d(line.retrace, b * pixels, pixels)
        e, f = view1d(line.error, b * pixels, pixels), view1d(line.error_back, b * pixels, pixels)
        mean, other = 0.0, 0.0
        for i in range(pixels):
            mean += np.float64(z[i])
            other += np.float64(y[i])
        mean, other = mean / pixels, other / pixels
        # Sums of squares; errors are those of both directions.
        apart, wrong, ripple, steep, worst = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(pixels):
            d = (np.float64(z[i]) - mean) - (np.float64(y[i]) - other)
            apart += d * d
            a, c = np.float64(e[i]), np.float64(f[i])
            wrong += 0.5 * (a * a + c * c)
            worst = max(worst, max(abs(a), abs(c)))
            if i:
                d, h = a - e[i - 1], c - f[i - 1]
                ripple += 0.5 * (d * d + h * h)
                steep += abs(np.float64(z[i]) - z[i - 1])
        sizes.discrepancy[b], sizes.error[b] = np.sqrt(apart / pixels), np.sqrt(wrong / pixels)
        sizes.ripple[b], sizes.steepness[b] = np.sqrt(ripple / (pixels - 1)), steep / (pixels - 1)
        sizes.total_steepness[b] += sizes.steepness[b]
        sizes.worst[b], sizes.mean[b] = worst, mean
        # Means over the pixels of each cell.
        for c in range(CELLS):
            here, there, off, unrest, turn = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(c * width, (c + 1) * width):
                here += z[i]
                there += y[i]
                off += 0.5 * (np.float64(e[i]) + f[i])
                unrest += 0.5 * (np.float64(e[i]) * e[i] + np.float64(f[i]) * f[i])
                turn += line.phase[b, i]
            here, there = here / width - mean, there / width - mean
            unrest = np.sqrt(unrest / width)
            signals[b, 0, c] = np.float32(here / (abs(here) + HEIGHT_NM))
            signals[b, 1, c] = np.float32(there / (abs(there) + HEIGHT_NM))
            signals[b, 2, c] = np.float32(min(max(off / width / free, -1.0), 1.0))
            signals[b, 3, c] = np.float32(unrest / (unrest + UNREST_NM))
            signals[b, 4, c] = np.float32(turn / width)


@kernel
def reduce_restored(rows, estimate, signals):
    """Reduce the restored lines of the listed rows to cells.

    Args:
        rows: (k,) int64.
        estimate: `LineEstimate`, with pixels that are a multiple of 64.
        signals: (N, 2, 64) float32, written, see `RESTORED`.
    """
    heights, sigma = estimate.heights, estimate.sigma
    width = heights.shape[1] // CELLS
    for b in rows:
        for c in range(CELLS):
            mean, doubt = 0.0, 0.0
            for i in range(c * width, (c + 1) * width):
                mean += np.float64(heights[b, i])
                doubt += np.float64(sigma[b, i]) * sigma[b, i]
            mean, doubt = mean / width, np.sqrt(doubt / width)
            signals[b, 0, c] = np.float32(mean / (abs(mean) + HEIGHT_NM))
            signals[b, 1, c] = np.float32(doubt / (doubt + UNREST_NM))


@kernel
def reduce_images(images, done, cells):
    """Reduce images so far to cells.

    Args:
        images: (N, lines, P) float32, less their lines' means, nm; P a multiple of 64.
        done: (N,) int64, lines that have been scanned.
        cells: (N, 64, 64) float32, written, as z / (abs(z) + 20 nm); 0 where nothing is yet.
    """
    lines, width = images.shape[1], images.shape[2] // CELLS
    for b in range(images.shape[0]):
        for r in range(CELLS):
            # Lines of this row of cells: one at least, where there are fewer than 64.
            first, last = r * lines // CELLS, max((r + 1) * lines // CELLS, r * lines // CELLS + 1)
            for c in range(CELLS):
                total, count = 0.0, 0
                for j in range(first, min(last, done[b])):
                    for i in range(c * width, (c + 1) * width):
                        total += images[b, j, i]
                        count += 1
                mean = total / count if count else 0.0
                cells[b, r, c] = np.float32(mean / (abs(mean) + HEIGHT_NM))


@kernel
def measure_quality(rows, variances, errors, done, floor, out):
    """Quality of unfinished images in bel: -log10 of the squared error over the variance.

    Lines that are still to be scanned count as wholly wrong, so that a step adds what it has made
    of the image.

    Args:
        rows: (k,) int64.
        variances: (N, lines) variance of each line of the truth, nm^2.
        errors: (N, lines) squared errors of the lines so far, nm^2.
        done: (N,) int64, lines that have been scanned.
        floor: part of the variance below which errors do not count.
        out: (N,) float64, written.
    """
    for b in rows:
        total, wrong = 1e-12, 1e-12
        for j in range(variances.shape[1]):
            total += variances[b, j]
            wrong += errors[b, j] if j < done[b] else variances[b, j]
        out[b] = -log64(max(wrong / total, floor)) / 2.302585092994046
