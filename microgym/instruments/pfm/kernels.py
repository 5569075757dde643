"""The compiled steps of the piezoresponse force microscope: a bias pulse, an image, a loop."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import copy_plane, view2d
from microgym.numerics.libm import exp64
from microgym.physics.drift import advance_drift, start_drift
from microgym.physics.ferroelectric import (
    add_tip_field,
    creep_steps,
    evolve,
    evolve_work,
    respond,
    respond_work,
)
from microgym.physics.stage import CELL_S
from microgym.random import fill_normal, normal, row_stream, uniform
from microgym.specimens.ferroelectrics import DEAD_PART

Plane = NDArray[np.float32]
Rows = NDArray[np.int64]

PULSE_UNIT_S = 1e-4
"""Time from which domains grow with the logarithm of the pulse, s: the shortest pulse."""
PULSE_STEPS = 20.0 / 4.61512051684126
"""Lattice steps that belong to a factor e of pulse time, such that 10 ms are 20 steps."""
REST_UNIT_S = 0.1
"""Time from which back-switching goes with the logarithm of time, s: relaxations after an
interrupted pulse take about 100 ms."""
REST_STEPS = 3.0
"""Lattice steps of back-switching that belong to a factor e of time (design choice)."""
START_STEPS = 200
"""Lattice steps in which a new film comes to rest (design choice)."""
READ_FIELD = np.float32(-0.03)
"""Field of the reading tip's contact potential on every cell, reduced units (design choice)."""
CRATER = 2.5
"""Radius of what a breakdown destroys, cells (design choice)."""
SAME_PLACE = 1.0
"""Pulses of one sign that fall within this of each other, in cells, go on where the last one
stopped: many short pulses do what a long one does (design choice)."""
LOOP_STEPS = 5
"""Lattice steps at each bias of a hysteresis loop (design choice)."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_WORLD, _EXOGENOUS, _MEASUREMENT = np.int64(0), np.int64(1), np.int64(2)
_DRIFT, _HEAT, _BREAKDOWN = np.int64(0), np.int64(1), np.int64(2)
_NOISE, _OFFSET, _READING = np.int64(0), np.int64(1), np.int64(2)
_STRENGTH = np.int64(31)
_ZERO = np.int64(0)


def poling_work(size: int, sigma: float) -> int:
    """Length of the float32 work array of these kernels."""
    return 5 * size * size + max(evolve_work(size, size), respond_work(size, size, sigma))


@kernel
def _uniform(s0, s1, tick):
    return uniform(s0, s1, tick, _ZERO)


@kernel
def _normal(s0, s1, tick):
    return normal(s0, s1, tick, _ZERO)


@kernel
def _exp(x):
    return exp64(x)


@kernel
def _drift_for(b, duration, keys, drifting, motion):
    """Let the tip of row b drift over the film for a time."""
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
    advance_drift(b, s0, s1, duration, (motion[0], motion[1], motion[2], CELL_S), drifting)


@kernel
def _prepare(b, film, beta, mobility, field):
    """The coefficients of row b's film at the strength that its disorder has, without any tip."""
    imprint, bond, barrier, strength, base = film
    scale, dead = np.float32(strength[b]), np.float32(DEAD_PART * strength[b])
    size = imprint.shape[1]
    for i in range(size):
        soft, wall, prefers = bond[b, i], barrier[b, i], imprint[b, i]
        well, moves, drive = beta[i], mobility[i], field[i]
        for j in range(size):
            well[j] = base * (np.float32(1.0) + scale * soft[j])
            moves[j] = np.float32(0.0) if wall[j] < dead else np.float32(1.0)
            drive[j] = scale * prefers[j]


@kernel
def _rest(b, seconds, keys, rested_s, ticks, constants, beta, mobility, field, p, work):
    """Back-switching of row b while the tip does nothing."""
    before = np.floor(creep_steps(rested_s[b], REST_UNIT_S, REST_STEPS))
    rested_s[b] += seconds
    after = np.floor(creep_steps(rested_s[b], REST_UNIT_S, REST_STEPS))
    steps = int(after - before)
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _HEAT)
    evolve(s0, s1, ticks[b], steps, constants, beta, mobility, field, p[b], work)
    ticks[b] += steps


@kernel
def start_rows(rows, keys, p, film, drifting, tip, motion, limits, constants, ticks, work):
    """Put new films at rest in the lower state, and new tips at the centre.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        p: (N, size, size) float32, written.
        film: imprint, bond, barrier (N, size, size), strength (N,), quartic coefficient.
        drifting: `DriftState.arrays`, in cells.
        tip: wear, strongest bias that a film bears and offset of the read-out, (N,) float64.
        motion: settling time, wander size, wander time, drift speed, settling size.
        limits: mean of the strongest bias, its relative spread, standard deviation of the offset.
        constants: `LatticeParameters.constants`.
        ticks: (N,) int64, written.
        work: (`poling_work(size, sigma)`,) float32.
    """
    wear, bearable, offset = tip
    size = p.shape[1]
    area = size * size
    beta = view2d(work, 0, size, size)
    mobility = view2d(work, area, size, size)
    field = view2d(work, 2 * area, size, size)
    rest = work[5 * area :]
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, motion[3], motion[4], drifting)
        wear[b] = 0.0
        s0, s1 = row_stream(keys, b, _WORLD, _STRENGTH)
        bearable[b] = limits[0] * (1.0 + limits[1] * (2.0 * _uniform(s0, s1, _ZERO) - 1.0))
        s0, s1 = row_stream(keys, b, _MEASUREMENT, _OFFSET)
        offset[b] = limits[2] * _normal(s0, s1, _ZERO)
        _prepare(b, film, beta, mobility, field)
        for i in range(size):
            state, moves = p[b, i], mobility[i]
            for j in range(size):
                state[j] = -moves[j]
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _HEAT)
        evolve(s0, s1, _ZERO, START_STEPS, constants, beta, mobility, field, p[b], rest)
        ticks[b] = START_STEPS


@kernel
def pulse_rows(
    rows, places, volts, seconds, keys, p, film, drifting, tip, clocks, accounts, constants,
    optics, motion, work,
):  # fmt: skip
    """Move the tip and give one bias pulse in each of the listed rows.

    Args:
        rows: (k,) int64.
        places: (N, 2) float64, commanded (y, x), cells.
        volts: (N,) float64, bias of the tip.
        seconds: (N,) float64, length of the pulse.
        keys: (N, 2) uint32.
        p: (N, size, size) float32, updated.
        film: as for `start_rows`.
        drifting: as for `start_rows`.
        tip: command and true place (N, 2), wear, bearable bias, sign and time of the pulses held at
            one place, place where they began (N, 2), whether the film has broken down (N,) uint8.
        clocks: time since the last pulse (N,) float64, lattice steps (N,) int64.
        accounts: time_s, dose, exposures, path_m.
        constants: `LatticeParameters.constants`.
        optics: field a volt, height d of the tip's charge, dead time, speed, cell in m, wear a
            pulse at 10 V, breakdowns a volt above the bearable bias.
        motion: as for `start_rows`.
        work: (`poling_work(size, sigma)`,) float32.
    """
    command, place, wear, bearable, held, origin, broken = tip
    rested_s, ticks = clocks
    time_s, dose, exposures, path_m = accounts
    drift = drifting[5]
    size = p.shape[1]
    area = size * size
    beta = view2d(work, 0, size, size)
    mobility = view2d(work, area, size, size)
    field = view2d(work, 2 * area, size, size)
    rest = work[5 * area :]
    for k in range(rows.size):
        b = rows[k]
        dy, dx = places[b, 0] - command[b, 0], places[b, 1] - command[b, 1]
        way = np.sqrt(dy * dy + dx * dx)
        command[b, 0], command[b, 1] = places[b, 0], places[b, 1]
        before = way / optics[3] + optics[2]
        _prepare(b, film, beta, mobility, field)
        _rest(b, before, keys, rested_s, ticks, constants, beta, mobility, field, p, rest)
        _drift_for(b, before, keys, drifting, motion)
        place[b, 0], place[b, 1] = command[b, 0] + drift[b, 0], command[b, 1] + drift[b, 1]
        bias, length = volts[b], seconds[b]
        dy, dx = place[b, 0] - origin[b, 0], place[b, 1] - origin[b, 1]
        same = dy * dy + dx * dx < SAME_PLACE * SAME_PLACE and held[b, 0] * bias > 0.0
        if not same:
            held[b, 1] = 0.0
            origin[b, 0], origin[b, 1] = place[b, 0], place[b, 1]
        held[b, 0] = 1.0 if bias > 0.0 else (-1.0 if bias < 0.0 else 0.0)
        done = np.floor(creep_steps(held[b, 1], PULSE_UNIT_S, PULSE_STEPS))
        held[b, 1] += length
        steps = int(np.floor(creep_steps(held[b, 1], PULSE_UNIT_S, PULSE_STEPS)) - done)
        if bias != 0.0:
            d = optics[1] * (1.0 + wear[b])
            add_tip_field(place[b, 0], place[b, 1], optics[0] * bias, d, field)
            s0, s1 = row_stream(keys, b, _EXOGENOUS, _HEAT)
            evolve(s0, s1, ticks[b], steps, constants, beta, mobility, field, p[b], rest)
            ticks[b] += steps
            rested_s[b] = 0.0
        _drift_for(b, length, keys, drifting, motion)
        wear[b] += optics[5] * (0.1 * bias) * (0.1 * bias)
        excess = abs(bias) - bearable[b]
        if excess > 0.0:
            s0, s1 = row_stream(keys, b, _EXOGENOUS, _BREAKDOWN)
            if _uniform(s0, s1, exposures[b]) > _exp(-optics[6] * excess):
                broken[b] = 1
                _destroy(place[b, 0], place[b, 1], film[2][b], p[b])
        time_s[b] += before + length
        dose[b] += abs(bias) * length
        exposures[b] += 1
        path_m[b] += way * optics[4]


@kernel
def _destroy(y, x, barrier, p):
    """Burn a hole into the film."""
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            if (i - y) * (i - y) + (j - x) * (j - x) <= CRATER * CRATER:
                barrier[i, j], p[i, j] = np.float32(-1.0), np.float32(0.0)


@kernel
def image_rows(
    rows, keys, p, film, drifting, tip, clocks, accounts, constants, optics, motion, image, work
):
    """Take an image in each of the listed rows, line by line while the tip drifts.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        p: (N, size, size) float32, updated: reading disturbs.
        film: as for `start_rows`.
        drifting: as for `start_rows`.
        tip: wear, offset, (N,) float64.
        clocks: time since the last pulse (N,) float64, lattice steps (N,) int64, images (N,) int64.
        accounts: time_s, dose, exposures, path_m.
        constants: `LatticeParameters.constants`.
        optics: standard deviation of the response of a sharp tip, cells; time of an image, cell in
            m, wear an image, standard deviation of the noise.
        motion: as for `start_rows`.
        image: (N, size, size) float32, written.
        work: (`poling_work(size, sigma)`,) float32.
    """
    wear, offset = tip
    rested_s, ticks, images = clocks
    time_s, _, _, path_m = accounts
    drift = drifting[5]
    size = p.shape[1]
    area = size * size
    beta = view2d(work, 0, size, size)
    mobility = view2d(work, area, size, size)
    field = view2d(work, 2 * area, size, size)
    seen = view2d(work, 3 * area, size, size)
    noise = work[4 * area : 5 * area]
    rest = work[5 * area :]
    line_s = optics[1] / size
    for k in range(rows.size):
        b = rows[k]
        _prepare(b, film, beta, mobility, field)
        for i in range(size):
            drive = field[i]
            for j in range(size):
                drive[j] += READ_FIELD
        _rest(b, optics[1], keys, rested_s, ticks, constants, beta, mobility, field, p, rest)
        respond(p[b], optics[0] * min(1.0 + wear[b], 2.0), seen, rest)
        s0, s1 = row_stream(keys, b, _MEASUREMENT, _NOISE)
        fill_normal(s0, s1, images[b], noise)
        images[b] += 1
        for i in range(size):
            _drift_for(b, line_s, keys, drifting, motion)
            _scan_line(i, drift[b, 0], drift[b, 1], seen, image[b, i])
            row, draws = image[b, i], noise[i * size : (i + 1) * size]
            for j in range(size):
                row[j] += np.float32(offset[b]) + np.float32(optics[4]) * draws[j]
        wear[b] += optics[3]
        time_s[b] += optics[1]
        path_m[b] += 2.0 * area * optics[2]


@kernel
def _scan_line(i, dy, dx, seen, out):
    """What a line of the scan meets on a film that has drifted, between cells linearly."""
    size = seen.shape[0]
    y = min(max(i + dy, 0.0), size - 1.001)
    top = int(y)
    v = np.float32(y - top)
    for j in range(size):
        x = min(max(j + dx, 0.0), size - 1.001)
        left = int(x)
        u = np.float32(x - left)
        upper = seen[top, left] + u * (seen[top, left + 1] - seen[top, left])
        lower = seen[top + 1, left] + u * (seen[top + 1, left + 1] - seen[top + 1, left])
        out[j] = upper + v * (lower - upper)


@kernel
def loop_rows(
    rows, spots, disturb, keys, p, film, drift, wear, ticks, constants, optics, points, found, work
):
    """Take a hysteresis loop with the tip at one place in each of the listed rows.

    The bias goes up, down, up again and back to nothing; the branches of the full cycle count.

    Args:
        rows: (k,) int64.
        spots: (N, 2) float64, commanded (y, x), cells.
        disturb: whether the film stays as the loop leaves it; if not, the loop is taken on a copy
            and without thermal noise.
        keys: (N, 2) uint32.
        p: (N, size, size) float32.
        film: as for `start_rows`.
        drift: (N, 2) float64, cells.
        wear: (N,) float64.
        ticks: (N,) int64, lattice steps, updated where it disturbs.
        constants: `LatticeParameters.constants`.
        optics: field a volt, height d of the tip's charge, standard deviation of the response, in
            cells, and the largest bias, V.
        points: biases of a quarter of the loop.
        found: (N, 2) float64, written: biases, V, at which the response changes sign on the way up
            and on the way down; the largest bias where it does not.
        work: (`poling_work(size, sigma)`,) float32.
    """
    size = p.shape[1]
    area = size * size
    beta = view2d(work, 0, size, size)
    mobility = view2d(work, area, size, size)
    field = view2d(work, 2 * area, size, size)
    q = view2d(work, 3 * area, size, size)
    drive = view2d(work, 4 * area, size, size)
    rest = work[5 * area :]
    kappa, depolarisation, dt, noise = constants
    calm = (kappa, depolarisation, dt, noise if disturb else np.float32(0.0))
    highest = optics[3]
    for k in range(rows.size):
        b = rows[k]
        _prepare(b, film, beta, mobility, field)
        y, x = spots[b, 0] + drift[b, 0], spots[b, 1] + drift[b, 1]
        sharp = 1.0 + wear[b]
        d, sigma = optics[1] * sharp, optics[2] * min(sharp, 2.0)
        copy_plane(p[b], q)
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _HEAT)
        tick = ticks[b]
        found[b, 0], found[b, 1] = highest, -highest
        before, volts, rising = 0.0, 0.0, 0.0
        for point in range(6 * points):
            last = volts
            quarter = point // points
            part = (point - quarter * points + 1) / points
            if quarter == 0 or quarter == 4:
                volts = highest * part
            elif quarter == 1 or quarter == 5:
                volts = highest * (1.0 - part)
            elif quarter == 2:
                volts = -highest * part
            else:
                volts = -highest * (1.0 - part)
            copy_plane(field, drive)
            if volts != 0.0:
                add_tip_field(y, x, optics[0] * volts, d, drive)
            evolve(s0, s1, tick, LOOP_STEPS, calm, beta, mobility, drive, q, rest)
            tick += LOOP_STEPS
            seen = _response_at(y, x, sigma, q)
            rising = volts - last
            crossed = (before < 0.0) != (seen < 0.0)
            if point > points and crossed and 1 <= quarter <= 4:
                at = last + rising * before / (before - seen)
                found[b, 0 if rising > 0.0 else 1] = at
            before = seen
        if disturb:
            copy_plane(q, p[b])
            ticks[b] = tick


@kernel
def _response_at(y, x, sigma, p):
    """Polarisation seen by the tip at one place: a Gaussian cut off at three deviations."""
    size = p.shape[0]
    reach = int(3.0 * sigma) + 1
    top, bottom = max(int(y) - reach, 0), min(int(y) + reach + 2, size)
    left, right = max(int(x) - reach, 0), min(int(x) + reach + 2, size)
    total, weight = 0.0, 0.0
    for i in range(top, bottom):
        for j in range(left, right):
            r2 = (i - y) * (i - y) + (j - x) * (j - x)
            w = _exp(-0.5 * r2 / (sigma * sigma))
            total += w * p[i, j]
            weight += w
    return total / max(weight, 1e-12)


@kernel
def pass_rows(rows, seconds, keys, drifting, motion):
    """Let the tips of the listed rows drift for a time."""
    for k in range(rows.size):
        _drift_for(rows[k], seconds, keys, drifting, motion)
