"""Observations of AFM-v0: channels, and the reduction of lines and images to cells."""

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgym.envs.core.channels import Channel, Channels, Plane
from microgym.jit import kernel
from microgym.numerics.libm import log
from microgym.numerics.linalg import ordered_sum
from microgym.reconstruction.topography.observation_model import LineEstimate
from microgym.state import Float32, Float64, Int64, Shape

CELLS = 64
"""Cells of a line in the observation."""
HEIGHT_NM, UNREST_NM = 20.0, 1.0
"""Sizes at which heights and errors are at half their range, nm (design choices)."""

SIGNALS = Channels(
    CELLS,
    trace=Channel("height z on the way there, less its mean, as z / (abs(z) + 20 nm)", "", 0.25),
    retrace=Channel("height on the way back, less the mean of the trace, likewise", "", 0.25),
    error=Channel("mean of signal less setpoint", "free amplitude", 0.05),
    unrest=Channel("root mean square error e in the cell, as e / (e + 1 nm)", "", 0.3, 0.3),
    phase=Channel("cosine of the oscillation's phase: positive in repulsion", "", 0.5, 0.3),
)
RESTORED = Channels(
    CELLS,
    height=Channel("restored height z less its mean, as z / (abs(z) + 20 nm)", "", 0.25),
    uncertainty=Channel(
        "root mean square uncertainty s in the cell, as s / (s + 1 nm)", "", 0.3, 0.4
    ),
)
IMAGE = Plane(
    CELLS,
    CELLS,
    height=Channel(
        "image so far, each line less its mean, as z / (abs(z) + 20 nm); else 0", "", 0.16
    ),
)
_SIZE = "log(size / 1 nm) / log(100) of the"
NUMBERS = Channels(
    setpoint=Channel("setpoint of the last action", "largest change"),
    integral_gain=Channel("integral gain of the last action", "largest change"),
    proportional_gain=Channel("proportional gain of the last action", "largest change"),
    line_rate=Channel("log of the last line rate over that which just uses up the time", "", 0.4),
    lines_left=Channel("share of the lines that is left", "", 0.3, 0.5),
    time_left=Channel("share of the time that is left", "", 0.3, 0.5),
    pace=Channel("log of time_left over lines_left", "", 0.15),
    discrepancy=Channel(f"{_SIZE} root mean square of trace less retrace", "", 0.25),
    error=Channel(f"{_SIZE} root mean square of the error signal", "", 0.25, -0.2),
    ripple=Channel(f"{_SIZE} rms of its change from pixel to pixel", "", 0.25, -0.2),
    steepness=Channel(f"{_SIZE} trace's mean change from pixel to pixel", "", 0.25, -0.2),
    usual_steepness=Channel(f"{_SIZE} steepness, mean of all lines so far", "", 0.25, -0.2),
    saturated=Channel("share of the line with the amplitude nearly the free one", "", 0.03),
    worst_error=Channel("largest error", "free amplitude", 0.25, 0.3),
)
_WIDE = {"line_rate": 3.0, "pace": 3.0}
"""Sizes up to which numbers go, where it is not 1."""
_BOUNDS = np.array([_WIDE.get(name, 1.0) for name in NUMBERS])
NUMBERS.within(-_BOUNDS, _BOUNDS)
TIP = Channels(
    engaged="1 while the tip is at the surface",
    exchanges=Channel("tips used up", "3 tips"),
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


def cell_means(pixels: NDArray[Any]) -> Float64:
    """Means over the pixels of each cell, (k, CELLS), for lines (k, pixels)."""
    width = pixels.shape[1] // CELLS
    return ordered_sum(pixels.reshape(len(pixels), CELLS, width)) / width


def squashed(numbers: Float64, half: float) -> Float64:
    """Numbers of any size as numbers between -1 and 1, with `half` at half of that range."""
    return numbers / (np.abs(numbers) + half)


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
        z, y, e, f = line.trace[b], line.retrace[b], line.error[b], line.error_back[b]
        mean, other = 0.0, 0.0
        for p in range(pixels):
            mean += z[p]
            other += y[p]
        mean, other = mean / pixels, other / pixels
        apart, square, change, steep, worst = 0.0, 0.0, 0.0, 0.0, 0.0
        for c in range(CELLS):
            there, back, both, whole, phase = 0.0, 0.0, 0.0, 0.0, 0.0
            for p in range(c * width, (c + 1) * width):
                h, k = np.float64(z[p]), np.float64(y[p])
                g, m = np.float64(e[p]), np.float64(f[p])
                off = (h - mean) - (k - other)
                # Squares of errors are those of both directions.
                half = 0.5 * (g * g + m * m)
                apart, square, whole = apart + off * off, square + half, whole + half
                worst = max(worst, max(abs(g), abs(m)))
                if p > 0:
                    dg, dm = g - e[p - 1], m - f[p - 1]
                    change += 0.5 * (dg * dg + dm * dm)
                    steep += abs(h - z[p - 1])
                there, back, both = there + h, back + k, both + 0.5 * (g + m)
                phase += line.phase[b, p]
            there, back = there / width - mean, back / width - mean
            rms = np.sqrt(whole / width)
            signals[b, 0, c] = there / (abs(there) + HEIGHT_NM)
            signals[b, 1, c] = back / (abs(back) + HEIGHT_NM)
            signals[b, 2, c] = min(max(both / width / free, -1.0), 1.0)
            signals[b, 3, c] = rms / (rms + UNREST_NM)
            signals[b, 4, c] = phase / width
        sizes.discrepancy[b] = np.sqrt(apart / pixels)
        sizes.error[b] = np.sqrt(square / pixels)
        sizes.ripple[b] = np.sqrt(change / (pixels - 1))
        sizes.steepness[b] = steep / (pixels - 1)
        sizes.total_steepness[b] += sizes.steepness[b]
        sizes.worst[b], sizes.mean[b] = worst, mean


def reduce_restored(rows: Int64, estimate: LineEstimate, signals: Float32) -> None:
    """Reduce the restored lines of the listed rows to cells.

    Args:
        rows: (k,).
        estimate: with pixels that are a multiple of 64.
        signals: (N, 2, 64), written, see `RESTORED`.
    """
    variance = estimate.sigma[rows].astype(np.float64) ** 2
    signals[rows, 0] = squashed(cell_means(estimate.heights[rows]), HEIGHT_NM)
    signals[rows, 1] = squashed(np.sqrt(cell_means(variance)), UNREST_NM)


def reduce_images(images: Float32, done: Int64) -> Float32:
    """Reduce images so far to cells.

    Args:
        images: (N, lines, P), less their lines' means, nm; P a multiple of 64.
        done: (N,), lines that have been scanned.

    Returns:
        (N, 64, 64), as z / (abs(z) + 20 nm); 0 where nothing is yet.
    """
    count, lines, width = len(images), images.shape[1], images.shape[2] // CELLS
    # Lines of each row of cells: one at least, where there are fewer than 64.
    first = np.arange(CELLS) * lines // CELLS
    last = np.maximum(np.arange(1, CELLS + 1) * lines // CELLS, first + 1)
    total, pixels = np.zeros((count, CELLS, CELLS)), np.zeros((count, CELLS, 1))
    for k in range(int((last - first).max())):
        line = np.minimum(first + k, lines - 1)
        there = (first + k < np.minimum(last, done[:, None]))[..., None]
        for i in range(width):
            total += np.where(there, images[:, line, i::width], 0.0)
        pixels += width * there
    return squashed(total / np.maximum(pixels, 1.0), HEIGHT_NM).astype(np.float32)
