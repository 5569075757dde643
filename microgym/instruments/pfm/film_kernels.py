"""Kernels of the film under a piezoresponse force microscope: rest, drive by the tip's field.

Arguments of the same name are the same everywhere: `rows`, (k,) int64, and `b`, rows of the state;
`parameters` and `state`, `PFMParameters` and `PFMState` of `microgym.instruments.pfm.state`;
`beta`, `mobility` and `field`, coefficients of the lattice; `work`, (`pfm_work(size, sigma)`,)
float32.
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.libm import exp32, exponential, log32_normal, log64
from microgym.physics.ferroelectric import (
    ATTEMPT_S,
    activate,
    add_tip_field,
    confine,
    respond_work,
)
from microgym.physics.lattice_kernels import evolve, evolve_work
from microgym.random import EXOGENOUS, row_stream
from microgym.random.streams import PFMExogenous
from microgym.specimens.ferroelectrics import DEAD_PART

PULSE_UNIT_S = 1e-4
"""Time from which the steps of a pulse grow in proportion to the time since its beginning, s."""
PULSE_STEPS = 10.0
"""Lattice steps of a factor e of pulse time, 47 for 10 ms: twice as many change no domain by more
than a cell."""
REST_UNIT_S = 0.1
"""Time from which back-switching goes with the logarithm of time, s: relaxations after an
interrupted pulse take about 100 ms."""
REST_STEPS = 4.0
"""Lattice steps of back-switching that belong to a factor e of time (design choice)."""
LOOP_POINTS = 8
"""Biases of a quarter of a hysteresis loop (design choice)."""
BIASES = 2 * LOOP_POINTS + 1
"""Different biases of a loop, of both signs and 0."""

# Of type int64, not a literal: Numba compiles a helper anew for every literal it is called with.
_HEAT = np.int64(PFMExogenous.HEAT)
_ONE = np.float32(1.0)


def pfm_work(size: int, sigma: float) -> int:
    """Length of the float32 work array of these kernels."""
    padded = evolve_work(size, size)
    loop = 8 * size * size + padded + 2 * BIASES * size * (size + 2)
    return max(loop, 5 * size * size + max(padded, respond_work(size, size, sigma)))


@inline_kernel
def planes(work, size):
    """Parts of the work array: beta, mobility and field, two more planes, and the rest."""
    area = size * size
    beta, mobility = view2d(work, 0, size, size), view2d(work, area, size, size)
    field, first = view2d(work, 2 * area, size, size), view2d(work, 3 * area, size, size)
    return beta, mobility, field, first, view2d(work, 4 * area, size, size), work[5 * area :]


@kernel
def prepare(b, top, left, parameters, state, beta, mobility, field):
    """Write the coefficients of a part of row b's film at the strength of its disorder.

    Args:
        top, left: first row and column of the part; the planes have its size.
    """
    scale, dead = np.float32(state.strength[b]), np.float32(DEAD_PART * state.strength[b])
    height, width = beta.shape
    size = state.p.shape[1]
    for i in range(height):
        start = (top + i) * size + left
        soft, wall = view1d(state.bond[b], start, width), view1d(state.barrier[b], start, width)
        prefers = view1d(state.imprint[b], start, width)
        well, moves, drive = beta[i], mobility[i], field[i]
        for j in range(width):
            # Random bond: the depth of the double well.
            well[j] = parameters.beta * (_ONE + scale * soft[j])
            # Dead sites do not move.
            moves[j] = np.float32(0.0) if wall[j] < dead else _ONE
            # Random field: the preferred direction.
            drive[j] = scale * prefers[j]


@kernel
def evolve_row(b, steps, factor, growth, parameters, state, beta, mobility, field, p, work):
    """Let row b's lattice, or a part of it, evolve for some steps."""
    lattice = parameters.lattice
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _HEAT)
    tick = state.ticks[b]
    evolve(s0, s1, tick, steps, factor, growth, lattice, beta, mobility, field, p, work)
    state.ticks[b] += steps


@kernel
def let_rest(b, seconds, more, y, x, reach, shaken, parameters, state, beta, mobility, field, work):
    """Back-switching of row b, by the logarithm of the time since each site was driven.

    Args:
        seconds: time of all sites.
        more: time of the sites beyond `reach` of (y, x) on top, s.
        shaken: lattice steps on top.
        field: (H, W) float32, field on each site; the planes are those of `prepare`.
    """
    size, square = mobility.shape[0], np.float32(reach * reach)
    unit, rate = np.float32(REST_UNIT_S), np.float32(REST_STEPS)
    short, long = np.float32(seconds), np.float32(seconds + more)
    for i in range(size):
        dy2 = np.float32((i - y) * (i - y))
        rested, moves = state.rested_s[b, i], mobility[i]
        for j in range(size):
            dx = np.float32(j) - np.float32(x)
            time = long if dy2 + dx * dx >= square else short
            # Steps of a site: the logarithm of its time at rest grows.
            steps = rate * log32_normal(_ONE + time / (unit + rested[j])) + shaken
            rested[j] += time
            moves[j] *= steps
    # As many steps as a site takes that was driven just now.
    count = int(np.ceil(REST_STEPS * log64(1.0 + (seconds + more) / REST_UNIT_S) + shaken))
    if count > 0:
        p, pace = state.p[b], 1.0 / count
        evolve_row(b, count, pace, 1.0, parameters, state, beta, mobility, field, p, work)


@kernel
def window(y, x, reach, size):
    """Part of the film around a place: first row and column, height and width; a cell to spare."""
    top, left = max(int(np.floor(y - reach)) - 1, 0), max(int(np.floor(x - reach)) - 1, 0)
    bottom = min(int(np.ceil(y + reach)) + 2, size)
    right = min(int(np.ceil(x + reach)) + 2, size)
    return top, left, max(bottom - top, 0), max(right - left, 0)


@kernel
def rearm(b, top, left, mobility, time, state):
    """Let sites begin their rest anew as far as they were driven.

    Args:
        mobility: of the driven part of the film.
        time: of the pulse, in lattice steps of a site of mobility 1.
    """
    height, width = mobility.shape
    for i in range(height):
        moves = mobility[i]
        rested = view1d(state.rested_s[b], (top + i) * state.p.shape[2] + left, width)
        for j in range(width):
            rested[j] *= exp32(np.float32(-time) * moves[j])


@kernel
def drive(b, y, x, peak, d, reach, seconds, parameters, state, work):
    """Let the field of a tip act on row b for a time, within its reach."""
    size = state.p.shape[1]
    top, left, height, width = window(y, x, reach, size)
    if height == 0 or width == 0:
        return
    part = height * width
    beta, mobility = view2d(work, 0, height, width), view2d(work, part, height, width)
    field, p = view2d(work, 2 * part, height, width), view2d(work, 3 * part, height, width)
    prepare(b, top, left, parameters, state, beta, mobility, field)
    add_tip_field(y - top, x - left, peak, d, field)
    confine(y - top, x - left, reach, mobility)
    activate(field, mobility, mobility)
    copy_part(state.p[b], top, left, p, True)
    # Steps that grow with the time since the beginning: t = unit (exp(s k) - 1).
    factor_e = log64(1.0 + seconds / PULSE_UNIT_S)
    steps = max(int(np.ceil(PULSE_STEPS * factor_e)), 1)
    growth = exponential(factor_e / steps)
    first = PULSE_UNIT_S * (growth - 1.0) / ATTEMPT_S
    rest = work[4 * part :]
    evolve_row(b, steps, first, growth, parameters, state, beta, mobility, field, p, rest)
    copy_part(state.p[b], top, left, p, False)
    rearm(b, top, left, mobility, seconds / ATTEMPT_S, state)


@kernel
def copy_part(whole, top, left, part, out):
    """Copy a part of a plane out, or in again."""
    height, width = part.shape
    for i in range(height):
        a, b = view1d(whole, (top + i) * whole.shape[1] + left, width), part[i]
        for j in range(width):
            if out:
                b[j] = a[j]
            else:
                a[j] = b[j]


@kernel
def tip_field(b, bias, parameters, state):
    """Field under the tip, reduced units, and height of its charge, cells, at a bias.

    At a fixed bias the field of a charged tip falls as 1 / R, and d grows as R, with its radius.
    """
    blunt = 1.0 + state.wear[b]
    return parameters.field_per_v * bias / blunt, parameters.tip_cells * blunt
