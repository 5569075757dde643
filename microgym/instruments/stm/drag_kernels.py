"""Kernel of the STM that drags the tip along a line over the surface, with the current trace."""

import numpy as np

from microgym.instruments.stm.kernels import (
    adatom_bump,
    change_tip,
    change_under_current,
    pass_time,
    replace_tip,
)
from microgym.instruments.stm.state import CHANGED, CRASHED, LOST, TRACE
from microgym.jit import kernel
from microgym.numerics.array_views import borrowed
from microgym.numerics.libm import exp64
from microgym.physics import stm_tip
from microgym.physics.adatoms import Well, hop_reach, pass_over, well_depth
from microgym.random import EXOGENOUS, MEASUREMENT, normal, row_stream, uniform
from microgym.random.streams import STMExogenous, STMMeasurement
from microgym.specimens.adatom_fields import STEP_NM

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_HOPS, _CRASHES = np.int64(STMExogenous.HOPS), np.int64(STMExogenous.CRASHES)
_TRACE, _AMPLIFIER = np.int64(STMMeasurement.TRACE), np.int64(STMMeasurement.AMPLIFIER)

PITCH_NM = 0.02
"""Length of a sample of a dragging path, nm."""
FOOT_NM = 0.3
"""Distance from a step within which an adatom stays at it for good, nm (design choice)."""


@kernel
def _density(places, present, x, y, bump):
    """Density of states that a tip at (x, y) sees, over that of the bare surface.

    1 + sum of Gaussians.

    Args:
        bump: (height, variance) of an adatom, see `adatom_bump`.
    """
    height, variance = bump
    density = 1.0
    for atom in range(places.shape[0]):
        if present[atom]:
            dx, dy = places[atom, 0] - x, places[atom, 1] - y
            square = dx * dx + dy * dy
            if square < 16.0 * variance:
                density += height * exp64(-0.5 * square / variance)
    return density


@kernel
def drag_rows(rows, starts, ends, bias_v, conductance, state, parameters):
    """Lower the tip, move it along a line, lift it: in each row.

    The tip is held at the height at which the junction over an adatom has the conductance asked
    for. The field drifts while the tip moves. A crash ends the drag: a step up in the tip's path
    makes contact, as does a conductance above the tip's contact conductance.

    Args:
        starts, ends: (N, 2) float64, scanner coordinates, nm.
        bias_v, conductance: (N,) float64, V and uS.
        state: the trace is written as the current over the one with the adatom beneath the tip.
    """
    state = borrowed(state)
    keys, field, ledger = state.keys, state.field, state.ledger
    sites, places, present = field.sites, field.places, field.present
    steps, patches = field.steps, field.patches
    moving, frame, traits = state.drift, state.frame, state.tip.traits
    drift = moving.drift
    trace, events = state.trace, state.events
    kappa, bath, rates = parameters.kappa, parameters.bath, parameters.rates
    for b in rows:
        h0, h1 = row_stream(keys, b, EXOGENOUS, _HOPS)
        m0, m1 = row_stream(keys, b, MEASUREMENT, _TRACE)
        a0, a1 = row_stream(keys, b, MEASUREMENT, _AMPLIFIER)
        tick = state.actions[b]
        pass_time(b, parameters.drag_s, rates, keys, ledger, moving)
        site, place, here = sites[b], places[b], present[b]
        offset_x, offset_y = traits[b, stm_tip.OFFSET_X], traits[b, stm_tip.OFFSET_Y]
        dx, dy = ends[b, 0] - starts[b, 0], ends[b, 1] - starts[b, 1]
        length = np.sqrt(dx * dx + dy * dy)
        count = max(int(np.ceil(length / PITCH_NM)), 1)
        duration = length / parameters.speed_nm_s / count
        # I = G V in pA; the well deepens as G^0.46.
        current = 1e6 * conductance[b] * bias_v[b]
        depth = well_depth(conductance[b], traits[b, stm_tip.STRENGTH])
        well = Well(depth, traits[b, stm_tip.WIDTH])
        reach = hop_reach(well, bath, duration)
        # Fluctuations dz of the height multiply the current, exp(2 kappa dz); amplifier noise adds.
        grain = 2.0 * kappa * (parameters.vibration_nm + traits[b, stm_tip.FLICKER])
        floor = parameters.amplifier_pa / current
        crashed = conductance[b] > traits[b, stm_tip.CONTACT]
        dirty = False
        # Over a step the gap shrinks by its height: G exp(2 kappa h) beyond contact is a crash.
        x, y = starts[b, 0] - drift[b, 0] + frame[b, 0], starts[b, 1] - drift[b, 1] + frame[b, 1]
        was_low = steps[b, 0] * x + steps[b, 1] * y < steps[b, 2]
        contact = conductance[b] * exp64(2.0 * kappa * STEP_NM) > traits[b, stm_tip.CONTACT]
        bump = adatom_bump(traits[b, stm_tip.BLUR], kappa)
        filled = 0
        done = 0
        while done < count and not crashed:
            pass_time(b, duration, rates, keys, ledger, moving)
            part = (done + 1.0) / count
            # The atom that tunnels, in surface coordinates: scanner - drift + frame; the atom that
            # pulls is beside it.
            x = starts[b, 0] + part * dx - drift[b, 0] + frame[b, 0]
            y = starts[b, 1] + part * dy - drift[b, 1] + frame[b, 1]
            pulling = (x + offset_x, y + offset_y)
            if contact and was_low:
                crashed = steps[b, 0] * x + steps[b, 1] * y > steps[b, 2]
            # Adatoms near the tip hop while it stands at this sample (kinetic Monte Carlo).
            index = done * sites.shape[1]
            pass_over(h0, h1, tick, index, site, place, here, pulling, well, bath, duration, reach)
            for p in range(patches.shape[1]):
                px, py = x - patches[b, p, 0], y - patches[b, p, 1]
                dirty = dirty or px * px + py * py < patches[b, p, 2] * patches[b, p, 2]
            done += 1
            # Current of the atom that tunnels: I / I_set = rho(x, y) / rho(adatom) exp(2 kappa dz)
            # + amplifier noise.
            wanted = TRACE * done // count
            if wanted > filled:
                level = _density(place, here, x, y, bump) / (1.0 + bump[0])
                while filled < wanted:
                    shaken = exp64(grain * normal(m0, m1, tick, filled))
                    hiss = floor * normal(a0, a1, tick, filled)
                    trace[b, filled] = level * shaken + hiss
                    filled += 1
        while filled < TRACE:
            trace[b, filled] = 0.0
            filled += 1
        # The tip changes by current, by a crash, or by contamination that it picks up.
        change_under_current(b, duration * done, current, bias_v[b], state, parameters)
        if crashed:
            events[b, CRASHED] = 1.0
            e0, e1 = row_stream(keys, b, EXOGENOUS, _CRASHES)
            change_tip(b, stm_tip.CRASH, uniform(e0, e1, tick, 0), state, parameters)
        elif dirty:
            events[b, CHANGED] = 1.0
            replace_tip(b, stm_tip.CONTAMINATED, state, parameters)
        # Adatoms that come to a step, n r - d > -0.3 nm, are lost.
        for atom in range(sites.shape[1]):
            away = steps[b, 0] * place[atom, 0] + steps[b, 1] * place[atom, 1] - steps[b, 2]
            if here[atom] and away > -FOOT_NM:
                here[atom] = False
                events[b, LOST] += 1.0
        # Charge I t in nC, path in m.
        state.actions[b] += 1
        ledger.dose[b] += 1e-3 * current * duration * done
        ledger.path_m[b] += 1e-9 * length
