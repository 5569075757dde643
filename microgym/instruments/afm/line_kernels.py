"""Kernels of the force microscope's lines: there and back, `LANES` microscopes side by side.

Arguments are named as in `microgym.instruments.afm.kernels`; `n` is a lane. A lane takes the next
microscope when it has finished a line, at the end of a chunk of ticks.
"""

import numpy as np

from microgym.instruments.afm.kernels import MOST_RATE
from microgym.instruments.afm.settings import MARGIN_PX
from microgym.instruments.afm.surface_kernels import (
    LEAD,
    mounted_shape,
    sample,
    signal_of,
    trace_apex,
)
from microgym.instruments.afm.tip_kernels import break_tip, meet_debris
from microgym.jit import kernel
from microgym.numerics.array_views import borrowed, view1d, view2d
from microgym.physics.afm_tip import apex_radius, archard, worn_height
from microgym.physics.cantilever import contact_peak, contact_pressure, pressed
from microgym.physics.drift import let_drift
from microgym.physics.feedback import TICK_S, LoopSettings
from microgym.physics.feedback_lanes import (
    CHUNK,
    LANES,
    NOISE,
    SIGNALS,
    feed_chunk,
    finish_line,
    load_lane,
    press_chunk,
    rest_lane,
    store_lane,
    take_chunk,
    tap_chunk,
)
from microgym.physics.piezo import move_piezo, sweep_piezo
from microgym.physics.stochastic_events import next_event
from microgym.random import EXOGENOUS, MEASUREMENT, fill_normal, row_stream
from microgym.random.streams import AFMExogenous, AFMMeasurement

BANDWIDTH_HZ = 10e3
"""Bandwidth in which the detector's noise is quoted, Hz."""
DEBRIS_FORCE_NN = 100.0
"""Force at which the rate of debris is twice the base rate, nN (design choice)."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_DRIFT, _EVENTS = np.int64(AFMExogenous.DRIFT), np.int64(AFMExogenous.EVENTS)
_SIGNAL = np.int64(AFMMeasurement.SIGNAL)


@kernel
def locate_line(n, b, parameters, state, work):
    """Find the path of row b's tip on the surface in one direction of lane n's line.

    The position of the slow axis is `work.across[n]`, nm, those of the fast axis `work.places`.
    """
    surface, drift = state.surface, state.drift.drift
    places, pixels, pixel_nm = work.places, parameters.pixels, parameters.pixel_nm
    width, side = places.size, surface.height.shape[1]
    borders, ground = work.borders[n], work.ground[n]
    # Place on the surface: position over the pixel, centre of the frame, drift less correction.
    off_y = (drift[b, 0] - state.correction[b, 0]) / pixel_nm
    off_x = (drift[b, 1] - state.correction[b, 1]) / pixel_nm + MARGIN_PX + 0.5 * pixels - 0.5
    row = work.across[n] / pixel_nm + MARGIN_PX + 0.5 * pixels - 0.5 + off_y
    # Borders of the pixels; the first is extrapolated.
    borders[0] = 2.0 * places[0] - places[1]
    for p in range(width):
        borders[p + 1] = places[p]
    low, high = np.inf, -np.inf
    for p in range(width + 1):
        borders[p] = borders[p] / pixel_nm + off_x
        low, high = min(low, borders[p]), max(high, borders[p])
    # Height of the path, and drift along z.
    first = int(np.floor(low))
    path = view1d(work.path, 0, min(int(high) - first + 2, work.path.size))
    shape = mounted_shape(b, state.tip)
    trace_apex(surface.height[b], row, first, shape, parameters, surface.relief[b], work, path)
    for p in range(width + 1):
        ground[p] = sample(path, borders[p] - first) + drift[b, 2]
    # E sqrt(R) of the material at the pixels' centres, nearest neighbour.
    root = np.sqrt(apex_radius(state.tip.radius_nm[b], state.tip.worn_nm[b]))
    above = min(max(int(row + 0.5), 0), side - 1)
    for p in range(width):
        at = int(0.5 * (borders[p] + borders[p + 1]) + 0.5)
        modulus = np.float64(surface.modulus[b, above, min(max(at, 0), side - 1)])
        work.elastic[n, p] = modulus * root
    work.line[n], work.first[n] = row, first


@kernel
def begin_direction(n, b, back, dials, parameters, state, work, lanes):
    """Begin the trace or the retrace of row b's next line in lane n.

    Args:
        back: 1 for the retrace, else 0.
        dials: (N, 4) float64, settings of the line, see `DIALS`.
        lanes: of `microgym.physics.feedback_lanes`.
    """
    line, hidden, piezo = state.line, state.hidden, state.piezo
    pixels, pixel_nm, rate = parameters.pixels, parameters.pixel_nm, dials[b, 3]
    width = pixels + 2 * LEAD
    reach = 0.5 * width * pixel_nm
    if back == 0:
        # Slow axis: a step to y = (n + 1/2) pitch - L / 2, with creep and hysteresis.
        y = (state.ledger.exposures[b] + 0.5) * parameters.pitch_px * pixel_nm
        y -= 0.5 * pixels * pixel_nm
        work.across[n] = move_piezo(b, 0, 0.5 / rate, y, parameters.hysteresis, piezo)
        line.peak_nn[b], line.mean_nn[b], line.excess_nn[b] = 0.0, 0.0, 0.0
        line.saturated[b], line.crashes[b] = 0.0, 0
    # Drift is that of the middle of each direction.
    let_drift(b, _DRIFT, 0.25 / rate, parameters.rates, state.keys, state.drift)
    # Fast axis: an even sweep from -W / 2 to W / 2, or back.
    way = -reach if back else reach
    sweep_piezo(b, 1, 0.5 / rate, way, parameters.hysteresis, piezo, work.places)
    locate_line(n, b, parameters, state, work)
    # One direction takes half of 1 / rate, spread evenly over pixels and overscan; what is left
    # of its last tick is not scanned.
    work.row[n], work.back[n], work.done[n] = b, back, 0
    work.total[n] = int(0.5 / (rate * TICK_S)) if state.engaged[b] else 0
    work.pace[n] = 2.0 * rate * TICK_S * width
    work.base[n] = np.floor(state.loop.height[b])
    # The detector's noise over two ticks is that in a bandwidth B times sqrt(1 / (2 B 2 dt)).
    detector_nm = parameters.detector_nm * np.sqrt(0.25 / (BANDWIDTH_HZ * TICK_S))
    loop = LoopSettings(
        *(signal_of(dials[b, 0], parameters), dials[b, 1], dials[b, 2]),
        *(hidden.resonance_hz[b], hidden.damping[b], parameters.slew_nm_s, parameters.range_nm),
        *(parameters.thermal_nm, detector_nm, parameters.contact, parameters.lag_s),
        *(parameters.stiffness_n_m, parameters.quality, parameters.free_amplitude_nm),
        apex_radius(state.tip.radius_nm[b], state.tip.worn_nm[b]),
    )
    load_lane(n, b, work.base[n], loop, state.loop, lanes)
    for k in range(SIGNALS):
        for p in range(width):
            work.signals[n, k, p] = 0.0


@kernel
def run_chunk(keys, exposures, noisy, contact, work):
    """Run a chunk of ticks of all lanes: inputs, loops, and outputs.

    It takes few arguments: to hand over the whole state would take longer than a lane's inputs.

    Args:
        keys, exposures: of `AFMState` and its ledger.
        noisy: whether there is noise.
        contact: contact mode.
    """
    width, lanes, chunk = work.places.size, work.lanes, work.chunk
    for n in range(LANES):
        b, done, total = work.row[n], work.done[n], work.total[n]
        if b < 0:
            continue
        noise = view1d(work.noise, n * NOISE, NOISE)
        if done % NOISE == 0 and noisy:
            # One tick of the stream for so many of a direction.
            tick = ((2 * exposures[b] + work.back[n]) << 16) + done // NOISE
            s0, s1 = row_stream(keys, b, MEASUREMENT, _SIGNAL)
            fill_normal(s0, s1, tick, noise)
        ground = view1d(work.ground, n * (width + 1), width + 1)
        elastic = view1d(work.elastic, n * width, width)
        pace, base = work.pace[n], work.base[n]
        feed_chunk(n, done, total - done, pace, base, ground, elastic, noise, lanes, chunk)
    if contact:
        press_chunk(lanes, chunk)
    else:
        tap_chunk(lanes, chunk)
    for n in range(LANES):
        if work.row[n] >= 0:
            done = work.done[n]
            count = min(work.total[n] - done, CHUNK)
            signals = view2d(work.signals, n * SIGNALS * width, SIGNALS, width)
            take_chunk(n, done, count, work.pace[n], chunk, signals)
            work.done[n] = done + count


@kernel
def compare_line(n, b, parameters, state, work):
    """Compare row b's trace in lane n with what a new tip would have shown on the same path."""
    surface, new, pixels = state.surface, parameters.new_tip, parameters.pixels
    rise, relief, first = state.drift.drift[b, 2], surface.relief[b], work.first[n]
    row, borders = work.line[n], work.borders[n]
    trace_apex(surface.height[b], row, first, new, parameters, relief, work, work.ideal)
    apart, both, moved, total, square = 0.0, 0.0, 0.0, 0.0, 0.0
    for p in range(pixels):
        x, z = borders[p + LEAD], borders[p + LEAD + 1]
        h = 0.5 * (sample(work.ideal, x - first) + sample(work.ideal, z - first))
        away = 0.5 * (x + z) - (MARGIN_PX + p)
        moved += away * away
        state.line.truth[b, p] = np.float32(h)
        total += h
        square += h * h
        e = work.signals[n, 0, p + LEAD] - rise - h
        apart += e
        both += e * e
    # Standard deviation of the error: an offset does not count.
    state.line.error_nm[b] = np.sqrt(max(both / pixels - (apart / pixels) ** 2, 0.0))
    state.line.relief_nm[b] = np.sqrt(max(square / pixels - (total / pixels) ** 2, 0.0))
    # The line's place in the frame is (j + 1/2) pitches from its edge.
    aside = row - (MARGIN_PX - 0.5 + (state.ledger.exposures[b] + 0.5) * parameters.pitch_px)
    state.line.misplaced_nm[b] = parameters.pixel_nm * np.sqrt(moved / pixels + aside * aside)


@kernel
def record_line(n, b, setpoint, parameters, state, work):
    """Record row b's signals and forces in one direction of a line; means are still sums.

    Args:
        setpoint: setpoint of the signal, nm.

    Returns:
        Largest force, nN, largest pressure in the contact, GPa, and volume worn off, nm^3.
    """
    line, out, back = state.line, work.signals[n], work.back[n]
    pixels, width, free = parameters.pixels, work.places.size, parameters.free_amplitude_nm
    radius = apex_radius(state.tip.radius_nm[b], state.tip.worn_nm[b])
    hit, hard, worn = 0.0, 0.0, 0.0
    mean, excess, bound = line.mean_nn[b], line.excess_nn[b], line.saturated[b]
    for p in range(width):
        # Peak force of the pixel, and load on the contact averaged over a cycle.
        f, load = out[4, p], out[3, p]
        if not parameters.contact:
            elastic, push = work.elastic[n, p], out[5, p]
            f = contact_peak(f, elastic, radius)
            if push > 0.0:
                still = pressed(push, parameters.stiffness_n_m, 4.0 / 3.0 * elastic)
                f, load = max(f, still), max(load, still)
        hit = max(hit, f)
        # Forces are compared by F E^2, which is the cube of the pressure but for the radius.
        hard = max(hard, f * work.elastic[n, p] * work.elastic[n, p])
        # Archard's law: dV = k F ds. The contact carries adhesion besides the lever's force.
        worn += archard(state.hidden.wear[b], load, parameters.pixel_nm)
        mean += load
        excess += max(f - parameters.soft_limit_nn, 0.0)
        i = p - LEAD
        if 0 <= i < pixels:
            # The retrace runs backwards: signals are stored by place.
            i = pixels - 1 - i if back else i
            bound += out[1, p] > 0.95 * (free - setpoint)
            if back:
                line.retrace[b, i] = np.float32(out[0, p])
                line.error_back[b, i] = np.float32(out[1, p])
                line.force[b, i] = max(line.force[b, i], np.float32(f))
            else:
                line.trace[b, i] = np.float32(out[0, p])
                line.error[b, i] = np.float32(out[1, p])
                line.phase[b, i] = np.float32(out[2, p])
                line.force[b, i] = np.float32(f)
    line.mean_nn[b], line.excess_nn[b], line.saturated[b] = mean, excess, bound
    line.peak_nn[b] = max(line.peak_nn[b], hit)
    return hit, contact_pressure(hard, radius), worn


@kernel
def change_tip(b, hit, pressure, worn, parameters, state):
    """Wear row b's tip by a volume, nm^3, break it by a pressure, or let it meet debris.

    Args:
        hit: largest force of the line, nN.
        pressure: largest pressure in the contact, GPa.
        worn: volume worn off in the line, nm^3.
    """
    tip = state.tip
    # A paraboloid is worn flat: V = pi R h^2.
    tip.volume_nm3[b] += worn
    tip.worn_nm[b] = worn_height(tip.volume_nm3[b], tip.radius_nm[b])
    # The apex breaks above a hidden pressure: a blunt one bears more force, and soft ground spares.
    if pressure > state.hidden.strength[b]:
        break_tip(b, state.keys, tip)
        state.line.crashes[b] += 1
    # Hazard of debris: r (1 + (F / F_0)^2), bounded, while the tip is at the surface.
    push, rate = hit / DEBRIS_FORCE_NN, parameters.debris_per_s
    often = rate * min(1.0 + push * push, MOST_RATE) if state.engaged[b] else 0.0
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _EVENTS)
    now, most = state.ledger.time_s[b], rate * MOST_RATE
    while next_event(s0, s1, now, often, most, state.debris.candidate[b]) <= now:
        meet_debris(b, state.keys, tip)


@kernel
def end_direction(n, dials, parameters, state, work, lanes):
    """End the trace or the retrace in lane n; arguments as for `begin_direction`."""
    b, back, ledger = work.row[n], work.back[n], state.ledger
    rate, setpoint = dials[b, 3], signal_of(dials[b, 0], parameters)
    width = work.places.size
    if state.engaged[b]:
        store_lane(n, b, work.base[n], state.hidden.resonance_hz[b], lanes, state.loop)
        finish_line(work.base[n], work.signals[n])
    else:
        # A withdrawn tip: the command stands still, and the signal is free.
        for p in range(width):
            work.signals[n, 0, p] = state.loop.command[b]
            work.signals[n, 1, p] = parameters.free_amplitude_nm - setpoint
    if back == 0:
        compare_line(n, b, parameters, state, work)
    hit, pressure, worn = record_line(n, b, setpoint, parameters, state, work)
    let_drift(b, _DRIFT, 0.25 / rate, parameters.rates, state.keys, state.drift)
    ledger.time_s[b] += 0.5 / rate
    change_tip(b, hit, pressure, worn, parameters, state)
    if back == 1:
        line = state.line
        # Means over both directions.
        line.mean_nn[b] /= 2 * width
        line.excess_nn[b] /= 2 * width
        line.saturated[b] /= 2.0 * parameters.pixels
        # Dose: mean force times the duration of the line; path: twice its width.
        ledger.dose[b] += line.mean_nn[b] / rate
        ledger.exposures[b] += 1
        ledger.path_m[b] += 2.0 * width * parameters.pixel_nm * 1e-9


@kernel
def scan_rows(rows, dials, parameters, state, work):
    """Scan one line, trace and retrace, in each of the listed rows.

    Args:
        dials: (N, 4) float64, settings of the line, see `DIALS`.
    """
    state, work, taken = borrowed(state), borrowed(work), 0
    lanes, chunk = work.lanes, work.chunk
    keys, exposures = state.keys, state.ledger.exposures
    noisy = parameters.thermal_nm > 0.0 or parameters.detector_nm > 0.0
    for i in range(work.noise.size):
        work.noise[i] = np.float32(0.0)
    for n in range(LANES):
        work.row[n] = -1
        rest_lane(n, lanes, chunk)
    while True:
        running = 0
        for n in range(LANES):
            # The next direction of the lane; a withdrawn tip's takes no tick.
            while work.row[n] >= 0 or taken < rows.size:
                if work.row[n] < 0:
                    begin_direction(n, rows[taken], 0, dials, parameters, state, work, lanes)
                    taken += 1
                if work.done[n] < work.total[n]:
                    break
                b, back = work.row[n], work.back[n]
                end_direction(n, dials, parameters, state, work, lanes)
                work.row[n] = -1
                if back == 0:
                    begin_direction(n, b, 1, dials, parameters, state, work, lanes)
                else:
                    rest_lane(n, lanes, chunk)
            running += work.row[n] >= 0
        if running == 0:
            return
        run_chunk(keys, exposures, noisy, parameters.contact, work)
