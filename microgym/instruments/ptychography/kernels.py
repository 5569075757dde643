"""Compiled exposures of the scanned-probe diffraction microscope.

Arguments of the same name are the same everywhere: `rows`, (k,) int64, and `b`, rows of the state;
`microscope` and `state`, `Microscope` and `PtychographyState` of
`microgym.instruments.ptychography.state`; `sample`, `microgym.specimens.sample.Sample`.
"""

from typing import NamedTuple

import numpy as np

from microgym.jit import inline_kernel, kernel
from microgym.numerics.array_views import view1d, view2d
from microgym.numerics.fft import PAD
from microgym.physics.camera import read_out
from microgym.physics.damage import expose_patch, fade_patch
from microgym.physics.diffraction import (
    add_fluence,
    diffract,
    diffraction_work,
    shift_probe,
    sum_intensity,
)
from microgym.physics.drift import (
    exposure_position,
    let_drift,
    move_stage,
    start_drift,
    way_ahead,
)
from microgym.physics.exposure import (
    FADING_LIMITS,
    MOST_NODES,
    WAY_LIMITS_PX,
    count_nodes,
    exposure_node,
)
from microgym.physics.probe import phase_ramp
from microgym.random import EXOGENOUS, MEASUREMENT, POISSON_WORK, fill_poisson, row_stream
from microgym.random.streams import PtychoExogenous, PtychoMeasurement
from microgym.state import Float32

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_DRIFT, _JITTER = np.int64(PtychoExogenous.DRIFT), np.int64(PtychoExogenous.JITTER)
_PHOTONS = np.int64(PtychoMeasurement.PHOTONS)
_READ_NOISE = np.int64(PtychoMeasurement.READ_NOISE)
_DEAD_TIME = np.int64(PtychoMeasurement.DEAD_TIME)


def exposure_work(n: int, modes: int, probes: int) -> int:
    """Length of the float32 work array of `expose_rows`.

    Args:
        n: edge of a diffraction pattern, px.
        modes: modes of the probe.
        probes: most probes that expose one sample at the same time.
    """
    size = n * n
    planes = 2 * (modes * size + PAD) + 2 * (size + PAD) + (4 + probes) * size + 2 * MOST_NODES
    return planes + max(diffraction_work(n), POISSON_WORK, size, 4 * n)


class _Planes(NamedTuple):
    """Parts of the work array of `expose_rows`, float32.

    Attributes:
        moved_re, moved_im: (modes, n*n) moved probe.
        ramp_re, ramp_im: (n*n,) phase ramp of the motion.
        expected: (n*n,) expected counts.
        now: (n*n,) intensity of the probe at present.
        under_re, under_im: (n, n) specimen under the beam at present.
        path: (2 * MOST_NODES,) beam at the nodes of the exposure, from where it was sent, px.
        lights: (probes * n*n,) mean intensity of each probe over its exposure.
        rest: for those that are called.
    """

    moved_re: Float32
    moved_im: Float32
    ramp_re: Float32
    ramp_im: Float32
    expected: Float32
    now: Float32
    under_re: Float32
    under_im: Float32
    path: Float32
    lights: Float32
    rest: Float32


@inline_kernel
def _planes(work, microscope):
    """The parts of the work array."""
    modes, size = microscope.illumination.probe_re.shape
    n, ramps = microscope.n, 2 * (modes * size + PAD)
    expected = ramps + 2 * (size + PAD)
    path = expected + 4 * size
    lights = path + 2 * MOST_NODES
    rest = lights + microscope.probes * size
    return _Planes(
        view2d(work, 0, modes, size),
        view2d(work, modes * size + PAD, modes, size),
        view1d(work, ramps, size),
        view1d(work, ramps + size + PAD, size),
        view1d(work, expected, size),
        view1d(work, expected + size, size),
        view2d(work, expected + 2 * size, n, n),
        view2d(work, expected + 3 * size, n, n),
        view1d(work, path, 2 * MOST_NODES),
        view1d(work, lights, microscope.probes * size),
        work[rest:],
    )


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
def _aim(b, target, dwell_s, path, microscope, state):
    """Move the stage of row b to a commanded position and charge the exposure to its ledger.

    Args:
        target: (2,) float64, commanded position, px; rounded to the encoder's whole pixels.
        dwell_s: exposure time, s.
        path: (2 * MOST_NODES,) float32, written: beam at the nodes of the exposure, (y, x) from the
            commanded position, px.

    Returns:
        Nodes of the exposure, and its fading, see `microgym.physics.exposure`.
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
    # The specimen drifts meanwhile.
    let_drift(b, _DRIFT, before, microscope.rates, state.keys, state.drift)
    # Nodes in time, as the specimen fades and drifts within the exposure: see `_measure`.
    rates = microscope.inverse_critical
    most = measurement.photons[b] * microscope.illumination.peak
    fading = most * rates[0] if rates.size else 0.0
    smears = count_nodes(way_ahead(b, dwell_s, microscope.rates, state.drift), WAY_LIMITS_PX)
    count = max(smears, count_nodes(fading, FADING_LIMITS))
    # Beam at each node: play + drift + jitter; at half time for all of them if it hardly moves.
    s0, s1 = row_stream(state.keys, b, EXOGENOUS, _JITTER)
    tick, drift, beam = ledger.exposures[b], state.drift.drift[b], state.beam[b]
    past, mean_y, mean_x = 0.0, 0.0, 0.0
    for k in range(count):
        time, weight = exposure_node(k, count, fading)
        time = time if smears > 1 else 0.5
        let_drift(b, _DRIFT, (time - past) * dwell_s, microscope.rates, state.keys, state.drift)
        past = time
        exposure_position(s0, s1, tick, microscope.jitter, state.play[b], drift, beam)
        path[2 * k], path[2 * k + 1] = beam[0] - y, beam[1] - x
        mean_y += weight * (beam[0] - y)
        mean_x += weight * (beam[1] - x)
    beam[0], beam[1] = y + mean_y, x + mean_x
    let_drift(b, _DRIFT, (1.0 - past) * dwell_s, microscope.rates, state.keys, state.drift)
    ledger.time_s[b] += before + dwell_s
    ledger.dose[b] += np.float32(measurement.photons[b])
    ledger.path_m[b] += way * microscope.pixel_m
    return count, fading


@inline_kernel
def _patch(b, microscope, state, sample):
    """First row and first column, px, of the patch of the specimen under the beam of row b."""
    half = microscope.n // 2
    limit = sample.object_re.shape[1] - microscope.n
    top = min(max(int(np.floor(state.beam[b, 0] + 0.5)) - half, 0), limit)
    left = min(max(int(np.floor(state.beam[b, 1] + 0.5)) - half, 0), limit)
    return top, left


@inline_kernel
def _illuminate(off_y, off_x, planes, microscope):
    """Move the probe by a fraction of a pixel: P(q) exp(-2 pi i q r), transformed back.

    Args:
        off_y, off_x: offset from the centre of the patch, px.
        planes: `_Planes`, of which the moved probe and its intensity are written.
    """
    optics, fft = microscope.illumination, microscope.fft
    phase_ramp(off_y, off_x, microscope.n, planes.ramp_re, planes.ramp_im, planes.rest)
    spectrum_re, spectrum_im = optics.spectrum_re, optics.spectrum_im
    ramp_re, ramp_im, re, im = planes.ramp_re, planes.ramp_im, planes.moved_re, planes.moved_im
    shift_probe(spectrum_re, spectrum_im, ramp_re, ramp_im, fft, re, im, planes.rest)
    sum_intensity(re, im, planes.now)


@inline_kernel
def _measure(b, count, fading, light, planes, microscope, state, sample):
    """Count the photons that the specimen under row b diffracts; the specimen stays as it is.

    Expected counts are summed over the nodes of the exposure, at each of which beam and specimen
    are as the drift and the fluence until then have left them.

    Args:
        count, fading: of `_aim`.
        light: (n*n,) float32, written: mean intensity of the probe over the exposure.
        planes: `_Planes`, with the path of the beam.
        state: with the beam and the photons of this exposure; counts and known pixels are written.
    """
    optics, measurement, n = microscope.illumination, state.measurement, microscope.n
    s, photons, rates = b // microscope.probes, measurement.photons[b], microscope.inverse_critical
    top, left = _patch(b, microscope, state, sample)
    # Offset of the commanded position from the centre of the patch.
    aim_y, aim_x = state.command[b, 0] - (top + n // 2), state.command[b, 1] - (left + n // 2)
    probe_re, probe_im, now, path = optics.probe_re, optics.probe_im, optics.intensity, planes.path
    under_re, under_im, row, column = sample.object_re[s], sample.object_im[s], top, left
    at_y, at_x, past = 0.0, 0.0, 0.0
    for k in range(count):
        time, weight = exposure_node(k, count, fading)
        off_y, off_x = aim_y + path[2 * k], aim_x + path[2 * k + 1]
        if off_y != at_y or off_x != at_x:
            _illuminate(off_y, off_x, planes, microscope)
            probe_re, probe_im, now = planes.moved_re, planes.moved_im, planes.now
            at_y, at_x = off_y, off_x
        if k == 0:
            for j in range(light.size):
                light[j] = np.float32(0.0)
        if rates.size:
            # Fluence until now: the nodes before, and the present light for the rest of the time.
            under_re, under_im, row, column = planes.under_re, planes.under_im, 0, 0
            fade_patch(
                sample.bands[s], sample.fluence[s], sample.object_re[s], sample.object_im[s],
                light, now, photons, time - past, top, left, rates, under_re, under_im, planes.rest,
            )  # fmt: skip
        # Expected counts: photons times sum over modes of |F{P O}|^2.
        diffract(
            k == 0, under_re, under_im, probe_re, probe_im, row, column,
            np.float32(weight * photons), microscope.fft, planes.expected, planes.rest,
        )  # fmt: skip
        past += weight
        share = np.float32(weight)
        for j in range(light.size):
            light[j] += share * now[j]
    # Shot noise: Poisson counts.
    tick, rest = state.ledger.exposures[b], planes.rest
    s0, s1 = row_stream(state.keys, b, MEASUREMENT, _PHOTONS)
    fill_poisson(s0, s1, tick, planes.expected, measurement.counts[b], rest)
    # Detector: dead time, full well, read noise, beam stop.
    lost = row_stream(state.keys, b, MEASUREMENT, _DEAD_TIME)
    noise = row_stream(state.keys, b, MEASUREMENT, _READ_NOISE)
    full_well, sigma = microscope.saturation_counts, microscope.read_noise_counts
    # Dead time over exposure time.
    dwell_s = photons / microscope.photons_per_s
    blind = microscope.pixel_dead_time_s / dwell_s if dwell_s > 0.0 else 0.0
    counts, known, work = measurement.counts[b], measurement.known[b], rest[: n * n]
    mask = microscope.mask
    read_out(lost, noise, tick, blind, full_well, sigma, mask, counts, known, work)


@inline_kernel
def _irradiate(b, light, microscope, state, sample):
    """Add the exposure of row b, with the light of `_measure`, to its specimen, and fade that."""
    s, n = b // microscope.probes, microscope.n
    top, left = _patch(b, microscope, state, sample)
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

    Exposures of one specimen by several probes are simultaneous: each probe sees the specimen as it
    was before and as its own light fades it, and then the damage of all is done. Their rows must
    follow each other in `rows`.

    Args:
        positions: (N, 2) float64, commanded positions, px.
        dwell_s: (N,) float64, exposure times, s.
        work: (`exposure_work(n, modes, probes)`,) float32, overwritten.
    """
    size, planes = microscope.n * microscope.n, _planes(work, microscope)
    first = 0
    while first < rows.size:
        s, end = rows[first] // microscope.probes, first
        while end < rows.size and rows[end] // microscope.probes == s:
            b, light = rows[end], view1d(planes.lights, (end - first) * size, size)
            count, fading = _aim(b, positions[b], dwell_s[b], planes.path, microscope, state)
            _measure(b, count, fading, light, planes, microscope, state, sample)
            end += 1
        for k in range(first, end):
            b, light = rows[k], view1d(planes.lights, (k - first) * size, size)
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
            let_drift(b, _DRIFT, latest - time_s[b], microscope.rates, state.keys, state.drift)
            time_s[b] = latest
