"""Kernels of the force microscope between lines: reset, approach, withdrawal, and exchange.

Arguments of the same name are the same everywhere: `rows`, (k,) int64, and `b`, rows of the state;
`parameters`, `state` and `work`, `AFMParameters`, `AFMState` and `LineWork` of
`microgym.instruments.afm.state`.
"""

import numpy as np

from microgym.instruments.afm.surface_kernels import LEAD, land_tip, survey_frame
from microgym.instruments.afm.tip_kernels import draw_lognormal, renew_tip
from microgym.jit import kernel
from microgym.physics.drift import disturb_settling, let_drift, start_drift
from microgym.physics.feedback import DELAY_S, TICK_S, largest_gain
from microgym.physics.piezo import rest_piezo
from microgym.physics.stochastic_events import start_events
from microgym.random import EXOGENOUS, WORLD, draw_uniform, normal, row_stream
from microgym.random.streams import AFMExogenous, AFMWorld

MOST_RATE = 50.0
"""Largest ratio of the rate of debris to its base rate (design choice)."""
DIALS = ("setpoint", "integral_gain", "proportional_gain", "line_rate_hz")
"""Columns of the controls: setpoint as a ratio (amplitude over the free one) or, in contact mode,
in nN; gains, the first in 1/s; lines a second."""

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_HIDDEN, _CREEP = np.int64(AFMWorld.HIDDEN), np.int64(AFMWorld.CREEP)
_DRIFT, _EVENTS = np.int64(AFMExogenous.DRIFT), np.int64(AFMExogenous.EVENTS)
_LANDING = np.int64(AFMExogenous.LANDING)
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
        # A tapping tip on stiff ground follows without the free cantilever's lag; a deflection is
        # that of a tick's end.
        lag_s, delay_s = 0.0, DELAY_S
        if parameters.contact:
            lag_s, delay_s = parameters.lag_s, DELAY_S - 0.5 * TICK_S
        resonance_hz, damping = hidden.resonance_hz[b], hidden.damping[b]
        hidden.gain_limit[b] = largest_gain(lag_s, resonance_hz, damping, delay_s)
        hidden.strength[b] = draw_lognormal(s0, s1, _FIRST, _FIRST + 2, parameters.strength)
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
        survey_frame(b, parameters, state.surface, work)
        land_tip(b, setpoint, parameters, state, work)


@kernel
def engage_rows(rows, setpoint, parameters, state, work):
    """Withdraw and approach again, with setpoints (N,) as in `DIALS`.

    Args:
        setpoint: (N,) float64, setpoints of the signal, as in `DIALS`.
    """
    for b in rows:
        let_drift(b, _DRIFT, parameters.engage_s, parameters.rates, state.keys, state.drift)
        state.ledger.time_s[b] += parameters.engage_s
        land_tip(b, setpoint[b], parameters, state, work)


@kernel
def withdraw_rows(rows, parameters, state):
    """Lift the tips of the listed rows to the upper end of the z-scanner."""
    loop = state.loop
    for b in rows:
        let_drift(b, _DRIFT, parameters.withdraw_s, parameters.rates, state.keys, state.drift)
        state.ledger.time_s[b] += parameters.withdraw_s
        # Scanner at rest, signal free.
        loop.integral[b], loop.height[b] = parameters.range_nm, parameters.range_nm
        loop.velocity[b], loop.command[b] = 0.0, parameters.range_nm
        loop.sine[b], loop.cosine[b] = parameters.free_amplitude_nm, 0.0
        if parameters.contact:
            loop.cosine[b] = -1.0
        state.engaged[b] = False


@kernel
def exchange_rows(rows, setpoint, parameters, state, work):
    """Mount new tips, find the frames again nearly, and approach, with setpoints (N,).

    Args:
        setpoint: (N,) float64, setpoints of the signal, as in `DIALS`.
    """
    tip, drift = state.tip, state.drift
    for b in rows:
        let_drift(b, _DRIFT, parameters.exchange_s, parameters.rates, state.keys, state.drift)
        state.ledger.time_s[b] += parameters.exchange_s
        tip.exchanges[b] += 1
        renew_tip(b, state.keys, parameters, tip)
        # The stage is disturbed and settles anew.
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _DRIFT)
        disturb_settling(s0, s1, tip.exchanges[b], parameters.rates.settling, drift.settling[b])
        # Correction of the drift so far, with a normal error along each axis.
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _LANDING)
        for axis in range(2):
            lost = parameters.landing_nm * normal(s0, s1, tip.exchanges[b], axis)
            state.correction[b, axis] = drift.drift[b, axis] + lost
        land_tip(b, setpoint[b], parameters, state, work)
