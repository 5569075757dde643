"""Kernels of the force microscope: reset, one line there and back, approach, and exchange.

Arguments of the same name are the same everywhere: `rows`, (k,) int64, and `b`, rows of the state;
`parameters`, `state` and `work`, `AFMParameters`, `AFMState` and `LineWork` of
`microgym.instruments.afm.state`.
"""

import numpy as np

from microgym.instruments.afm.settings import MARGIN_PX
from microgym.instruments.afm.surface_kernels import (
    LEAD,
    land_tip,
    mounted_shape,
    sample,
    signal_of,
    survey_frame,
    trace_apex,
)
from microgym.instruments.afm.tip_kernels import (
    LOG_MODULUS_STEP,
    SOFTEST_GPA,
    break_tip,
    draw_lognormal,
    meet_debris,
    refit_tip,
    renew_tip,
)
from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import exp64
from microgym.physics.afm_tip import apex_radius, archard, worn_height
from microgym.physics.cantilever import CONTACT_NM, HAMAKER_NN_NM, peak_force
from microgym.physics.drift import disturb_settling, let_drift, start_drift
from microgym.physics.feedback import LoopSettings, scan_line, ticks_of
from microgym.physics.piezo import move_piezo, rest_piezo, sweep_piezo
from microgym.physics.stochastic_events import next_event, start_events
from microgym.random import (
    EXOGENOUS,
    MEASUREMENT,
    WORLD,
    draw_uniform,
    fill_normal,
    normal,
    row_stream,
)
from microgym.random.streams import AFMExogenous, AFMMeasurement, AFMWorld

BANDWIDTH_HZ = 10e3
"""Bandwidth in which the detector's noise is quoted, Hz."""
MOST_RATE = 50.0
"""Largest ratio of the rate of debris to its base rate (design choice)."""
DEBRIS_FORCE_NN = 100.0
"""Force at which the rate of debris is twice the base rate, nN (design choice)."""
DIALS = ("setpoint", "integral_gain", "proportional_gain", "line_rate_hz")
"""Columns of the controls: setpoint as a ratio (amplitude over the free one) or, in contact mode,
in nN; gains, the first in 1/s; lines a second."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_HIDDEN, _CREEP = np.int64(AFMWorld.HIDDEN), np.int64(AFMWorld.CREEP)
_DRIFT, _EVENTS = np.int64(AFMExogenous.DRIFT), np.int64(AFMExogenous.EVENTS)
_LANDING = np.int64(AFMExogenous.LANDING)
_THERMAL, _DETECTOR = np.int64(AFMMeasurement.THERMAL), np.int64(AFMMeasurement.DETECTOR)
_FIRST = np.int64(0)


@kernel
def reset_rows(rows, setpoint, parameters, state, work):
    """Begin episodes: draw what is hidden, mount a tip, survey the surface, and approach it.

    Args:
        setpoint: setpoint of the approach, see `DIALS`.
        state: `AFMState`, clear in these rows but for keys, heights, materials and relief.
    """
    hidden, piezo, keys = state.hidden, state.piezo, state.keys
    for b in rows:
        # Properties of the instrument, lognormal; the z-scanner stays underdamped.
        s0, s1 = row_stream(keys, b, WORLD, _HIDDEN)
        hidden.resonance_hz[b] = draw_lognormal(s0, s1, _FIRST, _FIRST, parameters.resonance_hz)
        hidden.damping[b] = draw_lognormal(s0, s1, _FIRST, _FIRST + 1, parameters.damping)
        hidden.damping[b] = min(hidden.damping[b], 0.9)
        hidden.crash_nn[b] = draw_lognormal(s0, s1, _FIRST, _FIRST + 2, parameters.crash_nn)
        hidden.wear[b] = draw_lognormal(s0, s1, _FIRST, _FIRST + 3, parameters.wear)
        # Creep of the lateral scanner, uniform from 0 on.
        s0, s1 = row_stream(keys, b, WORLD, _CREEP)
        piezo.coefficient[b] = parameters.creep * draw_uniform(s0, s1, _FIRST, _FIRST)
        # First candidate of debris, at the largest rate there can be.
        s0, s1 = row_stream(keys, b, EXOGENOUS, _EVENTS)
        start_events(s0, s1, parameters.debris_per_s * MOST_RATE, state.debris.candidate[b])
        s0, s1 = row_stream(keys, b, EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, parameters.rates, state.drift)
        # Lateral scanner at rest at the corner of the frame, overscan included.
        corner = -0.5 * parameters.field_nm - LEAD * parameters.pixel_nm
        for axis in range(2):
            piezo.command[b, axis] = corner
            rest_piezo(corner, piezo.creep[b, axis], piezo.play[b, axis])
        renew_tip(b, keys, parameters, state.tip)
        refit_tip(b, parameters, state.tip)
        survey_frame(b, parameters, state.surface, work)
        land_tip(b, setpoint, parameters, state, work)


@kernel
def engage_rows(rows, setpoint, parameters, state, work):
    """Withdraw and approach again, with setpoints (N,) as in `DIALS`.

    Args:
        setpoint: (N,) float64, setpoints of the signal, as in `DIALS`.
    """
    for b in rows:
        let_drift(b, _DRIFT, parameters.engage_s, parameters, state)
        state.ledger.time_s[b] += parameters.engage_s
        land_tip(b, setpoint[b], parameters, state, work)


@kernel
def withdraw_rows(rows, parameters, state):
    """Lift the tips of the listed rows to the upper end of the z-scanner."""
    loop = state.loop
    for b in rows:
        let_drift(b, _DRIFT, parameters.withdraw_s, parameters, state)
        state.ledger.time_s[b] += parameters.withdraw_s
        # Scanner at rest, signal free.
        loop.integral[b], loop.height[b] = parameters.range_nm, parameters.range_nm
        loop.velocity[b], loop.command[b] = 0.0, parameters.range_nm
        loop.signal[b] = parameters.signals.free
        state.engaged[b] = False


@kernel
def exchange_rows(rows, setpoint, parameters, state, work):
    """Mount new tips, find the frames again nearly, and approach, with setpoints (N,).

    Args:
        setpoint: (N,) float64, setpoints of the signal, as in `DIALS`.
    """
    tip, drift = state.tip, state.drift
    for b in rows:
        let_drift(b, _DRIFT, parameters.exchange_s, parameters, state)
        state.ledger.time_s[b] += parameters.exchange_s
        tip.exchanges[b] += 1
        renew_tip(b, state.keys, parameters, tip)
        refit_tip(b, parameters, tip)
        # The stage is disturbed and settles anew.
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _DRIFT)
        disturb_settling(s0, s1, tip.exchanges[b], parameters.rates.settling, drift.settling[b])
        # Correction of the drift so far, with a normal error along each axis.
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _LANDING)
        for axis in range(2):
            lost = parameters.landing_nm * normal(s0, s1, tip.exchanges[b], axis)
            state.correction[b, axis] = drift.drift[b, axis] + lost
        land_tip(b, setpoint[b], parameters, state, work)


@kernel
def locate_line(b, y_nm, parameters, state, work):
    """Find the path of row b's tip on the surface in one direction of a line.

    Args:
        y_nm: position of the slow axis, nm; that of the fast axis is `work.places`.

    Returns:
        Real row of the line on the surface, px, and first column of the path, which is in `work`.
    """
    surface, drift = state.surface, state.drift.drift
    places, borders = work.places, work.borders
    pixels, pixel_nm, side = parameters.pixels, parameters.pixel_nm, surface.height.shape[1]
    width = places.size
    # Place on the surface: position over the pixel, centre of the frame, drift less correction.
    off_y = (drift[b, 0] - state.correction[b, 0]) / pixel_nm
    off_x = (drift[b, 1] - state.correction[b, 1]) / pixel_nm + MARGIN_PX + 0.5 * pixels - 0.5
    row = y_nm / pixel_nm + MARGIN_PX + 0.5 * pixels - 0.5 + off_y
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
        work.ground[p] = sample(path, borders[p] - first) + drift[b, 2]
    # Material at the pixels' centres, nearest neighbour.
    above = min(max(int(row + 0.5), 0), side - 1)
    for p in range(width):
        at = int(0.5 * (borders[p] + borders[p + 1]) + 0.5)
        work.material[p] = np.float64(surface.material[b, above, min(max(at, 0), side - 1)])
    return row, first


@kernel
def run_loop(b, tick, ticks, loop, parameters, state, work):
    """Run row b's feedback loop along one direction of a line.

    Args:
        tick: tick of the random streams.
        ticks: ticks of the controller in a pixel.
        loop: `LoopSettings`.
    """
    out = work.signals
    if state.engaged[b]:
        count = work.material.size * ticks
        thermal, detector = view1d(work.noise, 0, count), view1d(work.noise, count, count)
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _THERMAL)
        fill_normal(s0, s1, tick, thermal)
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _DETECTOR)
        fill_normal(s0, s1, tick, detector)
        table, signals = state.tip.table[b], parameters.signals
        low, step, ground, material = signals.low_nm, signals.step_nm, work.ground, work.material
        scan_line(b, ground, material, table, low, step, loop, state.loop, thermal, detector, out)
        return
    # A withdrawn tip: the command stands still, and the signal is free.
    free = parameters.signals.free
    for p in range(work.material.size):
        out[0, p], out[1, p] = state.loop.command[b], free - loop.setpoint
        out[2, p] = out[3, p] = out[4, p] = free


@kernel
def compare_line(b, row, first, parameters, state, work):
    """Compare row b's trace with what a new tip would have shown on the same real row, px.

    Args:
        row: place of the line across the frame, px of the surface; a real number.
        first: column of the surface at which the path began.
    """
    surface, new, pixels = state.surface, parameters.new_tip, parameters.pixels
    rise, relief = state.drift.drift[b, 2], surface.relief[b]
    trace_apex(surface.height[b], row, first, new, parameters, relief, work, work.ideal)
    apart, both = 0.0, 0.0
    for p in range(pixels):
        x, z = work.borders[p + LEAD], work.borders[p + LEAD + 1]
        h = 0.5 * (sample(work.ideal, x - first) + sample(work.ideal, z - first))
        state.line.truth[b, p] = np.float32(h)
        e = work.signals[0, p + LEAD] - rise - h
        apart += e
        both += e * e
    # Standard deviation of the error: an offset does not count.
    state.line.error_nm[b] = np.sqrt(max(both / pixels - (apart / pixels) ** 2, 0.0))


@inline_kernel
def oscillation_phase(target, gap, free):
    """Cosine of the phase, +-sqrt(1 - (T / A_0)^2): positive where the tip enters contact.

    Args:
        target: T, target of the amplitude, nm.
        gap: mean distance of the tip from the surface, nm.
        free: A_0, amplitude far from the surface, nm.

    Returns:
        float64 between -1 and 1.
    """
    part = min(max(target / free, -1.0), 1.0)
    turn = np.sqrt(1.0 - part * part)
    return turn if gap - target < 0.165 else -turn


@kernel
def record_line(b, back, setpoint, parameters, state, work):
    """Record row b's signals and forces in one direction of a line; means are still sums.

    Args:
        back: 1 for the retrace, else 0.
        setpoint: setpoint of the signal, nm.

    Returns:
        Largest force, nN, and volume worn off, nm^3.
    """
    line, out, engaged = state.line, work.signals, state.engaged[b]
    pixels, width, free = parameters.pixels, work.material.size, parameters.signals.free
    radius = apex_radius(state.tip.radius_nm[b], state.tip.worn_nm[b])
    reach = 0.5 * width * parameters.pixel_nm
    step_nm = 2.0 * reach / width
    spring, quality = parameters.stiffness_n_m, parameters.quality
    adhesion = HAMAKER_NN_NM * radius / (6.0 * CONTACT_NM * CONTACT_NM)
    hit, worn = 0.0, 0.0
    mean, excess, bound = line.mean_nn[b], line.excess_nn[b], line.saturated[b]
    for p in range(width):
        # Peak force of the pixel, and the fraction of time in contact.
        modulus = SOFTEST_GPA * exp64(LOG_MODULUS_STEP * work.material[p])
        if not engaged:
            f, share = 0.0, 0.0
        elif parameters.contact:
            # Contact mode: F = k times the largest deflection.
            f, share = max(-out[3, p] * spring, 0.0), 1.0
        else:
            f, share = peak_force(out[4, p], out[3, p], modulus, radius, spring, quality, free)
        hit = max(hit, f)
        # Archard's law: dV = k F ds, with the load on the contact averaged over a cycle. The
        # elastic contact carries adhesion besides the force on the lever.
        load = f + adhesion if f > 0.0 else 0.0
        worn += archard(state.hidden.wear[b], load * share, step_nm)
        mean += f * share
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
                line.force[b, i] = np.float32(f)
                phase = 0.0
                if not parameters.contact:
                    gap = out[0, p] - 0.5 * (work.ground[p] + work.ground[p + 1])
                    phase = oscillation_phase(out[2, p], gap, free)
                line.phase[b, i] = np.float32(phase)
    line.mean_nn[b], line.excess_nn[b], line.saturated[b] = mean, excess, bound
    line.peak_nn[b] = max(line.peak_nn[b], hit)
    return hit, worn


@kernel
def change_tip(b, hit, worn, parameters, state):
    """Wear row b's tip by a volume, nm^3, break it by a force, nN, or let it meet debris.

    Args:
        hit: largest force of the line, nN.
        worn: volume worn off in the line, nm^3.
    """
    tip = state.tip
    # A paraboloid is worn flat: V = pi R h^2.
    tip.volume_nm3[b] += worn
    tip.worn_nm[b] = worn_height(tip.volume_nm3[b], tip.radius_nm[b])
    # The apex breaks above a hidden force.
    if hit > state.hidden.crash_nn[b]:
        break_tip(b, state.keys, tip)
        state.line.crashes[b] += 1
    # Hazard of debris: r (1 + (F / F_0)^2), bounded, while the tip is at the surface.
    push, rate = hit / DEBRIS_FORCE_NN, parameters.debris_per_s
    often = rate * min(1.0 + push * push, MOST_RATE) if state.engaged[b] else 0.0
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _EVENTS)
    now, most = state.ledger.time_s[b], rate * MOST_RATE
    while next_event(s0, s1, now, often, most, state.debris.candidate[b]) <= now:
        meet_debris(b, state.keys, tip)
    refit_tip(b, parameters, tip)


@kernel
def scan_rows(rows, dials, parameters, state, work):
    """Scan one line, trace and retrace, in each of the listed rows; `dials` (N, 4), see `DIALS`.

    Args:
        dials: (N, 4) float64, settings of the line, see `DIALS`.
    """
    pixels, pixel_nm = parameters.pixels, parameters.pixel_nm
    line, hidden, piezo, ledger = state.line, state.hidden, state.piezo, state.ledger
    width = pixels + 2 * LEAD
    reach = 0.5 * width * pixel_nm
    for b in rows:
        gain, rate, number = dials[b, 1], dials[b, 3], ledger.exposures[b]
        # One direction takes half of 1 / rate, spread evenly over pixels and overscan.
        pixel_s = 0.5 / (rate * width)
        resonance_hz = hidden.resonance_hz[b]
        ticks = ticks_of(pixel_s, resonance_hz, parameters.lag_s, gain)
        setpoint = signal_of(dials[b, 0], parameters)
        # The detector's noise in a tick is that in a bandwidth B times sqrt(1 / (2 B dt)).
        tick_s = pixel_s / ticks
        detector_nm = parameters.detector_nm * np.sqrt(0.5 / (BANDWIDTH_HZ * tick_s))
        loop = LoopSettings(
            *(setpoint, gain, dials[b, 2], tick_s, parameters.lag_s),
            *(resonance_hz, hidden.damping[b], parameters.slew_nm_s, parameters.range_nm),
            *(parameters.lowest_signal_nm, parameters.thermal_nm, detector_nm),
        )
        # Slow axis: a step to y = (n + 1/2) pitch - L / 2, with creep and hysteresis.
        y = (number + 0.5) * parameters.pitch_px * pixel_nm - 0.5 * pixels * pixel_nm
        y_true = move_piezo(b, 0, 0.5 / rate, y, parameters.hysteresis, piezo)
        line.peak_nn[b], line.mean_nn[b], line.excess_nn[b] = 0.0, 0.0, 0.0
        line.saturated[b], line.crashes[b] = 0.0, 0
        for back in range(2):
            # Drift is that of the middle of each direction.
            let_drift(b, _DRIFT, 0.25 / rate, parameters, state)
            # Fast axis: an even sweep from -W / 2 to W / 2, or back.
            way = -1.0 if back else 1.0
            sweep_piezo(b, 1, 0.5 / rate, way * reach, parameters.hysteresis, piezo, work.places)
            row, first = locate_line(b, y_true, parameters, state, work)
            run_loop(b, 2 * number + back, ticks, loop, parameters, state, work)
            if back == 0:
                compare_line(b, row, first, parameters, state, work)
            hit, worn = record_line(b, back, setpoint, parameters, state, work)
            let_drift(b, _DRIFT, 0.25 / rate, parameters, state)
            ledger.time_s[b] += 0.5 / rate
            change_tip(b, hit, worn, parameters, state)
        # Means over both directions.
        line.mean_nn[b] /= 2 * width
        line.excess_nn[b] /= 2 * width
        line.saturated[b] /= 2.0 * pixels
        # Dose: mean force times the duration of the line; path: four times half a width.
        ledger.dose[b] += line.mean_nn[b] / rate
        ledger.exposures[b] = number + 1
        ledger.path_m[b] += 4.0 * reach * 1e-9
