"""Kernels of tip and surface: paths of the apex, ideal lines of a frame, and the approach.

Arguments are named as in `microgym.instruments.afm.kernels`.
"""

import numpy as np

from microgym.instruments.afm.settings import MARGIN_PX
from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.physics.afm_tip import dilate_line

LEAD = 8
"""Pixels of overscan on each side of a line, scanned and discarded (design choice: 3 %)."""


@inline_kernel
def signal_of(setpoint, parameters):
    """Setpoint as a signal, nm: r A_0 for an amplitude ratio r, -F / k for a force F in nN."""
    if parameters.contact:
        return -setpoint / parameters.stiffness_n_m
    return setpoint * parameters.signals.free


@kernel
def trace_apex(surface, row, window, limit, strip, out):
    """Path of a tip's apex along one line: the grey dilation of the surface by the tip.

    Args:
        surface: (n, n) float32, nm.
        row: real row of the line, px; the surface is linear between its rows.
        window: (2 r + 1, 2 r + 1) float32, shape of the tip, nm.
        limit: height range of the surface, nm.
        strip: ((2 r + 1) n,) float32, work.
        out: (n - 2 r,) float32, written, nm.
    """
    height, width = surface.shape
    half = window.shape[0] // 2
    top = min(max(row, float(half)), height - half - 1.000001)
    first = int(top)
    mix = np.float32(top - first)
    flat = view1d(strip, 0, window.shape[0] * width)
    for i in range(window.shape[0]):
        # Rows of the window that stand back by more than the relief cannot touch.
        near = False
        for j in range(window.shape[1]):
            near |= window[i, j] <= limit
        if not near:
            continue
        # Surface between two rows: h = h_a + m (h_b - h_a).
        above = view1d(surface, (first - half + i) * width, width)
        below = view1d(surface, (first - half + i + 1) * width, width)
        to = view1d(flat, i * width, width)
        for j in range(width):
            to[j] = above[j] + mix * (below[j] - above[j])
    dilate_line(view2d(flat, 0, window.shape[0], width), window, limit, out)


@kernel
def sample(profile, x):
    """Value of a line at a real place in pixels, linear between pixels and held beyond its ends."""
    place = min(max(x, 0.0), profile.size - 1.000001)
    first = int(place)
    return profile[first] + (place - first) * (np.float64(profile[first + 1]) - profile[first])


@kernel
def survey_frame(b, parameters, surface, work):
    """Describe the lines of row b's frame as a new tip would show them; see `SurfaceState`.

    Args:
        surface: `SurfaceState`; slope, variance and steepest slope of row b are written.
    """
    window, out = parameters.new_window, work.ideal
    half = window.shape[0] // 2
    first, last = MARGIN_PX - half, out.size - (MARGIN_PX - half)
    count = last - first
    for j in range(parameters.lines):
        row = MARGIN_PX + (j + 0.5) * parameters.pitch_px - 0.5
        trace_apex(surface.height[b], row, window, surface.relief[b], work.strip, out)
        # Moments of the heights, and of their changes from pixel to pixel.
        total, square, steep, most = 0.0, 0.0, 0.0, 0.0
        for i in range(first, last):
            h = np.float64(out[i])
            total += h
            square += h * h
            if i > first:
                steep += abs(h - out[i - 1])
                most = max(most, abs(h - out[i - 1]))
        surface.slope[b, j] = steep / (count - 1)
        surface.variance[b, j] = max(square / count - (total / count) ** 2, 0.0)
        surface.steepest[b, j] = most


@kernel
def land_tip(b, setpoint, parameters, state, work):
    """Bring the tip of row b to the surface where the next line begins, the loop in balance.

    Args:
        setpoint: setpoint of the signal, as in `DIALS`.
        state: the loop of row b is written, and that the tip is engaged.
    """
    surface, tip, loop, signals = state.surface, state.tip, state.loop, parameters.signals
    # Place on the surface: that of the frame, and drift less its correction.
    off_y = (state.drift.drift[b, 0] - state.correction[b, 0]) / parameters.pixel_nm
    off_x = (state.drift.drift[b, 1] - state.correction[b, 1]) / parameters.pixel_nm
    line = state.ledger.exposures[b]
    y = MARGIN_PX - 0.5 + (line + 0.5) * parameters.pitch_px + off_y
    x = MARGIN_PX - 0.5 - LEAD + off_x
    window = tip.window[b]
    trace_apex(surface.height[b], y, window, surface.relief[b], work.strip, work.path)
    ground = sample(work.path, x - window.shape[1] // 2)
    # Largest tabulated gap at which the signal is at most the setpoint, on a medium modulus.
    wanted = signal_of(setpoint, parameters)
    middle, i = tip.table.shape[2] // 2, tip.table.shape[3] - 1
    while i > 0 and tip.table[b, 1, middle, i] > wanted:
        i -= 1
    height = ground + signals.low_nm + i * signals.step_nm
    loop.integral[b], loop.height[b], loop.velocity[b] = height, height, 0.0
    loop.signal[b], loop.command[b] = wanted, height
    state.engaged[b] = True
