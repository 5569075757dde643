"""Kernels of the STM for time, drift, changes of the tip, positions in images, and conditioning.

Arguments of the same name are the same in all kernels of the STM: `rows`, (k,) int64, and `b`, rows
of the state; `state` and `parameters`, `STMState` and `STMParameters` of
`microgym.instruments.stm.state`.
"""

import numpy as np

from microgym.instruments.stm.settings import IMAGING_PA, IMAGING_V
from microgym.instruments.stm.state import BANDS, CHANGED, PIXELS
from microgym.jit import kernel
from microgym.numerics.libm import exp64
from microgym.physics import stm_tip
from microgym.physics.drift import disturb_settling, let_drift, start_drift
from microgym.random import EXOGENOUS, MEASUREMENT, WORLD, normal, row_stream, uniform
from microgym.random.streams import STMExogenous, STMMeasurement, STMWorld
from microgym.specimens.adatom_fields import FIELD_NM

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_NEW_TIP, _FIRST_STATE = np.int64(STMWorld.TIP), np.int64(STMWorld.FIRST_STATE)
_DRIFT, _TIP = np.int64(STMExogenous.DRIFT), np.int64(STMExogenous.TIP)
_CONDITIONING = np.int64(STMExogenous.CONDITIONING)
_PLACES, _READING = np.int64(STMMeasurement.PLACES), np.int64(STMMeasurement.READING)
_MARKS = np.int64(STMMeasurement.MARKS)
_FIRST = np.int64(0)

ADATOM_NM = 0.1
"""Apparent height of an adatom under a sharp tip, nm."""
ADATOM_WIDTH_NM = 0.3
"""Width of an adatom's density, standard deviation, nm."""


@kernel
def adatom_bump(blur, kappa):
    """Gaussian that an adatom adds to the density of the bare surface, 1, under a blurred tip.

    A sharp tip sees exp(2 kappa h) - 1 and the width w. Blur convolves the density with a Gaussian:
    the width becomes sqrt(w^2 + blur^2), and the volume is kept.

    Args:
        blur: standard deviation, nm.
        kappa: decay constant of the current, 1/nm.

    Returns:
        Height of the Gaussian, and its variance, nm^2.
    """
    sharp = ADATOM_WIDTH_NM * ADATOM_WIDTH_NM
    variance = sharp + blur * blur
    return (exp64(2.0 * kappa * ADATOM_NM) - 1.0) * sharp / variance, variance


@kernel
def reset_rows(rows, state, parameters):
    """Draw drift and tips of new episodes."""
    tip = state.tip
    for b in rows:
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, parameters.rates, state.drift)
        # The first tip is sharp, or with the probability `bent` in one of the other states.
        f0, f1 = row_stream(state.keys, b, WORLD, _FIRST_STATE)
        kind, tip.generation[b] = stm_tip.SHARP, 0
        if uniform(f0, f1, _FIRST, 0) < parameters.bent:
            others = len(stm_tip.STATES) - 1
            kind = 1 + int(others * uniform(f0, f1, _FIRST, 1))
        set_tip(b, kind, state, parameters)


@kernel
def set_tip(b, kind, state, parameters):
    """Give the tip of row b a state, with the traits of its generation in that state.

    Args:
        kind: state of the tip, index in `stm_tip.STATES`.
    """
    tip = state.tip
    tip.kind[b] = kind
    t0, t1 = row_stream(state.keys, b, WORLD, _NEW_TIP)
    stm_tip.draw_traits(t0, t1, tip.generation[b], kind, parameters.spread, tip.traits[b])


@kernel
def replace_tip(b, kind, state, parameters):
    """Give row b a new tip of a state, an index in `stm_tip.STATES`, with traits drawn anew.

    Args:
        kind: state of the tip, index in `stm_tip.STATES`.
    """
    state.tip.generation[b] += 1
    set_tip(b, kind, state, parameters)


@kernel
def change_tip(b, cause, u, state, parameters):
    """Let the tip of row b make a transition of its Markov chain; see `stm_tip.next_state`.

    Args:
        cause: one of those of `stm_tip`, such as `stm_tip.PULSE`.
        u: uniform number.
    """
    replace_tip(b, stm_tip.next_state(state.tip.kind[b], cause, u), state, parameters)
    state.events[b, CHANGED] = 1.0


@kernel
def pass_time(b, duration, rates, keys, ledger, drift):
    """Advance the clock and the drift of row b by a duration, s.

    Args:
        duration: s.
        rates: of the parameters.
        keys, ledger, drift: of the state.
    """
    let_drift(b, _DRIFT, duration, rates, keys, drift)
    ledger.time_s[b] += duration


@kernel
def change_under_current(b, duration, current_pa, bias_v, state, parameters):
    """Let the tip of row b change spontaneously, or not, in a time under current.

    A Poisson process whose rate r grows with current and bias: p = 1 - exp(-r t).

    Args:
        duration: s.
        current_pa, bias_v: pA and V.
    """
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _TIP)
    tick = state.actions[b]
    rate = stm_tip.change_rate(current_pa, bias_v, parameters.spread.change_hz)
    if uniform(s0, s1, tick, 0) < 1.0 - exp64(-rate * duration):
        change_tip(b, stm_tip.ITSELF, uniform(s0, s1, tick, 1), state, parameters)


@kernel
def scan_rows(rows, state, parameters):
    """Take one image in each row: measured positions of the adatoms, and measured drift.

    Lines run from low to high y. The drift since the image before is measured in the middle of the
    image, and the scan frame is corrected by it; positions are in the corrected frame.
    """
    drift, ledger, traits = state.drift.drift, state.ledger, state.tip.traits
    places, present = state.field.places, state.field.present
    bands, registered, frame, seen = state.bands, state.registered, state.frame, state.seen
    duration = parameters.image_s
    for b in rows:
        m0, m1 = row_stream(state.keys, b, MEASUREMENT, _PLACES)
        k0, k1 = row_stream(state.keys, b, MEASUREMENT, _MARKS)
        tick = ledger.exposures[b]
        # Error of a position: sigma sqrt(1 + 4 (blur / width)^2 + (flicker / 10 pm)^2).
        blur = traits[b, stm_tip.BLUR] / ADATOM_WIDTH_NM
        flicker = traits[b, stm_tip.FLICKER] / 0.01
        spread = parameters.place_nm * np.sqrt(1.0 + 4.0 * blur * blur + flicker * flicker)
        # Drift at the borders of the bands, relative to the frame, while the image is written.
        for band in range(BANDS + 1):
            if band:
                pass_time(
                    b, duration / BANDS, parameters.rates, state.keys, state.ledger, state.drift
                )
            for axis in range(2):
                bands[b, band, axis] = drift[b, axis] - frame[b, axis]
        # Registration: the drift of the middle, with an error, is added to the frame.
        for axis in range(2):
            middle = bands[b, BANDS // 2, axis]
            registered[b, axis] = middle + parameters.mark_nm * normal(k0, k1, tick, axis)
            frame[b, axis] += registered[b, axis]
            for band in range(BANDS + 1):
                bands[b, band, axis] -= registered[b, axis]
        # An adatom appears where it is when its line is written: r + drift(t(y)) + error, with the
        # drift linear within a band.
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
                error = spread * normal(m0, m1, tick, 2 * atom + axis)
                seen[b, atom, axis] = places[b, atom, axis] + shift + error
        change_under_current(b, duration, IMAGING_PA, IMAGING_V, state, parameters)
        # Charge I t in nC; path of trace and retrace of every line.
        ledger.exposures[b] += 1
        state.actions[b] += 1
        ledger.dose[b] += 1e-3 * IMAGING_PA * duration
        ledger.path_m[b] += 1e-9 * 2.0 * PIXELS * FIELD_NM


@kernel
def read_rows(rows, noise, state, out):
    """Read the tip off the last image of each row: (N, 4) float64, see `stm_tip.read_tip`.

    Args:
        noise: standard deviations of the readings, see `stm_tip.READING_LEVELS`.
        out: (N, 4) float64, written, see `stm_tip.READINGS`.
    """
    tip, tick = state.tip, state.ledger.exposures
    for b in rows:
        m0, m1 = row_stream(state.keys, b, MEASUREMENT, _READING)
        stm_tip.read_tip(m0, m1, tick[b], tip.kind[b], tip.traits[b], noise, out[b])


@kernel
def condition_rows(rows, dips_nm, pulses_v, state, parameters):
    """Dip or pulse the tip on a clean spot of the surface, in each row.

    Args:
        dips_nm, pulses_v: (N,) float64, depth of the dip, nm, and height of the pulse, V.
    """
    for b in rows:
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _CONDITIONING)
        tick = state.actions[b]
        # p = 1 - exp(-(d / d_0)^2 - (V / V_0)^2), d_0 the hardness of this tip.
        hardness = state.tip.traits[b, stm_tip.HARDNESS]
        chance = stm_tip.change_probability(dips_nm[b], pulses_v[b], hardness)
        if uniform(s0, s1, tick, 0) < chance:
            cause = stm_tip.cause_of(dips_nm[b], pulses_v[b], hardness)
            change_tip(b, cause, uniform(s0, s1, tick, 1), state, parameters)
        pass_time(
            b, parameters.condition_s, parameters.rates, state.keys, state.ledger, state.drift
        )
        state.actions[b] += 1


@kernel
def set_tips(rows, kinds, state, parameters):
    """Give the tips of some rows other states, and the traits that follow by the same draws.

    Args:
        kinds: (k,) int64, indices in `stm_tip.STATES`.
    """
    for k in range(rows.size):
        set_tip(rows[k], kinds[k], state, parameters)


@kernel
def move_rows(rows, duration, state, parameters):
    """Move each row to a fresh place by the coarse motor, which takes a duration, s.

    The motor disturbs the microscope, which begins to settle anew. The scan frame begins anew too.
    """
    for b in rows:
        state.moves[b] += 1
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _DRIFT)
        settling = state.drift.settling[b]
        disturb_settling(s0, s1, state.moves[b], parameters.rates.settling, settling)
        pass_time(b, duration, parameters.rates, state.keys, state.ledger, state.drift)
        for axis in range(2):
            state.frame[b, axis] = state.drift.drift[b, axis]
        state.actions[b] += 1
        state.ledger.path_m[b] += 1e-6
