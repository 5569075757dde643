"""Kernels of the network that restores heights from the lines of a force microscope.

Its input is the newest line and the two before it. Pixels of a cell of four become channels of the
input, channels of the output become pixels. `microgym.baselines.observation_models.afm.train` is
the same in PyTorch.
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.libm import exp32, log32_normal, log64
from microgym.reconstruction.nn.convolution import LANES
from microgym.reconstruction.nn.layers import run_on_line

LINES = 3
"""Lines in the input."""
SIGNALS = ("trace", "retrace", "error", "error_back", "phase")
"""Signals of a line: heights and error signals, nm, and cosine of the phase."""
SETTINGS = ("setpoint", "integral_gain", "proportional_gain", "lag", "there")
"""Settings of a line in the input, see `enter_settings`; "there" is 1 where there is a line."""
CELL = 4
"""Pixels of a cell."""
CANDIDATES = ("trace", "retrace", "corrected", "corrected_back", "near", "far")
"""Classical restorations that the network weighs: trace and retrace; both corrected by their errors
(`correct_line`); the mean of the corrected ones over 3 pixels and, more widely, 9."""
SIGNAL_INPUTS = LINES * len(SIGNALS) * CELL
SETTING_INPUTS = LINES * len(SETTINGS) + 2
INPUTS = -(-(SIGNAL_INPUTS + SETTING_INPUTS) // LANES) * LANES
"""Inputs of the first layer, with zeros up to a multiple of `LANES`."""
OUTPUTS = (len(CANDIDATES) + 2) * CELL
"""Weights of the candidates, a detail, and the logarithm of the uncertainty, for each pixel."""
HEIGHT_NM = 0.2
"""Length at which the scale of lengths in the input turns from linear to logarithmic, nm."""
LEAST_NM = 0.05
"""Least unit of details and uncertainties, nm."""
MOST_LOG_SIGMA = 5.0
"""Largest logarithm of an uncertainty over its unit, and minus the smallest."""
LAG_SHARE = 0.5
"""Share of the signal's lag that `correct_line` compensates: more costs more in noise."""

_ZERO, _ONE, _HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
_FLOOR_NM, _KNEE_NM = np.float32(LEAST_NM), np.float32(HEIGHT_NM)
_BOUND = np.float32(MOST_LOG_SIGMA)
_SHARE = np.float32(LAG_SHARE)
_COUNT = len(CANDIDATES)


@kernel
def enter_rows(rows, images, engaged, lines):
    """Enter the newest lines of the listed rows; the oldest are dropped.

    Args:
        rows: (k,) int64.
        images: trace, retrace, error, error of the retrace, phase: (N, P) float32.
        engaged: (N,) bool; a line of a withdrawn tip is stored as zeros.
        lines: (N, LINES, 5, P) float32, the newest first, heights less the mean of their trace.
    """
    many, pixels = lines.shape[2], lines.shape[3]
    size = many * pixels
    for b in rows:
        start = b * lines.shape[1] * size
        for n in range(lines.shape[1] - 1, 0, -1):
            to = view1d(lines, start + n * size, size)
            source = view1d(lines, start + (n - 1) * size, size)
            for i in range(size):
                to[i] = source[i]
        mean = 0.0
        for i in range(pixels):
            mean += np.float64(images[0][b, i])
        mean /= pixels
        for s in range(many):
            to = view1d(lines, start + s * pixels, pixels)
            source = view1d(images[s], b * pixels, pixels)
            off = mean if s < 2 else 0.0
            for i in range(pixels):
                to[i] = np.float32(source[i] - off) if engaged[b] else _ZERO


@kernel
def enter_settings(rows, dials, engaged, lag_s, width, settings, lag_px):
    """Enter the settings of the newest lines.

    Args:
        rows: (k,) int64.
        dials: (N, 4) float64: setpoint over the free amplitude, integral gain, 1/s, proportional
            gain, lines a second.
        engaged: (N,) bool.
        lag_s: time constant of the signal, s.
        width: pixels of a line with its overscan.
        settings: (N, LINES, 5) float32, the newest first: (setpoint - 0.65) / 0.3, half the
            logarithm of the integral gain times the time of a pixel, five times the proportional
            gain, logarithm of the lag in pixels, and 1; zeros where no line is.
        lag_px: (N, LINES) float32, lags in pixels.
    """
    for b in rows:
        for n in range(LINES - 1, 0, -1):
            lag_px[b, n] = lag_px[b, n - 1]
            for i in range(settings.shape[2]):
                settings[b, n, i] = settings[b, n - 1, i]
        pixel_s = 0.5 / (dials[b, 3] * width)
        here = _ONE if engaged[b] else _ZERO
        lag_px[b, 0] = here * np.float32(lag_s / pixel_s)
        settings[b, 0, 0] = here * np.float32((dials[b, 0] - 0.65) / 0.3)
        settings[b, 0, 1] = here * np.float32(0.5 * log64(dials[b, 1] * pixel_s))
        settings[b, 0, 2] = here * np.float32(5.0 * dials[b, 2])
        settings[b, 0, 3] = here * np.float32(log64(lag_s / pixel_s))
        settings[b, 0, 4] = here


@kernel
def correct_line(heights, errors, lag_px, way, out):
    """Heights corrected by the error signal.

    An error e is a height that the loop has not followed, with the signal's own lag: out = heights
    - (e + share * lag * de/dx) in the direction of the tip.

    Args:
        heights, errors: (P,) float32, nm, by place.
        lag_px: pixels passed in the signal's time constant.
        way: 1 where the tip moves with rising place, else -1.
        out: (P,) float32, written, nm.
    """
    last = heights.size - 1
    ahead = way * _SHARE * lag_px
    for i in range(1, last):
        out[i] = heights[i] - (errors[i] + ahead * (_HALF * (errors[i + 1] - errors[i - 1])))
    out[0] = heights[0] - (errors[0] + ahead * (errors[1] - errors[0]))
    out[last] = heights[last] - (errors[last] + ahead * (errors[last] - errors[last - 1]))


@inline_kernel
def _squeezed(x):
    """Length in nm on a scale that is linear at small lengths: sign(x) ln(1 + |x| / knee)."""
    size = x if x > _ZERO else -x
    seen = log32_normal(_ONE + size / _KNEE_NM)
    return seen if x > _ZERO else -seen


@kernel
def _smooth(source, out):
    """Mean with the neighbours, weights 1, 2, 1; ends are continued."""
    last = source.size - 1
    quarter = np.float32(0.25)
    for i in range(1, last):
        out[i] = quarter * (source[i - 1] + np.float32(2.0) * source[i] + source[i + 1])
    out[0] = quarter * (np.float32(3.0) * source[0] + source[1])
    out[last] = quarter * (source[last - 1] + np.float32(3.0) * source[last])


@kernel
def _restore_classically(signals, lag_px, base, candidates, spare):
    """Fill the candidates (6, P) of the newest line, and the bases (LINES, P) of all of them."""
    many, pixels = signals.shape[1], signals.shape[2]
    for n in range(signals.shape[0]):
        at = n * many * pixels
        z, y = view1d(signals, at, pixels), view1d(signals, at + pixels, pixels)
        e, f = view1d(signals, at + 2 * pixels, pixels), view1d(signals, at + 3 * pixels, pixels)
        there, back = view1d(candidates, 2 * pixels, pixels), view1d(candidates, 3 * pixels, pixels)
        if n:
            there, back = view1d(spare, 0, pixels), view1d(spare, pixels, pixels)
        correct_line(z, e, lag_px[n], _ONE, there)
        correct_line(y, f, lag_px[n], -_ONE, back)
        mean = 0.0
        own = view1d(base, n * pixels, pixels)
        for i in range(pixels):
            own[i] = _HALF * (there[i] + back[i])
            mean += np.float64(own[i])
        middle = np.float32(mean / pixels)
        for i in range(pixels):
            own[i] -= middle
        if n == 0:
            first, second = view1d(candidates, 0, pixels), view1d(candidates, pixels, pixels)
            for i in range(pixels):
                first[i], second[i] = z[i] - middle, y[i] - middle
                there[i] -= middle
                back[i] -= middle
    near, far = view1d(candidates, 4 * pixels, pixels), view1d(candidates, 5 * pixels, pixels)
    other = view1d(spare, 0, pixels)
    _smooth(view1d(base, 0, pixels), near)
    _smooth(near, far)
    _smooth(far, other)
    _smooth(other, far)


@kernel
def _enter(signals, base, settings, size, cells, unit):
    """Write pixels to channels of cells, and the unit of details of each cell, nm."""
    pixels = signals.shape[2]
    count = pixels // CELL
    for c in range(count):
        unit[c] = _ZERO
        cell = view1d(cells, c * INPUTS, INPUTS)
        for n in range(LINES):
            for j in range(CELL):
                i = c * CELL + j
                own = base[n, i] - (base[0, i] if n else base[0, max(i - 1, 0)])
                apart = signals[n, 0, i] - signals[n, 1, i]
                e, f = signals[n, 2, i], signals[n, 3, i]
                at = n * len(SIGNALS) * CELL + j
                cell[at] = _squeezed(own)
                cell[at + CELL] = _squeezed(apart)
                cell[at + 2 * CELL] = _squeezed(e)
                cell[at + 3 * CELL] = _squeezed(f)
                cell[at + 4 * CELL] = signals[n, 4, i]
                if n == 0:
                    unit[c] += abs(apart) + abs(e) + abs(f) + abs(own)
            for i in range(len(SETTINGS)):
                cell[SIGNAL_INPUTS + n * len(SETTINGS) + i] = settings[n, i]
        cell[SIGNAL_INPUTS + SETTING_INPUTS - 2], cell[SIGNAL_INPUTS + SETTING_INPUTS - 1] = (
            size[0],
            size[1],
        )
        for i in range(SIGNAL_INPUTS + SETTING_INPUTS, INPUTS):
            cell[i] = _ZERO
    before, part = _ZERO, np.float32(1.0 / (3 * CELL))
    for c in range(count):
        here = unit[c]
        after = unit[c + 1] if c + 1 < count else _ZERO
        unit[c] = (before + here + after) * part + _FLOOR_NM
        before = here


@kernel
def _leave(head, candidates, unit, trust, heights, sigma):
    """Weigh the candidates, add the detail, take the mean off; and the uncertainty."""
    pixels = heights.size
    total = 0.0
    for c in range(pixels // CELL):
        output = view1d(head, c * OUTPUTS, OUTPUTS)
        for j in range(CELL):
            i = c * CELL + j
            top = output[j]
            for n in range(1, _COUNT):
                top = max(top, output[n * CELL + j])
            whole, mean = _ZERO, _ZERO
            for n in range(_COUNT):
                share = exp32(output[n * CELL + j] - top)
                whole += share
                mean += share * candidates[n, i]
            heights[i] = mean / whole + unit[c] * output[_COUNT * CELL + j]
            total += np.float64(heights[i])
            log_sigma = min(max(output[(_COUNT + 1) * CELL + j], -_BOUND), _BOUND)
            sigma[i] = trust * unit[c] * exp32(log_sigma)
    middle = np.float32(total / pixels)
    for i in range(pixels):
        heights[i] -= middle


@kernel
def restore_rows(rows, history, frame, trust, net, work):
    """Run the network on the newest line of the listed rows.

    Args:
        rows: (k,) int64.
        history: `LineHistory`, whose estimate is written.
        frame: pixel and distance of lines over those of the default frame of AFM-v0.
        trust: factor that calibrates the uncertainty, float32.
        net: `LineNetwork`.
        work: (`net.size + candidates_size(P)`,) float32.
    """
    pixels = history.lines.shape[3]
    count = pixels // CELL
    size = (np.float32(log64(frame[0])), np.float32(log64(frame[1])))
    cells, head = view1d(work, net.taps, count * INPUTS), view1d(work, net.head, count * OUTPUTS)
    at = net.size
    candidates = view2d(work, at, _COUNT, pixels)
    base = view2d(work, at + _COUNT * pixels, LINES, pixels)
    unit = view1d(work, at + (_COUNT + LINES) * pixels, pixels)
    spare = view1d(work, at + (_COUNT + LINES + 1) * pixels, 2 * pixels)
    for b in rows:
        lines = history.lines[b]
        _restore_classically(lines, history.lag_px[b], base, candidates, spare)
        _enter(lines, base, history.settings[b], size, cells, unit)
        run_on_line(net, work)
        _leave(
            head, candidates, unit, trust, history.estimate.heights[b], history.estimate.sigma[b]
        )


def candidates_size(pixels: int) -> int:
    """Elements of `restore_rows`'s work array besides the network's, for P = pixels."""
    return (_COUNT + LINES + 3) * pixels
