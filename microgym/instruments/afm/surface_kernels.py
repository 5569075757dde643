"""What a tip of some shape would touch, line by line; where the loop begins."""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.physics.afm_tip import dilate_line


@kernel
def run_along(surface, row, window, limit, strip, out):
    """Dilate one line of a surface, at a real row, between its neighbours."""
    height, width = surface.shape
    half = window.shape[0] // 2
    top = min(max(row, float(half)), height - half - 1.000001)
    first = int(top)
    mix = np.float32(top - first)
    flat = view1d(strip, 0, window.shape[0] * width)
    for i in range(window.shape[0]):
        near = False
        for j in range(window.shape[1]):
            near |= window[i, j] <= limit
        if not near:
            continue
        above = view1d(surface, (first - half + i) * width, width)
        below = view1d(surface, (first - half + i + 1) * width, width)
        to = view1d(flat, i * width, width)
        for j in range(width):
            to[j] = above[j] + mix * (below[j] - above[j])
    dilate_line(view2d(flat, 0, window.shape[0], width), window, limit, out)


@kernel
def sample(profile, x):
    """A line at a real place, linear between pixels."""
    place = min(max(x, 0.0), profile.size - 1.000001)
    first = int(place)
    return profile[first] + (place - first) * (np.float64(profile[first + 1]) - profile[first])


@kernel
def survey_rows(rows, surface, relief, fresh, margin, lines, pitch, figures, strip, out):
    """What a new tip would show of whole frames.

    Args:
        rows: (k,) int64.
        surface: (N, n, n) float32, nm.
        relief: (N,) float32, height range of the surfaces, nm.
        fresh: (2 r + 1, 2 r + 1) float32, shape of a new tip.
        margin: px around the frame.
        lines: of a frame.
        pitch: their distance, px.
        figures: (N, lines, 3) float64, written: mean slope, variance and steepest slope of each
            line; slopes in nm a pixel.
        strip, out: float32 work.
    """
    half = fresh.shape[0] // 2
    for k in range(rows.size):
        b = rows[k]
        for j in range(lines):
            run_along(surface[b], margin + (j + 0.5) * pitch - 0.5, fresh, relief[b], strip, out)
            first, last = margin - half, out.size - (margin - half)
            total, square, steep, most = 0.0, 0.0, 0.0, 0.0
            for i in range(first, last):
                h = np.float64(out[i])
                total += h
                square += h * h
                if i > first:
                    steep += abs(h - out[i - 1])
                    most = max(most, abs(h - out[i - 1]))
            count = last - first
            figures[b, j, 0] = steep / (count - 1)
            figures[b, j, 1] = max(square / count - (total / count) ** 2, 0.0)
            figures[b, j, 2] = most


@kernel
def settle_rows(
    rows, setpoint, surface, relief, window, table, low, step, place, state, strip, out
):
    """Let the probes of the listed rows find the surface: the loop begins in balance.

    Args:
        rows: (k,) int64.
        setpoint: (N,) of the signal, nm.
        surface, relief, window: as for `scan_rows`.
        table, low, step: tables of the rows.
        place: (N, 2) float64, where the tip is, (y, x) in px of the surface.
        state: (N, 5) float64, written.
        strip, out: float32 work.
    """
    for k in range(rows.size):
        b = rows[k]
        run_along(surface[b], place[b, 0], window[b], relief[b], strip, out)
        ground = sample(out, place[b, 1] - window.shape[1] // 2)
        gaps = table.shape[3]
        i = gaps - 1
        while i > 0 and table[b, 1, table.shape[2] // 2, i] > setpoint[b]:
            i -= 1
        height = ground + low + i * step
        state[b, 0], state[b, 1], state[b, 2] = height, height, 0.0
        state[b, 3], state[b, 4] = setpoint[b], height
