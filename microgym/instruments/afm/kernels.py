"""The compiled step of the force microscope: a line, there and back, in each of the listed rows."""

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.afm.surface_kernels import run_along, sample
from microgym.instruments.afm.tip_kernels import (
    LOG_MODULUS_STEP,
    SOFTEST_GPA,
    break_tip,
    draw_lognormal,
    meet_debris,
    refit,
    renew_tip,
)
from microgym.jit import kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.libm import exp64
from microgym.physics.afm_tip import REACH, apex_radius, archard, worn_height
from microgym.physics.cantilever import peak_force
from microgym.physics.drift import advance_drift, disturb_settling, draw_uniform, start_drift
from microgym.physics.feedback import LOOP, scan_line, ticks_of
from microgym.physics.piezo import move_piezo, rest_piezo, sweep_piezo
from microgym.physics.stochastic_events import next_event, start_events
from microgym.random import fill_normal, normal, row_stream

Rows = NDArray[np.int64]

LEAD = 8
"""Pixels of overscan on each side of a line, scanned and thrown away (design choice: 3 %)."""
BANDWIDTH_HZ = 10e3
"""Bandwidth in which the detector's noise is quoted, Hz."""
MOST_RATE = 50.0
"""How many times its base rate debris can be met at most (design choice)."""
DEBRIS_FORCE_NN = 100.0
"""Force at which the rate of debris is twice the base rate, nN (design choice)."""

HIDDEN = ("resonance_hz", "damping", "crash_nn", "wear_nm3_nn_nm")
"""Columns of an instrument's hidden numbers: of the scanner, threshold of damage to the tip, volume
worn off a unit of force and way."""
DIALS = ("setpoint", "integral_gain", "proportional_gain", "line_rate_hz")
"""Columns of what an operator sets: setpoint as a ratio (amplitude over the free one) or, in
contact mode, in nN; gains; lines a second."""
TALLY = (
    "peak_nn",
    "mean_nn",
    "excess_nn",
    "crashes",
    "changes",
    "error_nm",
    "power_nm2",
    "saturated",
)
"""Columns of what one line did: largest force; mean repulsive force; mean of what the peak force of
a pixel exceeds the soft limit by; new crashes and tip changes; root mean square error of the trace
against what a new tip would have shown on the same path, offset apart; variance of that truth; part
of the line in which the error signal was at its bound."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_WORLD, _EXOGENOUS, _MEASUREMENT = np.int64(0), np.int64(1), np.int64(2)
_DRIFT, _EVENTS, _LANDING = np.int64(10), np.int64(11), np.int64(14)
_HIDDEN, _CREEP = np.int64(20), np.int64(22)
_THERMAL, _DETECTOR = np.int64(30), np.int64(31)


def scan_work(side: int, pixels: int, ticks: int) -> tuple[int, int]:
    """Lengths of the float32 and the float64 work arrays of `scan_rows`."""
    width = pixels + 2 * LEAD
    strip = (2 * REACH + 1) * side
    return strip + 2 * side + 2 * width * ticks, 8 * (width + 1) + 5 * width + len(LOOP)


@kernel
def start_rows(rows, keys, spreads, rate, creep, drifts, hidden, coefficient, candidate, drifting):
    """Draw the hidden numbers of new episodes, and let them begin to drift.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        spreads: (4, 2) medians and standard deviations of the logarithms, as `HIDDEN`.
        rate: base rate of debris, 1/s.
        creep: largest creep per decade.
        drifts: (2,) mean speed of drift, nm/s, and mean distance to be settled, nm.
        hidden: (N, 4) float64, written.
        coefficient: (N,) creep of the scanner, written.
        candidate: (N, 2) of the events, written.
        drifting: arrays of `DriftState`, written.
    """
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = row_stream(keys, b, _WORLD, _HIDDEN)
        for i in range(spreads.shape[0]):
            drawn = draw_lognormal(s0, s1, np.int64(0), np.int64(i), spreads[i, 0], spreads[i, 1])
            hidden[b, i] = drawn
        hidden[b, 1] = min(hidden[b, 1], 0.9)
        s0, s1 = row_stream(keys, b, _WORLD, _CREEP)
        coefficient[b] = creep * draw_uniform(s0, s1, np.int64(0), np.int64(0))
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _EVENTS)
        start_events(s0, s1, rate * MOST_RATE, candidate[b])
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, drifts[0], drifts[1], drifting)


@kernel
def exchange_rows(rows, keys, new, exchanges, volume, tip, correction, drifting, constants, times):
    """Mount new tips: it takes long, the stage is disturbed, and the place is found again nearly.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        new: (5,) median radius, nm, and its spread, half angle, mean distance to be settled, nm,
            and standard deviation of where the frame is found again, nm.
        exchanges: (N,) int64, counted on.
        volume, tip: written.
        correction: (N, 2) float64, drift that the operator has made up for, nm; written.
        drifting: arrays of `DriftState`.
        constants: as for `scan_rows`.
        times: duration, s.
    """
    settling, drift = drifting[1], drifting[5]
    for k in range(rows.size):
        b = rows[k]
        drift_for(b, times, keys, drifting, constants)
        exchanges[b] += 1
        renew_tip(b, keys, exchanges, new[0], new[1], new[2], tip, volume)
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
        disturb_settling(s0, s1, exchanges[b], new[3], settling[b])
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _LANDING)
        for axis in range(2):
            lost = new[4] * normal(s0, s1, exchanges[b], axis)
            correction[b, axis] = drift[b, axis] + lost


@kernel
def wait_rows(rows, keys, drifting, constants, times):
    """Let time pass in the listed rows."""
    for k in range(rows.size):
        drift_for(rows[k], times, keys, drifting, constants)


@kernel
def drift_for(b, duration, keys, drifting, constants):
    """Let row b drift for a time."""
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
    pace = (constants[0], constants[1], constants[2], constants[9])
    advance_drift(b, s0, s1, duration, pace, drifting)


@kernel
def scan_rows(
    rows,
    dials,
    keys,
    specimen,
    tips,
    hidden,
    drifting,
    moving,
    loops,
    events,
    images,
    tally,
    accounts,
    probe,
    constants,
    ints,
    work32,
    work64,
):
    """Scan one line, trace and retrace, in each of the listed rows.

    Args:
        rows: (k,) int64.
        dials: (N, 4) float64, see `DIALS`.
        keys: (N, 2) uint32.
        specimen: heights (N, n, n) float32, nm; places of the moduli in the tables,
            likewise; height ranges (N,) float32, nm.
        tips: tip (N, 6), volume worn off (N,), shape (N, 2 r + 1, 2 r + 1), table (N, 2, M, G), its
            radius (N,), shape of a new tip, and all tables (R, 2, M, G).
        hidden: (N, 4), see `HIDDEN`.
        drifting: arrays of `DriftState`.
        moving: of `PiezoState`: coefficient, command, creep, play; correction (N, 2) of the place
            after an exchange, nm.
        loops: (N, 5), see `microgym.physics.feedback.STATE`; whether engaged (N,).
        events: candidate, crashes, changes.
        images: trace, retrace, error, error of the retrace, phase, force, truth: (N, P) float32.
        tally: (N, 8) float64, see `TALLY`.
        accounts: time_s, dose, exposures, path_m.
        probe: low, step, spring, quality, free signal, lag, thermal noise, detector noise, slew,
            range, floor, 1 in contact mode.
        constants: settling time, wander, wander time; half range, width of the hysteresis; pixel in
            nm, pitch of lines in px, soft limit in nN, rate of debris; length of a cell of the
            wandering clock, s.
        ints: margin, pixels.
        work32, work64: of `scan_work`.
    """
    surface, material, relief = specimen
    tip, volume, window, table, fitted, fresh, tables = tips
    coefficient, command, creep, play, correction = moving
    loop_state, engaged = loops
    candidate, crashes, changes = events
    trace, retrace, wrong, wrong_back, phase, force, truth = images
    time_s, dose, exposures, path_m = accounts
    drift = drifting[5]
    margin, pixels = ints
    pixel, side = constants[5], surface.shape[1]
    half = window.shape[1] // 2
    width = pixels + 2 * LEAD
    strip_size = (2 * REACH + 1) * side
    strip = view1d(work32, 0, strip_size)
    bare = view1d(work32, strip_size, side - 2 * half)
    ideal = view1d(work32, strip_size + side, side - 2 * half)
    noise = view1d(work32, strip_size + 2 * side, work32.size - strip_size - 2 * side)
    out = view2d(work64, 8 * (width + 1), 5, width)
    places = view1d(work64, 0, width)
    borders = view1d(work64, width + 1, width + 1)
    grounds = view1d(work64, 2 * (width + 1), width + 1)
    stuff = view1d(work64, 3 * (width + 1), width)
    loop = view1d(work64, 8 * (width + 1) + 5 * width, len(LOOP))
    contact = probe[11] > 0.5
    spring, quality, free = probe[2], probe[3], probe[4]
    for k in range(rows.size):
        b = rows[k]
        rate = dials[b, 3]
        number = exposures[b]
        pixel_s = 0.5 / (rate * width)
        gain = dials[b, 1]
        ticks = ticks_of(pixel_s, hidden[b, 0], probe[5], gain)
        loop[0] = -dials[b, 0] / spring if contact else dials[b, 0] * free
        loop[1], loop[2], loop[3], loop[4] = gain, dials[b, 2], pixel_s / ticks, probe[5]
        loop[5], loop[6], loop[7], loop[8] = hidden[b, 0], hidden[b, 1], probe[8], probe[9]
        loop[9], loop[10] = probe[10], probe[6]
        loop[11] = probe[7] * np.sqrt(0.5 / (BANDWIDTH_HZ * loop[3]))
        reach = 0.5 * width * pixel
        y = (number + 0.5) * constants[6] * pixel - 0.5 * pixels * pixel
        y_true = move_piezo(
            0.5 / rate,
            command[b, 0],
            y,
            coefficient[b],
            constants[3],
            constants[4],
            creep[b, 0],
            play[b, 0],
        )
        command[b, 0] = y
        peak, mean, excess, bound = 0.0, 0.0, 0.0, 0
        crashed = crashes[b]
        changed = changes[b]
        for back in range(2):
            way = -1.0 if back else 1.0
            drift_for(b, 0.25 / rate, keys, drifting, constants)
            sweep_piezo(
                0.5 / rate,
                -way * reach,
                way * reach,
                coefficient[b],
                constants[3],
                constants[4],
                creep[b, 1],
                play[b, 1],
                places,
            )
            off_y = (drift[b, 0] - correction[b, 0]) / pixel
            off_x = (drift[b, 1] - correction[b, 1]) / pixel + margin + 0.5 * pixels - 0.5
            row = y_true / pixel + margin + 0.5 * pixels - 0.5 + off_y
            run_along(surface[b], row, window[b], relief[b], strip, bare)
            borders[0] = 2.0 * places[0] - places[1]
            for p in range(width):
                borders[p + 1] = places[p]
            above = min(max(int(row + 0.5), 0), side - 1)
            for p in range(width + 1):
                borders[p] = borders[p] / pixel + off_x
                grounds[p] = sample(bare, borders[p] - half) + drift[b, 2]
            for p in range(width):
                at = int(0.5 * (borders[p] + borders[p + 1]) + 0.5)
                stuff[p] = np.float64(material[b, above, min(max(at, 0), side - 1)])
            count = width * ticks
            thermal, detector = view1d(noise, 0, count), view1d(noise, count, count)
            tick = 2 * number + back
            if engaged[b]:
                s0, s1 = row_stream(keys, b, _MEASUREMENT, _THERMAL)
                fill_normal(s0, s1, tick, thermal)
                s0, s1 = row_stream(keys, b, _MEASUREMENT, _DETECTOR)
                fill_normal(s0, s1, tick, detector)
                scan_line(
                    grounds,
                    stuff,
                    table[b],
                    probe[0],
                    probe[1],
                    loop,
                    loop_state[b],
                    thermal,
                    detector,
                    out,
                )
            else:
                for p in range(width):
                    out[0, p], out[1, p] = loop_state[b, 4], free - loop[0]
                    out[2, p] = out[3, p] = out[4, p] = free
            if back == 0:
                run_along(surface[b], row, fresh, relief[b], strip, ideal)
                total, square, apart, both = 0.0, 0.0, 0.0, 0.0
                for p in range(pixels):
                    x, z = borders[p + LEAD], borders[p + LEAD + 1]
                    h = 0.5 * (sample(ideal, x - half) + sample(ideal, z - half))
                    truth[b, p] = np.float32(h)
                    e = out[0, p + LEAD] - drift[b, 2] - h
                    total += h
                    square += h * h
                    apart += e
                    both += e * e
                tally[b, 5] = np.sqrt(max(both / pixels - (apart / pixels) ** 2, 0.0))
                tally[b, 6] = max(square / pixels - (total / pixels) ** 2, 0.0)
            radius = apex_radius(tip[b, 0], tip[b, 2])
            hit, worn = 0.0, 0.0
            step_nm = 2.0 * reach / width
            for p in range(width):
                modulus = SOFTEST_GPA * exp64(LOG_MODULUS_STEP * stuff[p])
                if not engaged[b]:
                    f, share = 0.0, 0.0
                elif contact:
                    f, share = max(-out[3, p] * spring, 0.0), 1.0
                else:
                    f, share = peak_force(
                        out[4, p], out[3, p], modulus, radius, spring, quality, free
                    )
                hit = max(hit, f)
                worn += archard(hidden[b, 3], f * share, step_nm)
                mean += f * share
                excess += max(f - constants[7], 0.0)
                i = p - LEAD
                if 0 <= i < pixels:
                    i = pixels - 1 - i if back else i
                    bound += out[1, p] > 0.95 * (free - loop[0])
                    if back:
                        retrace[b, i] = np.float32(out[0, p])
                        wrong_back[b, i] = np.float32(out[1, p])
                        force[b, i] = max(force[b, i], np.float32(f))
                    else:
                        trace[b, i] = np.float32(out[0, p])
                        wrong[b, i] = np.float32(out[1, p])
                        force[b, i] = np.float32(f)
                        turn = 0.0
                        if not contact:
                            part = min(max(out[2, p] / free, -1.0), 1.0)
                            gap = out[0, p] - 0.5 * (grounds[p] + grounds[p + 1])
                            turn = np.sqrt(1.0 - part * part)
                            turn = turn if gap - out[2, p] < 0.165 else -turn
                        phase[b, i] = np.float32(turn)
            peak = max(peak, hit)
            volume[b] += worn
            tip[b, 2] = worn_height(volume[b], tip[b, 0])
            if hit > hidden[b, 2]:
                break_tip(b, keys, crashes, tip, volume)
            drift_for(b, 0.25 / rate, keys, drifting, constants)
            time_s[b] += 0.5 / rate
            push = hit / DEBRIS_FORCE_NN
            often = constants[8] * min(1.0 + push * push, MOST_RATE) if engaged[b] else 0.0
            s0, s1 = row_stream(keys, b, _EXOGENOUS, _EVENTS)
            until = time_s[b]
            most = constants[8] * MOST_RATE
            while next_event(s0, s1, until, often, most, candidate[b]) <= until:
                meet_debris(b, keys, changes, tip)
            refit(b, pixel, tables, tip, window, table, fitted)
        command[b, 1] = -reach
        tally[b, 0], tally[b, 1] = peak, mean / (2 * width)
        tally[b, 2] = excess / (2 * width)
        tally[b, 3], tally[b, 4] = crashes[b] - crashed, changes[b] - changed
        tally[b, 7] = bound / (2.0 * pixels)
        dose[b] += tally[b, 1] / rate
        exposures[b] = number + 1
        path_m[b] += 4.0 * reach * 1e-9


@kernel
def rest_rows(rows, corner, creep, play, command):
    """Put the scanners of the listed rows at rest where a frame begins."""
    for k in range(rows.size):
        b = rows[k]
        for axis in range(command.shape[1]):
            command[b, axis] = corner
            rest_piezo(corner, creep[b, axis], play[b, axis])
