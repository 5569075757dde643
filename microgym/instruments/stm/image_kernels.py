"""Kernel of the STM that draws its last image: heights of constant current, line by line."""

from typing import NamedTuple

import numpy as np

from microgym.instruments.stm.kernels import adatom_bump
from microgym.instruments.stm.settings import FEEDBACK_NM_S
from microgym.instruments.stm.state import BANDS, PIXELS
from microgym.jit import kernel
from microgym.numerics.libm import exp64, log64
from microgym.numerics.workspace import cut, workspace
from microgym.physics import stm_tip
from microgym.physics.noise import MAINS_HZ, PROCESSES, fill_noise
from microgym.physics.tunnelling import scattered_density, track_line
from microgym.random import MEASUREMENT, normal, row_stream, uniform
from microgym.random.streams import STMMeasurement
from microgym.specimens.adatom_fields import FIELD_NM, STEP_NM
from microgym.state import Float32, Float64

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_IMAGE, _HUM = np.int64(STMMeasurement.IMAGE), np.int64(STMMeasurement.HUM)
_FLICKER, _LINES = np.int64(STMMeasurement.FLICKER), np.int64(STMMeasurement.LINES)
_PHASE = np.int64(STMMeasurement.PHASE)
_NO_WAVES = 0.0

RIPPLE = 0.02
"""Amplitude of the standing waves about an adatom, part of the density (design choice)."""


class DrawWork(NamedTuple):
    """Work memory of `draw_rows`.

    Attributes:
        line, ghost, trace, across: (PIXELS,) float64: heights of a line, of its ghost, the tip's
            track, x of the pixels.
        slow: (PROCESSES,) float64, processes of the 1/f noise.
        draws: (PROCESSES * PIXELS,) float32.
        noise: (PIXELS,) float32, 1/f noise and mains of a line.
    """

    line: Float64
    ghost: Float64
    trace: Float64
    across: Float64
    slow: Float64
    draws: Float32
    noise: Float32


def draw_work() -> DrawWork:
    """The calling thread's work memory, valid until its next call of `workspace`."""
    halves = (2 * (4 * PIXELS + PROCESSES), (PROCESSES + 1) * PIXELS)
    wide, narrow = cut(workspace(sum(halves)), halves)
    lines, slow = cut(wide.view(np.float64), (4 * PIXELS, PROCESSES))
    draws, noise = cut(narrow, (PROCESSES * PIXELS, PIXELS))
    line, ghost, trace, across = lines.reshape(4, PIXELS)
    return DrawWork(line, ghost, trace, across, slow, draws, noise)


@kernel
def _heights(places, present, step, across, y, bump, wave_number, kappa, out):
    """Heights of constant current along a line, nm: z = ln(rho) / (2 kappa) + terrace.

    Args:
        places, present, step: of one row of `AdatomFields`.
        across: (n,) float64, x of each pixel, nm.
        y: of the line, nm.
        bump: (height, variance) of an adatom, see `adatom_bump`.
        wave_number: of the surface state, 1/nm; 0 for no standing waves.
        kappa: 1/nm.
        out: (n,) float64, written.
    """
    height, variance = bump
    reach = 16.0 * variance
    # Density of the bare surface, then a Gaussian for every adatom.
    for j in range(across.size):
        out[j] = 1.0
    for atom in range(places.shape[0]):
        dy = places[atom, 1] - y
        if not present[atom] or dy * dy >= reach:
            continue
        for j in range(across.size):
            dx = places[atom, 0] - across[j]
            square = dx * dx + dy * dy
            out[j] += height * exp64(-0.5 * square / variance) if square < reach else 0.0
    # Standing waves of the surface state around every adatom, a hard scatterer: eta = pi / 2.
    for atom in range(places.shape[0]):
        dy = places[atom, 1] - y
        if not present[atom] or not wave_number > 0.0:
            continue
        for j in range(across.size):
            dx = places[atom, 0] - across[j]
            way = np.sqrt(dx * dx + dy * dy)
            out[j] -= RIPPLE * scattered_density(way, wave_number, 0.5 * np.pi)
    # Logarithm of the density, and the step as a logistic function of width 0.1 nm.
    for j in range(across.size):
        above = step[0] * across[j] + step[1] * y - step[2]
        edge = 0.0 if above < -1e3 else STEP_NM / (1.0 + exp64(-above / 0.1))
        out[j] = log64(max(out[j], 0.05)) / (2.0 * kappa) + edge


@kernel
def draw_rows(rows, state, parameters, work):
    """Draw the last image of each row: constant-current heights, line by line.

    Images are long against the slowest of the 1/f noise, so that each has noise of its own.
    """
    field, bands, image, traits = state.field, state.bands, state.image, state.tip.traits
    line, ghosts, trace, across = work.line, work.ghost, work.trace, work.across
    kappa, wave_number = parameters.kappa, parameters.wave_number
    line_s = parameters.image_s / PIXELS
    for b in rows:
        number = state.ledger.exposures[b]
        m0, m1 = row_stream(state.keys, b, MEASUREMENT, _IMAGE)
        n0, n1 = row_stream(state.keys, b, MEASUREMENT, _FLICKER)
        h0, h1 = row_stream(state.keys, b, MEASUREMENT, _HUM)
        l0, l1 = row_stream(state.keys, b, MEASUREMENT, _LINES)
        p0, p1 = row_stream(state.keys, b, MEASUREMENT, _PHASE)
        # 1/f noise from its stationary distribution, mains from a random phase.
        for process in range(PROCESSES):
            work.slow[process] = normal(h0, h1, number, process)
        phase = 2.0 * np.pi * uniform(p0, p1, number, 0)
        first = number * PIXELS
        ghost = traits[b, stm_tip.GHOST]
        # A blunt tip widens an adatom and flattens it.
        bump = adatom_bump(traits[b, stm_tip.BLUR], kappa)
        weaker = (ghost * bump[0], bump[1])
        lead = 0.0
        restless = parameters.vibration_nm + traits[b, stm_tip.FLICKER]
        places, present, step = field.places[b], field.present[b], field.steps[b]
        for i in range(PIXELS):
            # Surface coordinates of the line: scanner coordinates less the drift at its time.
            at = (i + 0.5) / PIXELS * BANDS
            band = min(int(at), BANDS - 1)
            part = at - band
            shift_x = bands[b, band, 0] + part * (bands[b, band + 1, 0] - bands[b, band, 0])
            shift_y = bands[b, band, 1] + part * (bands[b, band + 1, 1] - bands[b, band, 1])
            y = ((i + 0.5) / PIXELS - 0.5) * FIELD_NM - shift_y
            for j in range(PIXELS):
                across[j] = ((j + 0.5) / PIXELS - 0.5) * FIELD_NM - shift_x
            _heights(places, present, step, across, y, bump, wave_number, kappa, line)
            # A second apex adds a displaced, weaker image; the higher of the two is seen.
            if ghost > 0.0:
                for j in range(PIXELS):
                    across[j] = across[j] - traits[b, stm_tip.GHOST_X]
                low = y - traits[b, stm_tip.GHOST_Y]
                _heights(places, present, step, across, low, weaker, _NO_WAVES, kappa, ghosts)
                for j in range(PIXELS):
                    line[j] = max(line[j], ghosts[j])
            # Logarithmic feedback follows the heights with a lag; it carries over between lines.
            lead = track_line(line, line_s / PIXELS, FEEDBACK_NM_S, kappa, False, lead, trace)
            # White noise of every pixel and of every line, from vibration and flicker.
            jump = restless * normal(l0, l1, first + i, 0)
            for j in range(PIXELS):
                noise = restless * normal(m0, m1, first + i, j)
                image[b, i, j] = np.float32(trace[j] + noise + jump)
            if parameters.flicker_nm > 0.0 or parameters.mains_nm > 0.0:
                dt, flicker, mains = line_s / PIXELS, parameters.flicker_nm, parameters.mains_nm
                slow, hum, draws = work.slow, work.noise, work.draws
                row, at_s = first + i, i * line_s
                fill_noise(
                    n0, n1, row, at_s, dt, 0.0, flicker, mains, MAINS_HZ[0], phase, slow, hum, draws
                )
                for j in range(PIXELS):
                    image[b, i, j] += hum[j]
