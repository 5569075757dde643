"""Kernels that find bright spots in images: levelling, matched filter, peaks of probability.

A spot is (x, y, probability, uncertainty), in the units of `found`'s scale; spots come in the order
of their pixels. Pixels are counted from the image's first corner, so that the middle of
pixel (i, j) is (x, y) = (j + 0.5, i + 0.5) px.
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp32, log32_normal

MOST = 64
"""Largest number of spots of an image."""
BACKGROUND = 20
"""Order of the pixel of a line, from the lowest, that is taken for the background: of 64 the 31st
per cent, beneath adatoms as long as they cover less than two thirds (design choice)."""
HEIGHT_NM = 0.1
"""Height that is one in levelled images, nm: that of an adatom."""
LOWEST, HIGHEST = -2.0, 4.0
"""Levelled heights are clipped to these."""

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@kernel
def level_line(heights, order, out):
    """Heights of one line above its background, in units of `HEIGHT_NM`.

    Args:
        heights: (n,) float32, nm.
        order: how many pixels of the line are lower than its background.
        out: (n,) float32, written.
    """
    level = heights[0]
    first = True
    for j in range(heights.size):
        here = heights[j]
        lower = 0
        for i in range(heights.size):
            lower += heights[i] < here
        if lower <= order and (first or here > level):
            level, first = here, False
    scale = np.float32(1.0 / HEIGHT_NM)
    low, high = np.float32(LOWEST), np.float32(HIGHEST)
    for j in range(heights.size):
        out[j] = min(max(scale * (heights[j] - level), low), high)


@inline_kernel
def logistic(x):
    """1 / (1 + exp(-x)), float32."""
    return _ONE / (_ONE + exp32(-x))


@kernel
def is_peak(image, at, pitch, reach):
    """Test whether a pixel is above all others near it; of equal ones the first is.

    Args:
        image: flat float32, with a border of `reach` pixels at least.
        at: the pixel.
        pitch: pixels in a row.
        reach: how far others count, px.
    """
    here = image[at]
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            other = image[at + i * pitch + j]
            before = i < 0 or (i == 0 and j < 0)
            if other > here or (before and other == here):
                return False
    return True


@kernel
def _vertex(before, here, after):
    """Vertex of the parabola through three neighbouring values, px from the middle one."""
    bend = before - np.float32(2.0) * here + after
    if not bend < _ZERO:
        return _ZERO
    half = np.float32(0.5)
    return min(max(half * (before - after) / bend, -half), half)


@kernel
def match_rows(rows, image, template, reach, threshold, calibration, scale, work, found, counts):
    """Find spots by a matched filter, in the image of each row.

    The lines are levelled; the response is the least-squares amplitude of the template on a
    constant background, and its maxima above a threshold are spots.

    Args:
        rows: (k,) int64.
        image: (N, n, n) float32, nm.
        template: (2 m + 1, 2 m + 1) float32, of mean zero, of which the product with the spot is 1.
        reach: distance within which only the strongest response is a spot, px, at most m.
        threshold: least response, in units of `HEIGHT_NM`.
        calibration: slope and place of the logistic function of the response that is the
            probability; uncertainty of a place along one axis; shift of x in the image.
        scale: edge of a pixel in the unit of `found`; the middle of the image is its origin.
        work: (`match_size(n, m)`,) float32.
        found: (N, MOST, 4) float64, written.
        counts: (N,) int64, written.
    """
    n, m = image.shape[1], template.shape[0] // 2
    pitch = n + 2 * m
    levelled = view1d(work, 0, pitch * pitch)
    response = view1d(work, pitch * pitch, pitch * pitch)
    half = 0.5 * n
    for b in rows:
        for i in range(n):
            inside = view1d(levelled, (i + m) * pitch + m, n)
            level_line(view1d(image, (b * n + i) * n, n), BACKGROUND, inside)
            start = (i + m) * pitch
            for j in range(m):
                levelled[start + j] = inside[0]
                levelled[start + m + n + j] = inside[n - 1]
        for i in range(m):
            for j in range(pitch):
                levelled[i * pitch + j] = levelled[m * pitch + j]
                levelled[(m + n + i) * pitch + j] = levelled[(m + n - 1) * pitch + j]
        response[:] = np.float32(-1e9)
        for i in range(n):
            out = view1d(response, (i + m) * pitch + m, n)
            out[:] = _ZERO
            for p in range(2 * m + 1):
                for q in range(2 * m + 1):
                    weight = template[p, q]
                    values = view1d(levelled, (i + p) * pitch + q, n)
                    for j in range(n):
                        out[j] += weight * values[j]
        count = 0
        for i in range(n):
            for j in range(n):
                at = (i + m) * pitch + m + j
                if response[at] < threshold or not is_peak(response, at, pitch, reach):
                    continue
                if count == MOST:
                    break
                dx = _ZERO
                if 0 < j < n - 1:
                    dx = _vertex(response[at - 1], response[at], response[at + 1])
                dy = _ZERO
                if 0 < i < n - 1:
                    dy = _vertex(response[at - pitch], response[at], response[at + pitch])
                found[b, count, 0] = scale * (j + 0.5 + dx - half) - calibration[3]
                found[b, count, 1] = scale * (i + 0.5 + dy - half)
                sure = np.float32(calibration[0]) * (response[at] - np.float32(calibration[1]))
                found[b, count, 2] = logistic(sure)
                found[b, count, 3] = calibration[2]
                count += 1
        counts[b] = count


def match_size(edge: int, reach: int) -> int:
    """Length of the float32 work array for images of `edge` and templates out to `reach`, px."""
    return 2 * (edge + 2 * reach) ** 2


@kernel
def gather_peaks(maps, edge, least, trust, slope, place, scale, out):
    """Gather spots from maps of probability, place and uncertainty.

    A peak of the probability takes its eight neighbours with it: their sum is its own probability,
    after a calibration, and their places count by their probabilities.

    Args:
        maps: flat float32, four maps of (edge + 2)^2 pixels: probability that a spot's centre is in
            the pixel, place of the centre from the middle of the pixel (x, y), its uncertainty
            along one axis, px. The borders' probabilities are zero.
        edge: pixels along an edge.
        least: least probability of a spot.
        trust: factor of the uncertainty.
        slope, place: of the calibration: the logarithm of the odds is slope times what it was, plus
            place.
        scale: edge of a pixel in the unit of `out`; the middle of the image is its origin.
        out: (MOST, 4) float64, written.

    Returns:
        How many there are.
    """
    pitch = edge + 2
    size = pitch * pitch
    chance = view1d(maps, 0, size)
    count = 0
    half = 0.5 * edge
    faint = np.float32(0.02)
    most = np.float32(0.9999)
    for i in range(edge):
        for j in range(edge):
            at = (i + 1) * pitch + j + 1
            if chance[at] < faint or not is_peak(chance, at, pitch, 1):
                continue
            total, x, y, sigma = _ZERO, _ZERO, _ZERO, _ZERO
            for p in range(-1, 2):
                for q in range(-1, 2):
                    there = at + p * pitch + q
                    part = chance[there]
                    total += part
                    x += part * (maps[size + there] + np.float32(q))
                    y += part * (maps[2 * size + there] + np.float32(p))
                    sigma += part * maps[3 * size + there]
            sure = min(total, most)
            odds = log32_normal(sure) - log32_normal(_ONE - sure)
            probability = logistic(slope * odds + place)
            if probability < least or count == MOST:
                continue
            out[count, 0] = scale * (j + 0.5 + x / total - half)
            out[count, 1] = scale * (i + 0.5 + y / total - half)
            out[count, 2] = probability
            out[count, 3] = scale * trust * sigma / total
            count += 1
    return count
