"""The compiled steps of the tunnelling microscope: look, drag, condition, in each listed row.

Places on the surface are in nm from the middle of the field; the scanner's coordinates are those
plus the drift, less the drift that the scan frame has been moved by. The frame follows the field:
after every image it is set anew by what the image tells. What an operator commands and sees is in
the scanner's coordinates.
"""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.libm import exp64, log64
from microgym.physics import stm_tip
from microgym.physics.adatoms import hop_reach, pass_over, well_depth
from microgym.physics.drift import advance_drift, start_drift
from microgym.physics.noise import PROCESSES, fill_noise
from microgym.physics.tunnelling import scattered_density, track_line
from microgym.random import normal, row_stream, uniform
from microgym.specimens.adatom_fields import FIELD_NM, STEP_NM

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_WORLD, _EXOGENOUS, _MEASUREMENT = np.int64(0), np.int64(1), np.int64(2)
_DRIFT, _HOPS, _TIP = np.int64(0), np.int64(1), np.int64(2)
_TRACE, _PLACES, _IMAGE = np.int64(0), np.int64(1), np.int64(2)
# The number between is that of the readings of tips in `microgym.envs.stm.tip_task`.
_HUM, _FLICKER = np.int64(4), np.int64(5)
_CENTRE = 0.0

BANDS = 8
"""Parts of an image within which drift is taken as linear."""
TRACE = 64
"""Samples of the recorded current of one drag."""
PIXELS = 64
"""Edge of an image, px."""

PITCH_NM = 0.02
"""Length of a sample of a dragging path, nm."""
ADATOM_NM = 0.1
"""Apparent height of an adatom, nm."""
ADATOM_WIDTH_NM = 0.3
"""Width of its image, standard deviation, nm."""
RIPPLE = 0.02
"""Amplitude of the standing waves about an adatom, part of the density (design choice)."""

LOST, CRASHED, CHANGED = range(3)
"""Columns of the events of one action."""


@kernel
def start_rows(rows, keys, drifting, moving, tips, bent):
    """Draw drift and tips of new episodes.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        drifting: arrays of `DriftState`: velocity, settling, moved, wander, clock, drift.
        moving: mean drift in nm/s, mean distance to be settled in nm.
        tips: states, generations, traits.
        bent: numbers of `ApexParameters`, and the share of tips that are not sharp at the start.
    """
    states, generations, traits = tips
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, moving[0], moving[1], drifting)
        t0, t1 = row_stream(keys, b, _WORLD, _TIP)
        states[b], generations[b] = stm_tip.SHARP, 0
        if uniform(t0, t1, np.int64(0), 20) < bent[5]:
            others = len(stm_tip.STATES) - 1
            states[b] = 1 + int(others * uniform(t0, t1, np.int64(0), 21))
        stm_tip.draw_traits(t0, t1, np.int64(0), states[b], bent, traits[b])


@kernel
def _new_tip(b, cause, keys, tips, bent, u):
    """Change the tip of row b."""
    states, generations, traits = tips
    states[b] = stm_tip.next_state(states[b], cause, u)
    generations[b] += 1
    t0, t1 = row_stream(keys, b, _WORLD, _TIP)
    stm_tip.draw_traits(t0, t1, generations[b], states[b], bent, traits[b])


@kernel
def _pass_time(b, duration, keys, drifting, motion, ledger_time):
    """Let the clock and the drift of row b run."""
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
    pace = (motion[0], motion[1], motion[2], motion[3])
    advance_drift(b, s0, s1, duration, pace, drifting)
    ledger_time[b] += duration


@kernel
def _maybe_change(b, duration, current_pa, bias_v, keys, tips, bent, actions, events):
    """Let the tip of row b change by itself, or not, in a time under current."""
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _TIP)
    rate = stm_tip.change_rate(current_pa, bias_v, bent[4])
    if uniform(s0, s1, actions[b], 0) < 1.0 - exp64(-rate * duration):
        _new_tip(b, stm_tip.ITSELF, keys, tips, bent, uniform(s0, s1, actions[b], 1))
        events[b, CHANGED] = 1.0


@kernel
def look_rows(rows, keys, fields, drifting, seeing, tips, bent, counters, accounts, constants):
    """Take one image in each row: where adatoms seem to be, and how far the field has drifted.

    Lines run from low to high y. An adatom is seen where it is when the line that passes over it is
    written. The drift since the image before is measured in the middle of the image by the field's
    own marks, and the frame is moved by it; what is seen is told in the new frame.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        fields: places, present.
        drifting: arrays of `DriftState`.
        seeing: seen (N, A, 2), registered (N, 2), bands (N, BANDS + 1, 2), frame (N, 2); written.
        tips: states, generations, traits.
        bent: numbers of `ApexParameters` and one more.
        counters: actions and images so far, events (N, 3).
        accounts: time_s, dose, exposures, path_m.
        constants: settling time s, wandering nm, its time s, cell of its clock s; duration of an
            image s; noise of a place and of the registration nm; imaging current pA and bias V.
    """
    places, present = fields
    seen, registered, bands, frame = seeing
    traits = tips[2]
    actions, events = counters
    time_s, dose, exposures, path_m = accounts
    motion = (constants[0], constants[1], constants[2], constants[3])
    duration, noise, mark, current, bias = (
        constants[4],
        constants[5],
        constants[6],
        constants[7],
        constants[8],
    )
    drift = drifting[5]
    for k in range(rows.size):
        b = rows[k]
        m0, m1 = row_stream(keys, b, _MEASUREMENT, _PLACES)
        tick = exposures[b]
        # A blurred or restless tip finds places less well.
        blur = traits[b, stm_tip.BLUR] / ADATOM_WIDTH_NM
        flicker = traits[b, stm_tip.FLICKER] / 0.01
        spread = noise * np.sqrt(1.0 + 4.0 * blur * blur + flicker * flicker)
        for band in range(BANDS + 1):
            if band:
                _pass_time(b, duration / BANDS, keys, drifting, motion, time_s)
            for axis in range(2):
                bands[b, band, axis] = drift[b, axis] - frame[b, axis]
        for axis in range(2):
            middle = bands[b, BANDS // 2, axis]
            registered[b, axis] = middle + mark * normal(m0, m1, tick, axis)
            frame[b, axis] += registered[b, axis]
            for band in range(BANDS + 1):
                bands[b, band, axis] -= registered[b, axis]
        for atom in range(places.shape[1]):
            if not present[b, atom]:
                continue
            line = (places[b, atom, 1] / FIELD_NM + 0.5) * BANDS
            line = min(max(line, 0.0), BANDS - 1e-9)
            band = int(line)
            part = line - band
            for axis in range(2):
                shift = bands[b, band, axis] + part * (
                    bands[b, band + 1, axis] - bands[b, band, axis]
                )
                error = spread * normal(m0, m1, tick, 2 + 2 * atom + axis)
                seen[b, atom, axis] = places[b, atom, axis] + shift + error
        _maybe_change(b, duration, current, bias, keys, tips, bent, actions, events)
        exposures[b] += 1
        actions[b] += 1
        dose[b] += 1e-3 * current * duration
        path_m[b] += 1e-9 * 2.0 * PIXELS * FIELD_NM


@kernel
def _density(places, present, x, y, swell):
    """Density of states at a place, over that of the bare surface, far from every step."""
    density = 1.0
    for atom in range(places.shape[0]):
        if present[atom]:
            dx, dy = places[atom, 0] - x, places[atom, 1] - y
            square = dx * dx + dy * dy
            if square < 16.0 * ADATOM_WIDTH_NM * ADATOM_WIDTH_NM:
                density += swell * exp64(-0.5 * square / (ADATOM_WIDTH_NM * ADATOM_WIDTH_NM))
    return density


@kernel
def drag_rows(
    rows,
    starts,
    ends,
    bias_v,
    conductance,
    keys,
    fields,
    ground,
    drifting,
    tips,
    bent,
    frame,
    trace,
    counters,
    accounts,
    constants,
):
    """Lower the tip, move it along a line, lift it: in each row.

    The tip is held at the height at which the junction over an adatom has the conductance asked
    for. A step up in its way makes contact, as does a conductance that this tip cannot bear: it
    crashes, and goes no further.

    Args:
        rows: (k,) int64.
        starts, ends: (N, 2) float64, in the scanner's coordinates, nm.
        bias_v, conductance: (N,) float64, V and uS.
        keys: (N, 2) uint32.
        fields: sites, places, present.
        ground: steps, patches.
        drifting: arrays of `DriftState`.
        tips: states, generations, traits.
        bent: numbers of `ApexParameters` and one more.
        frame: (N, 2) float64, drift that the scan frame has been moved by, nm.
        trace: (N, TRACE) float64, written: current over the one that would flow with the adatom
            beneath the tip all the time.
        counters: actions so far, events (N, 3).
        accounts: time_s, dose, exposures, path_m.
        constants: settling time s, wandering nm, its time s, cell of its clock s; time to begin
            and end a drag s; speed of dragging nm/s; vibration nm; amplifier's noise pA; kappa
            1/nm; barrier eV, lattice nm, k T eV.
    """
    sites, places, present = fields
    steps, patches = ground
    traits = tips[2]
    actions, events = counters
    time_s, dose, _, path_m = accounts
    motion = (constants[0], constants[1], constants[2], constants[3])
    overhead, speed, vibration, amplifier = constants[4], constants[5], constants[6], constants[7]
    kappa = constants[8]
    bath = (constants[9], constants[10], constants[11])
    drift = drifting[5]
    swell = exp64(2.0 * kappa * ADATOM_NM) - 1.0
    for k in range(rows.size):
        b = rows[k]
        h0, h1 = row_stream(keys, b, _EXOGENOUS, _HOPS)
        m0, m1 = row_stream(keys, b, _MEASUREMENT, _TRACE)
        tick = actions[b]
        _pass_time(b, overhead, keys, drifting, motion, time_s)
        # Where the tip pulls, in the coordinates of the surface.
        from_x = starts[b, 0] - drift[b, 0] + frame[b, 0] + traits[b, stm_tip.OFFSET_X]
        from_y = starts[b, 1] - drift[b, 1] + frame[b, 1] + traits[b, stm_tip.OFFSET_Y]
        dx, dy = ends[b, 0] - starts[b, 0], ends[b, 1] - starts[b, 1]
        length = np.sqrt(dx * dx + dy * dy)
        count = max(int(np.ceil(length / PITCH_NM)), 1)
        duration = length / speed / count
        current = 1e6 * conductance[b] * bias_v[b]
        depth = well_depth(conductance[b], traits[b, stm_tip.STRENGTH])
        well = (depth, traits[b, stm_tip.WIDTH])
        reach = hop_reach(well, bath, _CENTRE, duration)
        # Fluctuations of the height multiply the current, the amplifier's add to it.
        restless = vibration + traits[b, stm_tip.FLICKER]
        grain = 2.0 * kappa * restless
        floor = amplifier / current
        crashed = conductance[b] > traits[b, stm_tip.CONTACT]
        dirty = False
        was_low = steps[b, 0] * from_x + steps[b, 1] * from_y < steps[b, 2]
        contact = conductance[b] * exp64(2.0 * kappa * STEP_NM) > traits[b, stm_tip.CONTACT]
        filled = 0
        done = 0
        while done < count and not crashed:
            part = (done + 1.0) / count
            tip = (from_x + part * dx, from_y + part * dy)
            if contact and was_low:
                crashed = steps[b, 0] * tip[0] + steps[b, 1] * tip[1] > steps[b, 2]
            index = done * 16 * sites.shape[1]
            pass_over(
                h0,
                h1,
                tick,
                index,
                sites[b],
                places[b],
                present[b],
                tip,
                well,
                bath,
                _CENTRE,
                duration,
                reach,
            )
            for p in range(patches.shape[1]):
                px, py = tip[0] - patches[b, p, 0], tip[1] - patches[b, p, 1]
                dirty = dirty or px * px + py * py < patches[b, p, 2] * patches[b, p, 2]
            done += 1
            wanted = TRACE * done // count
            if wanted > filled:
                level = _density(places[b], present[b], tip[0], tip[1], swell) / (1.0 + swell)
                while filled < wanted:
                    shaken = exp64(grain * normal(m0, m1, tick, filled))
                    hiss = floor * normal(m0, m1, tick, TRACE + filled)
                    trace[b, filled] = level * shaken + hiss
                    filled += 1
        while filled < TRACE:
            trace[b, filled] = 0.0
            filled += 1
        _pass_time(b, duration * done, keys, drifting, motion, time_s)
        _maybe_change(b, duration * done, current, bias_v[b], keys, tips, bent, actions, events)
        if crashed or dirty:
            events[b, CHANGED] = 1.0
            e0, e1 = row_stream(keys, b, _EXOGENOUS, _TIP)
            u = uniform(e0, e1, actions[b], 2)
            if crashed:
                events[b, CRASHED] = 1.0
                _new_tip(b, stm_tip.CRASH, keys, tips, bent, u)
            else:
                _foul(b, keys, tips, bent)
        for atom in range(sites.shape[1]):
            # At the foot or the brim of a step an adatom stays for good.
            away = steps[b, 0] * places[b, atom, 0] + steps[b, 1] * places[b, atom, 1] - steps[b, 2]
            if present[b, atom] and away > -0.3:
                present[b, atom] = False
                events[b, LOST] += 1.0
        actions[b] += 1
        dose[b] += 1e-3 * current * duration * done
        path_m[b] += 1e-9 * length


@kernel
def _foul(b, keys, tips, bent):
    """Contaminate the tip of row b."""
    states, generations, traits = tips
    states[b] = stm_tip.CONTAMINATED
    generations[b] += 1
    t0, t1 = row_stream(keys, b, _WORLD, _TIP)
    stm_tip.draw_traits(t0, t1, generations[b], states[b], bent, traits[b])


@kernel
def condition_rows(rows, dips_nm, pulses_v, keys, drifting, tips, bent, counters, accounts, pacing):
    """Dip or pulse the tip on a clean spot of the surface, in each row.

    Args:
        rows: (k,) int64.
        dips_nm, pulses_v: (N,) float64, depth of the dip, nm, and height of the pulse, V.
        keys: (N, 2) uint32.
        drifting: arrays of `DriftState`.
        tips: states, generations, traits.
        bent: numbers of `ApexParameters` and one more.
        counters: actions so far, events (N, 3).
        accounts: time_s, dose, exposures, path_m.
        pacing: settling time s, wandering nm, its time s, cell of its clock s; time of one
            conditioning s.
    """
    traits = tips[2]
    actions, events = counters
    motion = (pacing[0], pacing[1], pacing[2], pacing[3])
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _TIP)
        chance = stm_tip.change_probability(dips_nm[b], pulses_v[b], traits[b, stm_tip.HARDNESS])
        if uniform(s0, s1, actions[b], 0) < chance:
            if dips_nm[b] > 0.0:
                cause = stm_tip.GENTLE if dips_nm[b] <= 1.8 else stm_tip.DEEP
            else:
                cause = stm_tip.PULSE if abs(pulses_v[b]) < 8.0 else stm_tip.STRONG_PULSE
            _new_tip(b, cause, keys, tips, bent, uniform(s0, s1, actions[b], 1))
            events[b, CHANGED] = 1.0
        _pass_time(b, pacing[4], keys, drifting, motion, accounts[0])
        actions[b] += 1


@kernel
def wait_rows(rows, duration, keys, drifting, pacing, accounts):
    """Let time pass in each row: (N,) float64, s."""
    motion = (pacing[0], pacing[1], pacing[2], pacing[3])
    for k in range(rows.size):
        _pass_time(rows[k], duration[rows[k]], keys, drifting, motion, accounts[0])


@kernel
def _heights(places, present, across, y, step, swell, wave_number, kappa, lift, out):
    """Heights of constant current along a line, nm.

    Args:
        places, present: of one row.
        across: (n,) float64, x of each pixel, nm.
        y: of the line, nm.
        step: one row of the steps.
        swell: density over an adatom, less that of the bare surface.
        wave_number: of the surface state, 1/nm; 0 for no standing waves.
        kappa: 1/nm.
        lift: height of the step, nm.
        out: (n,) float64, written.
    """
    reach = 16.0 * ADATOM_WIDTH_NM * ADATOM_WIDTH_NM
    for j in range(across.size):
        out[j] = 1.0
    for atom in range(places.shape[0]):
        dy = places[atom, 1] - y
        if not present[atom] or dy * dy >= reach:
            continue
        for j in range(across.size):
            dx = places[atom, 0] - across[j]
            square = dx * dx + dy * dy
            bump = swell * exp64(-0.5 * square / (ADATOM_WIDTH_NM * ADATOM_WIDTH_NM))
            out[j] += bump if square < reach else 0.0
    for atom in range(places.shape[0]):
        dy = places[atom, 1] - y
        if not present[atom] or not wave_number > 0.0:
            continue
        for j in range(across.size):
            dx = places[atom, 0] - across[j]
            way = np.sqrt(dx * dx + dy * dy)
            out[j] -= RIPPLE * scattered_density(way, wave_number, 0.5 * np.pi)
    for j in range(across.size):
        above = step[0] * across[j] + step[1] * y - step[2]
        edge = 0.0 if above < -1e3 else lift / (1.0 + exp64(-above / 0.1))
        out[j] = log64(max(out[j], 0.05)) / (2.0 * kappa) + edge


def draw_work() -> tuple[Float64, Float64, Float64, Float64, Float64, Float32, Float32]:
    """Room for a line of an image, and for its noise."""
    lines = np.empty((4, PIXELS))
    draws, wander = np.empty(PROCESSES * PIXELS, np.float32), np.empty(PIXELS, np.float32)
    return lines[0], lines[1], lines[2], lines[3], np.empty(PROCESSES), draws, wander


@kernel
def draw_rows(rows, keys, fields, steps, bands, tips, exposures, image, optics, hum, work):
    """Draw the last image of each row: constant-current heights, line by line.

    Images are long against the slowest of the 1/f noise, so that each has noise of its own.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        fields: places, present.
        steps: (N, 3) float64.
        bands: (N, BANDS + 1, 2) float64, drift while the image was taken, nm.
        tips: states, generations, traits.
        exposures: (N,) int64, images so far.
        image: (N, PIXELS, PIXELS) float32, written, nm; first index from low to high y.
        optics: kappa 1/nm, vibration nm, feedback gain nm/s, time of a line s, wave number of the
            surface state 1/nm.
        hum: noise of the height beside the tip's vibration, see `microgym.physics.noise`: 1/f nm a
            decade, mains nm, Hz.
        work: of `draw_work`.
    """
    places, present = fields
    traits = tips[2]
    line, other, trace, across, slow, draws, wander = work
    kappa, vibration, gain, line_s, wave_number = optics
    flicker, mains, mains_hz = hum
    for k in range(rows.size):
        b = rows[k]
        m0, m1 = row_stream(keys, b, _MEASUREMENT, _IMAGE)
        n0, n1 = row_stream(keys, b, _MEASUREMENT, _FLICKER)
        h0, h1 = row_stream(keys, b, _MEASUREMENT, _HUM)
        for process in range(PROCESSES):
            slow[process] = normal(h0, h1, exposures[b], process)
        phase = 2.0 * np.pi * uniform(h0, h1, exposures[b], PROCESSES)
        first = exposures[b] * PIXELS
        ghost = traits[b, stm_tip.GHOST]
        # A blunt tip widens what it sees and flattens it, the volume stays.
        width = traits[b, stm_tip.BLUR] / ADATOM_WIDTH_NM
        swell = (exp64(2.0 * kappa * ADATOM_NM) - 1.0) / (1.0 + width * width)
        lead = 0.0
        restless = vibration + traits[b, stm_tip.FLICKER]
        for i in range(PIXELS):
            at = (i + 0.5) / PIXELS * BANDS
            band = min(int(at), BANDS - 1)
            part = at - band
            shift_x = bands[b, band, 0] + part * (bands[b, band + 1, 0] - bands[b, band, 0])
            shift_y = bands[b, band, 1] + part * (bands[b, band + 1, 1] - bands[b, band, 1])
            y = ((i + 0.5) / PIXELS - 0.5) * FIELD_NM - shift_y
            for j in range(PIXELS):
                across[j] = ((j + 0.5) / PIXELS - 0.5) * FIELD_NM - shift_x
            _heights(
                places[b],
                present[b],
                across,
                y,
                steps[b],
                swell,
                wave_number,
                kappa,
                STEP_NM,
                line,
            )
            if ghost > 0.0:
                for j in range(PIXELS):
                    across[j] = across[j] - traits[b, stm_tip.GHOST_X]
                _heights(
                    places[b],
                    present[b],
                    across,
                    y - traits[b, stm_tip.GHOST_Y],
                    steps[b],
                    swell * ghost,
                    _CENTRE,
                    kappa,
                    STEP_NM,
                    other,
                )
                for j in range(PIXELS):
                    line[j] = max(line[j], other[j])
            lead = track_line(line, line_s / PIXELS, gain, kappa, False, lead, trace)
            jump = restless * normal(m0, m1, first + i, 2 * PIXELS)
            for j in range(PIXELS):
                noise = restless * normal(m0, m1, first + i, j)
                image[b, i, j] = np.float32(trace[j] + noise + jump)
            if flicker > 0.0 or mains > 0.0:
                fill_noise(
                    n0,
                    n1,
                    first + i,
                    i * line_s,
                    line_s / PIXELS,
                    0.0,
                    flicker,
                    mains,
                    mains_hz,
                    phase,
                    slow,
                    wander,
                    draws,
                )
                for j in range(PIXELS):
                    image[b, i, j] += wander[j]
