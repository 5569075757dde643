"""What an operator makes of a line: a few channels of a few cells, and a few numbers."""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp64, log64

CELLS = 64
"""Cells of a line in the observation."""
SIGNALS = ("trace", "retrace", "error", "unrest", "phase")
"""Channels: heights of trace and retrace less their mean, as x / (|x| + 20 nm); mean error over the
free amplitude; root mean square error within a cell, as x / (x + 1 nm); cosine of the phase."""
RESTORED = ("height", "uncertainty")
"""What restoration makes of the line: height less its mean, as x / (|x| + 20 nm), and the
uncertainty of that, root mean square, as x / (x + 1 nm)."""
NUMBERS = (
    "setpoint",
    "integral_gain",
    "proportional_gain",
    "line_rate",
    "lines_left",
    "time_left",
    "pace",
    "discrepancy",
    "error",
    "ripple",
    "steepness",
    "usual_steepness",
    "saturated",
    "worst_error",
    "engaged",
    "exchanges",
    "event",
)
"""Numbers: the last settings as in the action; parts of lines and time that are left, and the
logarithm of their ratio; root mean square of trace less retrace, of the error, and of its change
from pixel to pixel, mean slope, and its mean over the lines so far, all on a logarithmic scale;
part of the line in which the error was at its bound; the largest error; whether the tip is
engaged; exchanges; what happened."""
HEIGHT_NM, UNREST_NM = 20.0, 1.0
"""Sizes at which heights and unrest are at half their range, nm (design choices)."""


@kernel
def level_of(size):
    """A size in nm on a logarithmic scale: 0.01 nm is -1, 1 nm is 0, 100 nm is 1."""
    return min(max(log64(max(size, 1e-6)) / 4.605170185988092, -1.0), 1.0)


@kernel
def between_rows(levels, low, high, out):
    """Positions in [-1, 1] on a logarithmic scale between two ends."""
    span = log64(high / low)
    for i in range(levels.size):
        out[i] = low * exp64(0.5 * (levels[i] + 1.0) * span)


@kernel
def pace_rows(levels, left, paces, rates, out):
    """Line rates that are given over the even pace, as positions on their scale.

    Args:
        levels: (N,) position between the paces, -1 to 1, logarithmic.
        left: (N, 2) lines and seconds that are left.
        paces, rates: (2,) ends of the two scales, over the even pace and 1/s.
        out: (N,) float64, written, -1 to 1.
    """
    low, span = log64(paces[0]), log64(paces[1] / paces[0])
    floor, width = log64(rates[0]), log64(rates[1] / rates[0])
    for i in range(levels.size):
        even = log64(max(left[i, 0], 1.0) / max(left[i, 1], 1e-3))
        rate = even + low + 0.5 * (levels[i] + 1.0) * span
        out[i] = min(max(2.0 * (rate - floor) / width - 1.0, -1.0), 1.0)


@kernel
def inspect_rows(rows, images, free, signals, numbers, summary):
    """Reduce the last line of the listed rows.

    Args:
        rows: (k,) int64.
        images: trace, retrace, error, error of the retrace, phase: (N, P) float32, P a multiple of
            64.
        free: largest error there can be, roughly: the free amplitude, nm.
        signals: (N, 5, 64) float32, written.
        numbers: (N, 7) float64, written: discrepancy, error, ripple, steepness; the fifth and the
            sixth are left alone; worst error; all in nm.
        summary: (N,) float64, written: mean of the trace, nm.
    """
    trace, retrace, error, error_back, phase = images
    for k in range(rows.size):
        b = rows[k]
        pixels = trace.shape[1]
        width = pixels // CELLS
        z, y = view1d(trace, b * pixels, pixels), view1d(retrace, b * pixels, pixels)
        e, f = view1d(error, b * pixels, pixels), view1d(error_back, b * pixels, pixels)
        mean, other = 0.0, 0.0
        for i in range(pixels):
            mean += np.float64(z[i])
            other += np.float64(y[i])
        mean, other = mean / pixels, other / pixels
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
        numbers[b, 0] = np.sqrt(apart / pixels)
        numbers[b, 1] = np.sqrt(wrong / pixels)
        numbers[b, 2] = np.sqrt(ripple / (pixels - 1))
        numbers[b, 3] = steep / (pixels - 1)
        numbers[b, 6] = worst
        summary[b] = mean
        for c in range(CELLS):
            here, there, off, unrest, turn = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(c * width, (c + 1) * width):
                here += z[i]
                there += y[i]
                off += 0.5 * (np.float64(e[i]) + f[i])
                unrest += 0.5 * (np.float64(e[i]) * e[i] + np.float64(f[i]) * f[i])
                turn += phase[b, i]
            here, there = here / width - mean, there / width - mean
            unrest = np.sqrt(unrest / width)
            signals[b, 0, c] = np.float32(here / (abs(here) + HEIGHT_NM))
            signals[b, 1, c] = np.float32(there / (abs(there) + HEIGHT_NM))
            signals[b, 2, c] = np.float32(min(max(off / width / free, -1.0), 1.0))
            signals[b, 3, c] = np.float32(unrest / (unrest + UNREST_NM))
            signals[b, 4, c] = np.float32(turn / width)


@kernel
def restored_rows(rows, heights, sigma, signals):
    """Reduce the restored lines of the listed rows to cells.

    Args:
        rows: (k,) int64.
        heights, sigma: (N, P) float32, less their mean, and their uncertainty, nm; P a multiple of
            64.
        signals: (N, 2, 64) float32, written, see `RESTORED`.
    """
    width = heights.shape[1] // CELLS
    for k in range(rows.size):
        b = rows[k]
        for c in range(CELLS):
            mean, doubt = 0.0, 0.0
            for i in range(c * width, (c + 1) * width):
                mean += np.float64(heights[b, i])
                doubt += np.float64(sigma[b, i]) * sigma[b, i]
            mean, doubt = mean / width, np.sqrt(doubt / width)
            signals[b, 0, c] = np.float32(mean / (abs(mean) + HEIGHT_NM))
            signals[b, 1, c] = np.float32(doubt / (doubt + UNREST_NM))


@kernel
def number_rows(settings, left, sizes, status, out):
    """Write the numbers of all rows.

    Args:
        settings: (N, 4) the last settings as in the action.
        left: (N, 2) parts of lines and time that are left.
        sizes: (N, 7) of `inspect_rows`; the fifth is the mean steepness so far, the sixth the part
            of the line in saturation, the last is over the free amplitude.
        status: (N, 3) engaged, exchanges, event, each as it is shown.
        out: (N, 17) float32, written.
    """
    for b in range(out.shape[0]):
        for i in range(4):
            out[b, i] = np.float32(settings[b, i])
        lines, time = left[b, 0], left[b, 1]
        out[b, 4], out[b, 5] = np.float32(lines), np.float32(time)
        pace = log64(max(time, 1e-3) / max(lines, 1e-3)) / 2.0
        out[b, 6] = np.float32(min(max(pace, -1.0), 1.0))
        for i in range(5):
            out[b, 7 + i] = np.float32(level_of(sizes[b, i]))
        out[b, 12] = np.float32(sizes[b, 5])
        out[b, 13] = np.float32(min(sizes[b, 6], 1.0))
        for i in range(3):
            out[b, 14 + i] = np.float32(status[b, i])


@kernel
def image_rows(rows, images, free_line, signals):
    """Draw the images so far on cells: (N, lines, P) less their lines' means, to (N, 64, 64).

    Args:
        rows: (k,) int64.
        images: (N, lines, P) float32, nm.
        free_line: (N,) int64, lines that have been scanned.
        signals: (N, 64, 64) float32, written, as x / (|x| + 20 nm); 0 where nothing is yet.
    """
    lines, pixels = images.shape[1], images.shape[2]
    width = pixels // CELLS
    for k in range(rows.size):
        b = rows[k]
        for r in range(CELLS):
            first, last = r * lines // CELLS, max((r + 1) * lines // CELLS, r * lines // CELLS + 1)
            for c in range(CELLS):
                total, count = 0.0, 0
                for j in range(first, min(last, free_line[b])):
                    for i in range(c * width, (c + 1) * width):
                        total += images[b, j, i]
                        count += 1
                mean = total / count if count else 0.0
                signals[b, r, c] = np.float32(mean / (abs(mean) + HEIGHT_NM))


@kernel
def merit_rows(rows, variances, errors, done, floor, out):
    """Quality of unfinished images in bel: -log10 of the squared error over the variance.

    Lines that are still to be scanned count as wholly wrong, so that what a step adds is what it
    has made of the image.

    Args:
        rows: (k,) int64.
        variances: (N, lines) of the truth, nm^2.
        errors: (N, lines) squared errors of the lines so far, nm^2.
        done: (N,) int64, how many.
        floor: part of the variance below which errors do not count.
        out: (N,) float64, written.
    """
    for k in range(rows.size):
        b = rows[k]
        total, wrong = 1e-12, 1e-12
        for j in range(variances.shape[1]):
            total += variances[b, j]
            wrong += errors[b, j] if j < done[b] else variances[b, j]
        out[b] = -log64(max(wrong / total, floor)) / 2.302585092994046
