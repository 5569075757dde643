"""Kernels of tip and surface: paths of the apex, ideal lines of a frame, and the approach.

Arguments are named as in `microgym.instruments.afm.kernels`.
"""

import numpy as np

from microgym.instruments.afm.settings import MARGIN_PX
from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.physics.afm_tip import (
    TipShape,
    apex_radius,
    dilate_line,
    shape_window,
    tip_reach,
)
from microgym.physics.cantilever import balanced_gap, contact_limits, coupling_of, cube_root
from microgym.physics.feedback import TICK_S

LEAD = 8
"""Pixels of overscan on each side of a line, scanned and discarded (design choice: 3 %)."""


@inline_kernel
def signal_of(setpoint, parameters):
    """Setpoint as a signal, nm: r A_0 for an amplitude ratio r, -F / k for a force F in nN."""
    if parameters.contact:
        return -setpoint / parameters.stiffness_n_m
    return setpoint * parameters.free_amplitude_nm


@kernel
def trace_apex(surface, row, first, tip, parameters, limit, work, out):
    """Path of a tip's apex along one line: the grey dilation of the surface by the tip.

    The surface goes on beyond its edges as it is there. The tip's shape is cast on a window that
    reaches as far as the tip can touch.

    Args:
        surface: (n, n) float32, nm.
        row: real row of the line, px; the surface is linear between its rows.
        first: column of the surface under the first element of `out`.
        tip: `TipShape`.
        limit: height range of the surface, nm.
        out: (count,) float32, written, nm.
    """
    height, width = surface.shape
    reach = np.ceil(tip_reach(tip, limit) / parameters.pixel_nm)
    half = np.int64(min(reach, float(work.most_half)))
    size, count = 2 * half + 1, out.size + 2 * half
    window = view2d(work.window, 0, size, size)
    shape_window(tip, parameters.pixel_nm, window)
    top = min(max(row, 0.0), height - 1.000001)
    middle = int(top)
    mix = np.float32(top - middle)
    # Columns of the strip that lie on the surface; those before and behind repeat its edges.
    start = first - half
    begin = min(max(-start, 0), count - 1)
    end = max(min(width - start, count), begin + 1)
    source = min(max(start, 0), width - (end - begin))
    for i in range(size):
        # Rows of the window that stand back by more than the relief cannot touch.
        if window[i, half] > limit and tip.second_z_nm > limit:
            continue
        # Surface between two rows: h = h_a + m (h_b - h_a).
        a = min(max(middle - half + i, 0), height - 1)
        above = view1d(surface, a * width + source, end - begin)
        below = view1d(surface, min(a + 1, height - 1) * width + source, end - begin)
        to = view1d(work.strip, i * count + begin, end - begin)
        for j in range(end - begin):
            to[j] = above[j] + mix * (below[j] - above[j])
        edge = view1d(work.strip, i * count, count)
        for j in range(begin):
            edge[j] = edge[begin]
        for j in range(end, count):
            edge[j] = edge[end - 1]
    dilate_line(view2d(work.strip, 0, size, count), window, limit, out)


@inline_kernel
def mounted_shape(b, tip):
    """The shape of row b's tip; `tip` is the `TipState`."""
    apex = tip.radius_nm[b], tip.half_angle_deg[b], tip.worn_nm[b]
    return TipShape(*apex, tip.second_y_nm[b], tip.second_x_nm[b], tip.second_z_nm[b])


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
    count = parameters.pixels
    out = view1d(work.ideal, 0, count)
    height, relief = surface.height[b], surface.relief[b]
    for j in range(parameters.lines):
        row = MARGIN_PX + (j + 0.5) * parameters.pitch_px - 0.5
        trace_apex(height, row, MARGIN_PX, parameters.new_tip, parameters, relief, work, out)
        # Moments of the heights, and of their changes from pixel to pixel.
        total, square, steep, most = 0.0, 0.0, 0.0, 0.0
        for i in range(count):
            h = np.float64(out[i])
            total += h
            square += h * h
            if i > 0:
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
    surface, tip, loop = state.surface, state.tip, state.loop
    # Place on the surface: that of the frame, and drift less its correction.
    off_y = (state.drift.drift[b, 0] - state.correction[b, 0]) / parameters.pixel_nm
    off_x = (state.drift.drift[b, 1] - state.correction[b, 1]) / parameters.pixel_nm
    line = state.ledger.exposures[b]
    y = MARGIN_PX - 0.5 + (line + 0.5) * parameters.pitch_px + off_y
    x = MARGIN_PX - 0.5 - LEAD + off_x
    first = int(np.floor(x))
    out, shape = view1d(work.path, 0, 2), mounted_shape(b, tip)
    trace_apex(surface.height[b], y, first, shape, parameters, surface.relief[b], work, out)
    ground = sample(out, x - first)
    # Gap at which the signal is the setpoint, on the material under the tip.
    wanted = signal_of(setpoint, parameters)
    radius = apex_radius(tip.radius_nm[b], tip.worn_nm[b])
    side = surface.modulus.shape[1]
    at_y, at_x = min(max(int(y + 0.5), 0), side - 1), min(max(int(x + 0.5), 0), side - 1)
    elastic = surface.modulus[b, at_y, at_x] * np.sqrt(radius)
    spring, lag_s, free = parameters.stiffness_n_m, parameters.lag_s, parameters.free_amplitude_nm
    if parameters.contact:
        # Series of lever and contact: (4/3) E sqrt(R) s^(3/2) = load, gap = -deflection - s.
        pull, _, _, _ = contact_limits(spring, radius)
        load = max(spring * (pull - wanted), 0.0)
        depth = cube_root((0.75 * load / elastic) * (0.75 * load / elastic))
        gap = wanted - depth
        loop.sine[b], loop.cosine[b] = wanted, np.sqrt(depth)
    else:
        coupling = coupling_of(TICK_S, lag_s, spring, parameters.quality, free, radius)
        gap = balanced_gap(wanted, elastic, free, lag_s, TICK_S, coupling)
        # In repulsion: sin phi = A / A0, cos phi above 0.
        loop.sine[b] = wanted * wanted / free
        loop.cosine[b] = wanted * np.sqrt(max(1.0 - (wanted / free) * (wanted / free), 0.0))
    height = ground + state.drift.drift[b, 2] + gap
    loop.integral[b], loop.height[b], loop.velocity[b] = height, height, 0.0
    loop.command[b] = height
    state.engaged[b] = True
