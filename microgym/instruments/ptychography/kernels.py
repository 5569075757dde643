"""Compiled exposures of the scanned-probe diffraction microscope.

Arguments of the same name are the same everywhere: `rows`, (k,) int64, and `b`, rows of the state;
`microscope` and `state`, `Microscope` and `PtychographyState` of
`microgym.instruments.ptychography.state`; `sample`, `microgym.specimens.sample.Sample`.
"""

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.fft import PAD
from microgym.physics.camera import read_out
from microgym.physics.damage import expose_patch
from microgym.physics.diffraction import (
    add_fluence,
    diffract,
    diffraction_work,
    shift_probe,
    sum_intensity,
)
from microgym.physics.drift import exposure_position, let_drift, move_stage, start_drift
from microgym.physics.probe import phase_ramp
from microgym.random import EXOGENOUS, MEASUREMENT, POISSON_WORK, fill_poisson, row_stream
from microgym.random.streams import PtychoExogenous, PtychoMeasurement

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_DRIFT, _JITTER = np.int64(PtychoExogenous.DRIFT), np.int64(PtychoExogenous.JITTER)
_PHOTONS = np.int64(PtychoMeasurement.PHOTONS)
_READ_NOISE = np.int64(PtychoMeasurement.READ_NOISE)


def exposure_work(n: int, modes: int, probes: int) -> int:
    """Length of the float32 work array of `expose_rows`.

    Args:
        n: edge of a diffraction pattern, px.
        modes: modes of the probe.
        probes: most probes that expose one sample at the same time.
    """
    size = n * n
    planes = 2 * (modes * size + PAD) + 2 * (size + PAD) + (1 + probes) * size
    return planes + max(diffraction_work(n), POISSON_WORK, size, 4 * n)


@inline_kernel
def _lights_at(microscope):
    """First element of the intensities of moved probes in the work array of `expose_rows`."""
    modes, size = microscope.illumination.probe_re.shape
    return 2 * (modes * size + PAD) + 2 * (size + PAD) + size


@kernel
def start_rows(rows, centre, microscope, state):
    """Put stages to rest over the centre of the field, px, and draw their drift.

    Args:
        rows: (k,) int64.
        centre: coordinate of the centre along both axes, px.
        microscope: `Microscope`.
        state: `PtychographyState` with its keys; stages and drift are written.
    """
    for b in rows:
        s0, s1 = row_stream(state.keys, b, EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, microscope.rates, state.drift)
        for axis in range(2):
            state.play[b, axis] = centre
            state.command[b, axis], state.beam[b, axis] = centre, centre


@inline_kernel
def _aim(b, target, dwell_s, microscope, state):
    """Move the stage of row b to a commanded position and charge the exposure to its ledger.

    Args:
        target: (2,) float64, commanded position, px; rounded to the encoder's whole pixels.
        dwell_s: exposure time, s.
    """
    measurement, ledger = state.measurement, state.ledger
    half = microscope.n // 2
    y, x = np.floor(target[0] + 0.5), np.floor(target[1] + 0.5)
    measurement.corner[b, 0], measurement.corner[b, 1] = int(y) - half, int(x) - half
    # Incident photons: flux times exposure time.
    measurement.photons[b] = microscope.photons_per_s * dwell_s
    # Time before the shutter opens: t = |r - r0| / v + dead time.
    way = np.sqrt((y - state.command[b, 0]) ** 2 + (x - state.command[b, 1]) ** 2)
    state.command[b, 0], state.command[b, 1] = y, x
    before = way / microscope.stage_speed_px_s + microscope.dead_time_s
    # Backlash of the drive.
    move_stage(y, x, microscope.backlash, state.play[b])
    # The specimen drifts meanwhile; the exposure is taken where the beam is at half its time:
    # beam = play + drift + jitter.
    let_drift(b, _DRIFT, before + 0.5 * dwell_s, microscope, state)
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _JITTER)
    tick, drift, beam = ledger.exposures[b], state.drift.drift[b], state.beam[b]
    exposure_position(s0, s1, tick, microscope.jitter, state.play[b], drift, beam)
    let_drift(b, _DRIFT, 0.5 * dwell_s, microscope, state)
    ledger.time_s[b] += before + dwell_s
    ledger.dose[b] += np.float32(measurement.photons[b])
    ledger.path_m[b] += way * microscope.pixel_m


@inline_kernel
def _patch(b, microscope, state, sample):
    """Patch of the specimen under the beam of row b, and the beam's offset from its centre.

    Returns:
        First row and first column, px, inside the specimen; offset along y and along x, px.
    """
    n, half = microscope.n, microscope.n // 2
    limit = sample.object_re.shape[1] - n
    top = min(max(int(np.floor(state.beam[b, 0] + 0.5)) - half, 0), limit)
    left = min(max(int(np.floor(state.beam[b, 1] + 0.5)) - half, 0), limit)
    return top, left, state.beam[b, 0] - (top + half), state.beam[b, 1] - (left + half)


@inline_kernel
def _measure(b, light, microscope, state, sample, work):
    """Count the photons that the specimen under row b diffracts; the specimen stays as it is.

    Args:
        light: (n*n,) float32, written where the beam is off the centre of the patch: intensity of
            the moved probe.
        state: with the beam and the photons of this exposure; counts and known pixels are written.
        work: float32, overwritten.
    """
    optics, measurement, n = microscope.illumination, state.measurement, microscope.n
    modes, size = optics.probe_re.shape
    moved_re = view2d(work, 0, modes, size)
    moved_im = view2d(work, modes * size + PAD, modes, size)
    planes = work[2 * (modes * size + PAD) :]
    ramp_re, ramp_im = planes[:size], planes[size + PAD : 2 * size + PAD]
    planes = planes[2 * (size + PAD) :]
    expected, rest = planes[:size], planes[(1 + microscope.probes) * size :]
    top, left, off_y, off_x = _patch(b, microscope, state, sample)
    probe_re, probe_im = optics.probe_re, optics.probe_im
    if off_y != 0.0 or off_x != 0.0:
        # Probe moved by a fraction of a pixel: P(q) exp(-2 pi i q r), transformed back.
        probe_re, probe_im = moved_re, moved_im
        phase_ramp(off_y, off_x, n, ramp_re, ramp_im, rest)
        spectrum_re, spectrum_im, fft = optics.spectrum_re, optics.spectrum_im, microscope.fft
        shift_probe(spectrum_re, spectrum_im, ramp_re, ramp_im, fft, moved_re, moved_im, rest)
        sum_intensity(moved_re, moved_im, light)
    # Expected counts: photons times sum over modes of |F{P O}|^2.
    s, photons = b // microscope.probes, np.float32(measurement.photons[b])
    re, im, fft = sample.object_re[s], sample.object_im[s], microscope.fft
    diffract(re, im, probe_re, probe_im, top, left, photons, fft, expected, rest)
    # Shot noise: Poisson counts.
    tick = state.ledger.exposures[b]
    s0, s1 = row_stream(state.keys, b, MEASUREMENT, _PHOTONS)
    fill_poisson(s0, s1, tick, expected, measurement.counts[b], rest)
    # Detector: full well, read noise, beam stop.
    s0, s1 = row_stream(state.keys, b, MEASUREMENT, _READ_NOISE)
    full_well, sigma = microscope.saturation_counts, microscope.read_noise_counts
    counts, known = measurement.counts[b], measurement.known[b]
    read_out(s0, s1, tick, full_well, sigma, microscope.mask, counts, known, rest[:size])


@inline_kernel
def _irradiate(b, moved_light, microscope, state, sample):
    """Add the exposure of row b, with the light of `_measure`, to its specimen, and fade that."""
    s, n = b // microscope.probes, microscope.n
    top, left, off_y, off_x = _patch(b, microscope, state, sample)
    moved = off_y != 0.0 or off_x != 0.0
    light = moved_light if moved else microscope.illumination.intensity
    photons, fluence = np.float32(state.measurement.photons[b]), sample.fluence[s]
    rates = microscope.inverse_critical
    if rates.size:
        # Fluence F += photons |P|^2; contrast of band i is exp(-F / F_i) of the pristine one.
        bands, re, im = sample.bands[s], sample.object_re[s], sample.object_im[s]
        expose_patch(bands, fluence, re, im, light, photons, top, left, n, rates)
    else:
        add_fluence(fluence, light, photons, top, left, n)


@kernel
def expose_rows(rows, positions, dwell_s, work, microscope, state, sample):
    """Take one exposure in each of the listed rows.

    Exposures of one specimen by several probes are simultaneous: all probes see the specimen as it
    was before, and then their damage is done. Their rows must follow each other in `rows`.

    Args:
        positions: (N, 2) float64, commanded positions, px.
        dwell_s: (N,) float64, exposure times, s.
        work: (`exposure_work(n, modes, probes)`,) float32, overwritten.
    """
    size = microscope.n * microscope.n
    before = _lights_at(microscope)
    first = 0
    while first < rows.size:
        s, end = rows[first] // microscope.probes, first
        while end < rows.size and rows[end] // microscope.probes == s:
            b, light = rows[end], view1d(work, before + (end - first) * size, size)
            _aim(b, positions[b], dwell_s[b], microscope, state)
            _measure(b, light, microscope, state, sample, work)
            end += 1
        for k in range(first, end):
            b, light = rows[k], view1d(work, before + (k - first) * size, size)
            _irradiate(b, light, microscope, state, sample)
            state.ledger.exposures[b] += 1
        first = end


@kernel
def wait_rows(rows, microscope, state):
    """Let all probes on each listed row of the sample wait until the slowest of them is done.

    Args:
        rows: (k,) int64, rows of the sample.
        microscope: `Microscope`, with its number of probes a row.
        state: `PtychographyState`; clocks and drift are updated.
    """
    each, time_s = microscope.probes, state.ledger.time_s
    for row in rows:
        first = row * each
        latest = time_s[first]
        for b in range(first, first + each):
            latest = max(latest, time_s[b])
        for b in range(first, first + each):
            # The specimen drifts under a probe that waits.
            let_drift(b, _DRIFT, latest - time_s[b], microscope, state)
            time_s[b] = latest
