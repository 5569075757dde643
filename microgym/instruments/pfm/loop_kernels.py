"""Kernel of the piezoresponse force microscope: a hysteresis loop.

Arguments are those of `microgym.instruments.pfm.film_kernels`.
"""

import numpy as np

from microgym.instruments.pfm.film_kernels import (
    LOOP_POINTS,
    copy_part,
    let_rest,
    planes,
    prepare,
    rearm,
    tip_field,
    window,
)
from microgym.jit import kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.libm import exponential
from microgym.physics.drift import let_drift
from microgym.physics.ferroelectric import (
    ATTEMPT_S,
    LatticeConstants,
    activate,
    add_tip_field,
    confine,
    driven_reach,
)
from microgym.physics.lattice_kernels import has_still_rim, pad, relax, surround, unpad
from microgym.random import EXOGENOUS, MEASUREMENT, draw_normal, row_stream
from microgym.random.streams import PFMExogenous, PFMMeasurement

LOOP_STEPS = 8
"""Lattice steps at each bias of a hysteresis loop (design choice): twice as many narrow it by an
eighth, as walls cannot move faster than the lattice lets them. An even number, so that the result
lies where the start lay."""


_DRIFT, _HEAT = np.int64(PFMExogenous.DRIFT), np.int64(PFMExogenous.HEAT)
_LOOP = np.int64(PFMMeasurement.LOOP)
_ROUNDING = 1.000001
_ZERO, _CALM = np.int64(0), np.float32(0.0)


@kernel
def loop_rows(rows, spots, disturb, parameters, state, found, work):
    """Take a hysteresis loop with the tip at one place in each of the listed rows.

    The field of the tip is so strong that thermal noise is left out.

    The bias goes up, down, up again and back to nothing; the branches of the full cycle count.

    Args:
        spots: (N, 2) float64, commanded (y, x), cells.
        disturb: whether the loop takes time and the film stays as the loop leaves it; if not, the
            loop is taken on a copy.
        found: (N, 2) float64, written: biases, V, at which the response changes sign on the way up
            and on the way down; the largest bias where it does not.
    """
    size = state.p.shape[1]
    kappa, depolarisation, dt, _ = parameters.lattice
    calm = LatticeConstants(kappa, depolarisation, dt, _CALM)
    highest, points = parameters.loop_v, LOOP_POINTS
    dwell_s = parameters.loop_s / (6 * points)
    # Steps of a site of mobility 1 in each of the lattice's, at each bias.
    factor = dwell_s / (LOOP_STEPS * ATTEMPT_S)
    for b in rows:
        drift = state.drift.drift
        y, x = spots[b, 0] + drift[b, 0], spots[b, 1] + drift[b, 1]
        # A worn tip reaches farther and reads a wider spot.
        sigma = parameters.response_cells * min(1.0 + state.wear[b], 2.0)
        peak, d = tip_field(b, highest, parameters, state)
        reach = driven_reach(peak, d)
        if disturb:
            beta, mobility, field, _, _, rest = planes(work, size)
            prepare(b, _ZERO, _ZERO, parameters, state, beta, mobility, field)
            time = parameters.loop_s
            let_rest(
                b, 0.0, time, y, x, reach, _CALM, parameters, state, beta, mobility, field, rest
            )
        # With one row and column around that do not move, whatever the rounding of distances.
        near = _ROUNDING * max(reach, 3.0 * sigma) - 1.0
        top, left, height, width = window(y, x, near, size)
        part = height * width
        beta, alive = view2d(work, 0, height, width), view2d(work, part, height, width)
        field, q = view2d(work, 2 * part, height, width), view2d(work, 3 * part, height, width)
        weight, profile = (
            view2d(work, 4 * part, height, width),
            view2d(work, 5 * part, height, width),
        )
        drive, moves = view2d(work, 6 * part, height, width), view2d(work, 7 * part, height, width)
        prepare(b, top, left, parameters, state, beta, alive, field)
        confine(y - top, x - left, reach, alive)
        _weigh(y - top, x - left, sigma, weight)
        box = _box(y - top, x - left, 3.0 * sigma, height, width)
        profile[:] = np.float32(0.0)
        add_tip_field(y - top, x - left, 1.0, d, profile)
        copy_part(state.p[b], top, left, q, True)
        # Padded planes, which the lattice's steps need: they are made once for all biases.
        stride = width + 2
        count, whole = height * stride, (height + 2) * stride
        padded = work[8 * part :]
        now, then = view1d(padded, 0, whole), view1d(padded, whole, whole)
        well = view1d(padded, 2 * whole, count)
        rest = view1d(padded, 2 * whole + count, 4 * count + stride)
        planes_at = 2 * whole + 5 * count + stride
        pad(beta, stride, well)
        pad(q, stride, view1d(now, stride, count))
        surround(now, then, height, stride)
        # Fields and mobilities at each bias, which the sweep passes three times.
        for level in range(-points, points + 1):
            _bias(np.float32(peak * level / points), profile, field, drive)
            activate(drive, alive, moves)
            at = planes_at + 2 * (points + level) * count
            pad(drive, stride, view1d(padded, at, count))
            pad(moves, stride, view1d(padded, at + count, count))
        pad(alive, stride, view1d(rest, 0, count))
        still = has_still_rim(rest, height, stride)
        sites = view2d(now, stride, height, stride)
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _HEAT)
        found[b, 0], found[b, 1] = highest, -highest
        up, down = False, False
        before, volts = 0.0, 0.0
        # A copy needs neither the way back from the last branch nor what follows both crossings.
        for point in range(6 * points if disturb else 5 * points):
            # Triangular sweep of the bias, six quarters long.
            last = volts
            quarter = point // points
            step = point - quarter * points + 1
            level = step if quarter % 2 == 0 else points - step
            level = -level if quarter == 2 or quarter == 3 else level
            volts = highest * level / points
            at = planes_at + 2 * (points + level) * count
            push, rate = view1d(padded, at, count), view1d(padded, at + count, count)
            relax(
                s0, s1, _ZERO, LOOP_STEPS, factor, 1.0, calm, well, rate, push, still, now, then,
                height, stride, rest,
            )  # fmt: skip
            if abs(level) == points and disturb:
                unpad(rate, stride, moves)
                rearm(b, top, left, moves, dwell_s / ATTEMPT_S, state)
            if point < points or quarter > 4:
                continue
            # Coercive bias: where the response first changes sign, between points linearly.
            seen = _weighted(weight, sites, box)
            crossed = (before < 0.0) != (seen < 0.0)
            if point > points and crossed:
                at = last + (volts - last) * before / (before - seen)
                if volts > last and not up:
                    found[b, 0], up = at, True
                elif volts < last and not down:
                    found[b, 1], down = at, True
            before = seen
            if up and down and not disturb:
                break
        if disturb:
            unpad(view1d(now, stride, count), stride, q)
            copy_part(state.p[b], top, left, q, False)
            let_drift(b, _DRIFT, parameters.loop_s, parameters.rates, state.keys, state.drift)
            state.wear[b] += parameters.wear_per_landing
            state.ledger.time_s[b] += parameters.loop_s


@kernel
def read_rows(rows, found, parameters, state, seen):
    """Read loops in the listed rows, with noise, which is new after every pulse.

    Args:
        found: (N, 2) float64, biases of reversal, V.
        seen: (N, 2) float64, written.
    """
    for b in rows:
        s0, s1 = row_stream(state.keys, b, MEASUREMENT, _LOOP)
        for branch in range(2):
            noise = draw_normal(s0, s1, state.ledger.exposures[b], np.int64(branch))
            seen[b, branch] = found[b, branch] + parameters.loop_noise_v * noise


@kernel
def _bias(peak, profile, field, drive):
    """Write the field on each site: the film's own, and that of a tip."""
    for i in range(drive.shape[0]):
        shape, own, push = profile[i], field[i], drive[i]
        for j in range(drive.shape[1]):
            push[j] = own[j] + peak * shape[j]


@kernel
def _weigh(y, x, sigma, weight):
    """Weights by which the tip sees sites: a Gaussian cut off at three deviations, of sum 1."""
    total = 0.0
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            r2 = (i - y) * (i - y) + (j - x) * (j - x)
            inside = r2 < 9.0 * sigma * sigma
            w = exponential(-0.5 * r2 / (sigma * sigma)) if inside else 0.0
            weight[i, j] = np.float32(w)
            total += w
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            weight[i, j] /= np.float32(max(total, 1e-12))


@kernel
def _box(y, x, reach, height, width):
    """First and last row and column, the last ones excluded, within reach of a place."""
    top, left = max(int(np.ceil(y - reach)), 0), max(int(np.ceil(x - reach)), 0)
    bottom, right = int(np.floor(y + reach)) + 1, int(np.floor(x + reach)) + 1
    return top, min(bottom, height), left, min(right, width)


@kernel
def _weighted(weight, p, box):
    """Polarisation, padded, seen by the tip at one place; the weight is 0 outside the box."""
    total = 0.0
    top, bottom, left, right = box
    for i in range(top, bottom):
        share, value = weight[i], p[i]
        for j in range(left, right):
            total += share[j] * value[j + 1]
    return total
