"""Kernels of the piezoresponse force microscope: a bias pulse, an image, a hysteresis loop.

Arguments of the same name are the same everywhere: `rows`, (k,) int64, and `b`, rows of the state;
`parameters` and `state`, `PFMParameters` and `PFMState` of `microgym.instruments.pfm.state`;
`beta`, `mobility` and `field`, coefficients of the lattice; `work`, (`pfm_work(size, sigma)`,)
float32.
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import copy_plane, view1d, view2d
from microgym.numerics.libm import exponential
from microgym.physics.drift import let_drift, start_drift
from microgym.physics.ferroelectric import (
    LatticeConstants,
    add_tip_field,
    creep_steps,
    evolve,
    evolve_work,
    respond,
    respond_work,
)
from microgym.random import (
    EXOGENOUS,
    MEASUREMENT,
    WORLD,
    draw_normal,
    draw_uniform,
    fill_normal,
    row_stream,
)
from microgym.random.streams import PFMExogenous, PFMMeasurement, PFMWorld
from microgym.specimens.ferroelectrics import DEAD_PART

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
BEARABLE_SPREAD = 0.1
"""Relative half range of the bias that a film bears (design choice)."""
LOOP_STEPS = 5
"""Lattice steps at each bias of a hysteresis loop (design choice)."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_STRENGTH = np.int64(PFMWorld.STRENGTH)
_DRIFT, _HEAT = np.int64(PFMExogenous.DRIFT), np.int64(PFMExogenous.HEAT)
_BREAKDOWN = np.int64(PFMExogenous.BREAKDOWN)
_NOISE, _OFFSET = np.int64(PFMMeasurement.NOISE), np.int64(PFMMeasurement.OFFSET)
_ZERO = np.int64(0)


def pfm_work(size: int, sigma: float) -> int:
    """Length of the float32 work array of these kernels."""
    return 5 * size * size + max(evolve_work(size, size), respond_work(size, size, sigma))


@inline_kernel
def _planes(work, size):
    """Parts of the work array: beta, mobility and field, two more planes, and the rest."""
    area = size * size
    beta, mobility = view2d(work, 0, size, size), view2d(work, area, size, size)
    field, first = view2d(work, 2 * area, size, size), view2d(work, 3 * area, size, size)
    return beta, mobility, field, first, view2d(work, 4 * area, size, size), work[5 * area :]


@kernel
def _prepare(b, parameters, state, beta, mobility, field):
    """Write the coefficients of row b's film at the strength of its disorder, without any tip."""
    scale, dead = np.float32(state.strength[b]), np.float32(DEAD_PART * state.strength[b])
    size = beta.shape[0]
    for i in range(size):
        soft, wall, prefers = state.bond[b, i], state.barrier[b, i], state.imprint[b, i]
        well, moves, drive = beta[i], mobility[i], field[i]
        for j in range(size):
            # Random bond: the depth of the double well.
            well[j] = parameters.beta * (np.float32(1.0) + scale * soft[j])
            # Dead sites do not move.
            moves[j] = np.float32(0.0) if wall[j] < dead else np.float32(1.0)
            # Random field: the preferred direction.
            drive[j] = scale * prefers[j]


@kernel
def _evolve(b, steps, parameters, state, beta, mobility, field, work):
    """Let row b's lattice evolve for some steps."""
    tick, lattice = state.ticks[b], parameters.lattice
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _HEAT)
    evolve(s0, s1, tick, steps, lattice, beta, mobility, field, state.p[b], work)
    state.ticks[b] += steps


@kernel
def _rest(b, seconds, parameters, state, beta, mobility, field, work):
    """Back-switching of row b: relaxation by the logarithm of the time since the last pulse."""
    before = np.floor(creep_steps(state.rested_s[b], REST_UNIT_S, REST_STEPS))
    state.rested_s[b] += seconds
    after = np.floor(creep_steps(state.rested_s[b], REST_UNIT_S, REST_STEPS))
    _evolve(b, int(after - before), parameters, state, beta, mobility, field, work)


@kernel
def reset_rows(rows, parameters, state, work):
    """Put new films at rest in the lower state, and new tips at the centre.

    Args:
        state: zero but for film, keys and positions.
    """
    size = state.p.shape[1]
    beta, mobility, field, _, _, rest = _planes(work, size)
    for b in rows:
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, parameters.rates, state.drift)
        # Bias that the film bears: uniform within a tenth of its mean.
        s0, s1 = row_stream(state.keys, b, WORLD, _STRENGTH)
        spread = BEARABLE_SPREAD * (2.0 * draw_uniform(s0, s1, _ZERO, _ZERO) - 1.0)
        state.bearable_v[b] = parameters.bearable_v * (1.0 + spread)
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _OFFSET)
        state.offset[b] = parameters.electrostatic * draw_normal(s0, s1, _ZERO, _ZERO)
        # The film is poled down and comes to rest.
        _prepare(b, parameters, state, beta, mobility, field)
        for i in range(size):
            polarisation, moves = state.p[b, i], mobility[i]
            for j in range(size):
                polarisation[j] = -moves[j]
        _evolve(b, START_STEPS, parameters, state, beta, mobility, field, rest)


@kernel
def pulse_rows(rows, places, volts, seconds, parameters, state, work):
    """Move the tip and give one bias pulse in each of the listed rows.

    Args:
        places: (N, 2) float64, commanded (y, x), cells.
        volts: (N,) float64, bias of the tip.
        seconds: (N,) float64, length of the pulse.
    """
    size = state.p.shape[1]
    beta, mobility, field, _, _, rest = _planes(work, size)
    command, place, origin, held = state.command, state.place, state.origin, state.held
    ledger = state.ledger
    for b in rows:
        # The tip moves; meanwhile the film switches back and the tip drifts.
        dy, dx = places[b, 0] - command[b, 0], places[b, 1] - command[b, 1]
        distance = np.sqrt(dy * dy + dx * dx)
        command[b, 0], command[b, 1] = places[b, 0], places[b, 1]
        before = distance / parameters.speed_cells_s + parameters.dead_time_s
        _prepare(b, parameters, state, beta, mobility, field)
        _rest(b, before, parameters, state, beta, mobility, field, rest)
        let_drift(b, _DRIFT, before, parameters, state)
        drift = state.drift.drift
        place[b, 0], place[b, 1] = command[b, 0] + drift[b, 0], command[b, 1] + drift[b, 1]
        bias, length = volts[b], seconds[b]
        # A pulse of the same sign at the same place goes on where the last one stopped.
        dy, dx = place[b, 0] - origin[b, 0], place[b, 1] - origin[b, 1]
        same = dy * dy + dx * dx < SAME_PLACE * SAME_PLACE and held[b, 0] * bias > 0.0
        if not same:
            held[b, 1] = 0.0
            origin[b, 0], origin[b, 1] = place[b, 0], place[b, 1]
        held[b, 0] = 1.0 if bias > 0.0 else (-1.0 if bias < 0.0 else 0.0)
        # Lattice time is the logarithm of the time of the pulse.
        done = np.floor(creep_steps(held[b, 1], PULSE_UNIT_S, PULSE_STEPS))
        held[b, 1] += length
        steps = int(np.floor(creep_steps(held[b, 1], PULSE_UNIT_S, PULSE_STEPS)) - done)
        if bias != 0.0:
            # The bias drives the lattice through the field of the tip's charge.
            d = parameters.tip_cells * (1.0 + state.wear[b])
            add_tip_field(place[b, 0], place[b, 1], parameters.field_per_v * bias, d, field)
            _evolve(b, steps, parameters, state, beta, mobility, field, rest)
            state.rested_s[b] = 0.0
        let_drift(b, _DRIFT, length, parameters, state)
        # The tip wears as the square of the bias.
        state.wear[b] += parameters.wear_per_pulse * (0.1 * bias) * (0.1 * bias)
        # Breakdown: a hazard that grows linearly above the bearable bias.
        excess = abs(bias) - state.bearable_v[b]
        if excess > 0.0:
            s0, s1 = row_stream(state.keys, b, EXOGENOUS, _BREAKDOWN)
            survival = exponential(-parameters.breakdowns_per_v * excess)
            if draw_uniform(s0, s1, ledger.exposures[b], _ZERO) > survival:
                state.broken[b] = 1
                _destroy(place[b, 0], place[b, 1], state.barrier[b], state.p[b])
        ledger.time_s[b] += before + length
        ledger.dose[b] += abs(bias) * length
        ledger.exposures[b] += 1
        ledger.path_m[b] += distance * parameters.cell_m


@kernel
def _destroy(y, x, barrier, p):
    """Destroy the film within a crater around a place."""
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            if (i - y) * (i - y) + (j - x) * (j - x) <= CRATER * CRATER:
                barrier[i, j], p[i, j] = np.float32(-1.0), np.float32(0.0)


@kernel
def scan_rows(rows, parameters, state, work):
    """Take an image in each of the listed rows, line by line while the tip drifts.

    Reading disturbs the polarisation.
    """
    size = state.p.shape[1]
    beta, mobility, field, seen, noise, rest = _planes(work, size)
    draws = view1d(noise, 0, size * size)
    line_s = parameters.image_s / size
    for b in rows:
        # The contact potential of the reading tip acts on every cell while the film rests.
        _prepare(b, parameters, state, beta, mobility, field)
        for i in range(size):
            drive = field[i]
            for j in range(size):
                drive[j] += READ_FIELD
        _rest(b, parameters.image_s, parameters, state, beta, mobility, field, rest)
        # The response is the polarisation blurred by the tip, at most twice worn.
        respond(state.p[b], parameters.response_cells * min(1.0 + state.wear[b], 2.0), seen, rest)
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _NOISE)
        fill_normal(s0, s1, state.images[b], draws)
        state.images[b] += 1
        for i in range(size):
            let_drift(b, _DRIFT, line_s, parameters, state)
            drift = state.drift.drift
            _scan_line(i, drift[b, 0], drift[b, 1], seen, state.image[b, i])
            row, white = state.image[b, i], noise[i]
            # Read-out: an electrostatic offset, and white noise.
            for j in range(size):
                row[j] += np.float32(state.offset[b]) + np.float32(parameters.noise) * white[j]
        state.wear[b] += parameters.wear_per_image
        state.ledger.time_s[b] += parameters.image_s
        state.ledger.path_m[b] += 2.0 * size * size * parameters.cell_m


@kernel
def _scan_line(i, dy, dx, seen, out):
    """Sample one scan line of a film that has drifted, by linear interpolation."""
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
def loop_rows(rows, spots, disturb, parameters, points, state, found, work):
    """Take a hysteresis loop with the tip at one place in each of the listed rows.

    The bias goes up, down, up again and back to nothing; the branches of the full cycle count.

    Args:
        spots: (N, 2) float64, commanded (y, x), cells.
        disturb: whether the loop takes time and the film stays as the loop leaves it; if not, the
            loop is taken on a copy and without thermal noise.
        points: biases of a quarter of the loop.
        found: (N, 2) float64, written: biases, V, at which the response changes sign on the way up
            and on the way down; the largest bias where it does not.
    """
    beta, mobility, field, q, drive, rest = _planes(work, state.p.shape[1])
    kappa, depolarisation, dt, noise = parameters.lattice
    calm = LatticeConstants(kappa, depolarisation, dt, noise if disturb else np.float32(0.0))
    highest = parameters.loop_v
    for b in rows:
        _prepare(b, parameters, state, beta, mobility, field)
        drift = state.drift.drift
        y, x = spots[b, 0] + drift[b, 0], spots[b, 1] + drift[b, 1]
        # A worn tip reaches farther and reads a wider spot.
        sharp = 1.0 + state.wear[b]
        d, sigma = parameters.tip_cells * sharp, parameters.response_cells * min(sharp, 2.0)
        copy_plane(state.p[b], q)
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _HEAT)
        tick = state.ticks[b]
        found[b, 0], found[b, 1] = highest, -highest
        before, volts, rising = 0.0, 0.0, 0.0
        for point in range(6 * points):
            # Triangular sweep of the bias, six quarters long.
            last = volts
            quarter = point // points
            part = (point - quarter * points + 1) / points
            end = -highest if quarter == 2 or quarter == 3 else highest
            volts = end * (part if quarter % 2 == 0 else 1.0 - part)
            copy_plane(field, drive)
            if volts != 0.0:
                add_tip_field(y, x, parameters.field_per_v * volts, d, drive)
            evolve(s0, s1, tick, LOOP_STEPS, calm, beta, mobility, drive, q, rest)
            tick += LOOP_STEPS
            # Coercive bias: where the response changes sign, between points linearly.
            seen = _response_at(y, x, sigma, q)
            rising = volts - last
            crossed = (before < 0.0) != (seen < 0.0)
            if point > points and crossed and 1 <= quarter <= 4:
                at = last + rising * before / (before - seen)
                found[b, 0 if rising > 0.0 else 1] = at
            before = seen
        if disturb:
            copy_plane(q, state.p[b])
            state.ticks[b] = tick
            let_drift(b, _DRIFT, parameters.loop_s, parameters, state)
            state.ledger.time_s[b] += parameters.loop_s
            state.rested_s[b] = 0.0


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
            w = exponential(-0.5 * r2 / (sigma * sigma))
            total += w * p[i, j]
            weight += w
    return total / max(weight, 1e-12)
