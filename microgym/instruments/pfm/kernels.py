"""Kernels of the piezoresponse force microscope: a new film, a bias pulse, an image.

Arguments are those of `microgym.instruments.pfm.film_kernels`.
"""

import numpy as np

from microgym.instruments.pfm.film_kernels import (
    drive,
    evolve_row,
    let_rest,
    planes,
    prepare,
    tip_field,
)
from microgym.jit import kernel
from microgym.numerics.array_views import view1d
from microgym.numerics.libm import log64
from microgym.physics.drift import let_drift, start_drift
from microgym.physics.ferroelectric import driven_reach, respond
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

READ_STEPS = np.float32(4.0)
"""Lattice steps that an image takes beside the rest of that time (design choice)."""
START_STEPS, START_S = 80, np.float32(1e3)
"""Lattice steps in which a new film comes to rest, and its time at rest, s (design choices)."""
READ_FIELD = np.float32(-0.03)
"""Field of the reading tip's contact potential on every cell, reduced units (design choice)."""
CRATER = 2.5
"""Radius of what a breakdown destroys, cells (design choice)."""
BEARABLE_SPREAD = 0.1
"""Relative half range of the bias that a film bears (design choice)."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_STRENGTH = np.int64(PFMWorld.STRENGTH)
_DRIFT, _BREAKDOWN = np.int64(PFMExogenous.DRIFT), np.int64(PFMExogenous.BREAKDOWN)
_NOISE, _OFFSET = np.int64(PFMMeasurement.NOISE), np.int64(PFMMeasurement.OFFSET)
_ZERO = np.int64(0)
_CALM = np.float32(0.0)


@kernel
def reset_rows(rows, parameters, state, work):
    """Bring new films to rest, and put new tips at the centre.

    Args:
        state: zero but for film, polarisation, keys and positions.
    """
    size = state.p.shape[1]
    beta, mobility, field, _, _, rest = planes(work, size)
    for b in rows:
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, parameters.rates, state.drift)
        # Bias that the film bears: uniform within a tenth of its mean.
        s0, s1 = row_stream(state.keys, b, WORLD, _STRENGTH)
        spread = BEARABLE_SPREAD * (2.0 * draw_uniform(s0, s1, _ZERO, _ZERO) - 1.0)
        state.bearable_v[b] = parameters.bearable_v * (1.0 + spread)
        state.endurance[b] = _endurance(b, _ZERO, state)
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _OFFSET)
        state.offset[b] = parameters.electrostatic * draw_normal(s0, s1, _ZERO, _ZERO)
        # The film was poled and comes to rest.
        prepare(b, _ZERO, _ZERO, parameters, state, beta, mobility, field)
        for i in range(size):
            polarisation, moves, rested = state.p[b, i], mobility[i], state.rested_s[b, i]
            for j in range(size):
                polarisation[j] *= moves[j]
                rested[j] = START_S
        p = state.p[b]
        evolve_row(b, START_STEPS, 1.0, 1.0, parameters, state, beta, mobility, field, p, rest)


@kernel
def _endurance(b, number, state):
    """Integral of the hazard from one breakdown of row b to the next: exponential, of mean 1."""
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _BREAKDOWN)
    return -log64(1.0 - draw_uniform(s0, s1, number, _ZERO))


@kernel
def pulse_rows(rows, places, volts, seconds, parameters, state, work):
    """Move the tip and give one bias pulse in each of the listed rows.

    Args:
        places: (N, 2) float64, commanded (y, x), cells.
        volts: (N,) float64, bias of the tip.
        seconds: (N,) float64, length of the pulse.
    """
    size = state.p.shape[1]
    beta, mobility, field, _, _, rest = planes(work, size)
    command, place, ledger = state.command, state.place, state.ledger
    for b in rows:
        # The tip moves and drifts.
        dy, dx = places[b, 0] - command[b, 0], places[b, 1] - command[b, 1]
        distance = np.sqrt(dy * dy + dx * dx)
        command[b, 0], command[b, 1] = places[b, 0], places[b, 1]
        before = distance / parameters.speed_cells_s + parameters.dead_time_s
        let_drift(b, _DRIFT, before, parameters.rates, state.keys, state.drift)
        drift = state.drift.drift
        y, x = command[b, 0] + drift[b, 0], command[b, 1] + drift[b, 1]
        place[b, 0], place[b, 1] = y, x
        bias, length = volts[b], seconds[b]
        peak, d = tip_field(b, bias, parameters, state)
        reach = driven_reach(peak, d)
        # The film switches back until the pulse; sites beyond the reach of the tip, until its end.
        prepare(b, _ZERO, _ZERO, parameters, state, beta, mobility, field)
        let_rest(
            b, before, length, y, x, reach, _CALM, parameters, state, beta, mobility, field, rest
        )
        if reach > 0.0:
            drive(b, y, x, peak, d, reach, length, parameters, state, work)
        let_drift(b, _DRIFT, length, parameters.rates, state.keys, state.drift)
        # The tip wears by contact, and under bias as its square times the time.
        state.wear[b] += parameters.wear_per_landing
        state.wear[b] += parameters.wear_per_s * length * (0.1 * bias) * (0.1 * bias)
        # Breakdown: a hazard a second that grows linearly above the bearable bias.
        excess = max(abs(bias) - state.bearable_v[b], 0.0)
        state.stress[b] += parameters.breakdowns_per_v_s * excess * length
        if state.stress[b] > state.endurance[b]:
            state.broken[b] = 1
            state.endurance[b] = state.stress[b] + _endurance(b, ledger.exposures[b] + 1, state)
            _destroy(y, x, state.barrier[b], state.p[b])
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
    beta, mobility, field, seen, noise, rest = planes(work, size)
    draws = view1d(noise, 0, size * size)
    line_s = parameters.image_s / size
    for b in rows:
        # The contact potential of the reading tip acts on every cell while the film rests.
        prepare(b, _ZERO, _ZERO, parameters, state, beta, mobility, field)
        for i in range(size):
            drive = field[i]
            for j in range(size):
                drive[j] += READ_FIELD
        time, steps = parameters.image_s, READ_STEPS
        let_rest(b, time, 0.0, 0.0, 0.0, 0.0, steps, parameters, state, beta, mobility, field, rest)
        # The response is the polarisation blurred by the tip, at most twice worn.
        respond(state.p[b], parameters.response_cells * min(1.0 + state.wear[b], 2.0), seen, rest)
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _NOISE)
        fill_normal(s0, s1, state.images[b], draws)
        state.images[b] += 1
        for i in range(size):
            let_drift(b, _DRIFT, line_s, parameters.rates, state.keys, state.drift)
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
