"""The compiled step of the diffraction microscope: one exposure in each of the listed rows."""

import numpy as np
from numpy.typing import NDArray

from microgym.jit import kernel
from microgym.numerics.array_views import view2d
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
from microgym.physics.drift import advance_drift, start_drift
from microgym.physics.probe import phase_ramp
from microgym.physics.stage import CELL_S, exposure_position, move_stage
from microgym.random import POISSON_WORK, fill_poisson, row_stream

Plane = NDArray[np.float32]
Rows = NDArray[np.int64]

# Of type int64, not literals: Numba compiles a helper anew for every literal it is called with.
_EXOGENOUS = np.int64(1)
_MEASUREMENT = np.int64(2)
_DRIFT, _JITTER = np.int64(0), np.int64(1)
_PHOTONS, _READ_NOISE = np.int64(0), np.int64(1)


def exposure_work(n: int, modes: int) -> int:
    """Length of the float32 work array of `expose_rows`."""
    size = n * n
    planes = 2 * (modes * size + PAD) + 2 * (size + PAD) + 2 * size
    return planes + max(diffraction_work(n), POISSON_WORK, size, 4 * n)


@kernel
def start_stages(rows, keys, centre, sizes, drifting, play):
    """Draw the drift of new episodes and put their stages to rest at the centre of the field.

    Args:
        rows: (k,) int64.
        keys: (N, 2) uint32.
        centre: coordinate of the centre of the field, px; the backlash is centred there.
        sizes: mean speed of linear drift, px/s, and mean distance to be settled, px.
        drifting, play: arrays of `StageState`.
    """
    for k in range(rows.size):
        b = rows[k]
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
        start_drift(b, s0, s1, sizes[0], sizes[1], drifting)
        play[b, 0], play[b, 1] = centre, centre


@kernel
def _drift_for(b, duration, keys, drifting, motion):
    """Let the stage of row b drift for a time."""
    s0, s1 = row_stream(keys, b, _EXOGENOUS, _DRIFT)
    pace = (motion[4], motion[5], motion[6], CELL_S)
    advance_drift(b, s0, s1, duration, pace, drifting)


@kernel
def expose_rows(
    rows,
    positions,
    dwell_s,
    keys,
    specimen,
    illumination,
    camera,
    drifting,
    moving,
    accounts,
    constants,
    n,
    radices,
    twiddles,
    work,
):
    """One exposure in each of the listed rows.

    Args:
        rows: (k,) int64.
        positions: (N, 2) float64, commanded positions, px.
        dwell_s: (N,) float64.
        keys: (N, 2) uint32.
        specimen: object_re, object_im, bands, fluence of the instrument.
        illumination: probe, its spectrum, (modes, n*n) planes, and its intensity (n*n,).
        camera: counts, known (N, n*n), beam-stop mask (n*n,) or (0,), inverse critical fluences
            (B,).
        drifting: `StageState.arrays`.
        moving: play of `StageState`, last command, last true position, (N, 2) float64; corner of
            the patch as commanded, (N, 2) int64.
        accounts: time_s, dose, exposures, path_m; photons of the last exposure.
        constants: (11,) float64, photons a second, dead time, stage speed, pixel in m, settling
            time, wander size, wander time, backlash, jitter, full well, read noise.
        n, radices, twiddles: patch and plan of the transform.
        work: (`exposure_work(n, modes)`,) float32.
    """
    object_re, object_im, bands, fluence = specimen
    probe_re, probe_im, spectrum_re, spectrum_im, probe_light = illumination
    counts, known, mask, inverse_critical = camera
    drift = drifting[5]
    play, command, beam, corner = moving
    time_s, dose, exposures, path_m, incident = accounts
    modes, size = probe_re.shape
    moved_re = view2d(work, 0, modes, size)
    moved_im = view2d(work, modes * size + PAD, modes, size)
    planes = work[2 * (modes * size + PAD) :]
    ramp_re, ramp_im = planes[:size], planes[size + PAD : 2 * size + PAD]
    planes = planes[2 * (size + PAD) :]
    expected, moved_light, rest = planes[:size], planes[size : 2 * size], planes[2 * size :]
    half = n // 2
    for k in range(rows.size):
        b = rows[k]
        y, x = np.floor(positions[b, 0] + 0.5), np.floor(positions[b, 1] + 0.5)
        corner[b, 0], corner[b, 1] = int(y) - half, int(x) - half
        incident[b] = constants[0] * dwell_s[b]
        photons = np.float32(incident[b])
        way = np.sqrt((y - command[b, 0]) ** 2 + (x - command[b, 1]) ** 2)
        command[b, 0], command[b, 1] = y, x
        before = way / constants[2] + constants[1]
        move_stage(y, x, constants[7], play[b])
        _drift_for(b, before + 0.5 * dwell_s[b], keys, drifting, constants)
        s0, s1 = row_stream(keys, b, _EXOGENOUS, _JITTER)
        exposure_position(s0, s1, exposures[b], constants[8], play[b], drift[b], beam[b])
        _drift_for(b, 0.5 * dwell_s[b], keys, drifting, constants)
        limit = object_re.shape[1] - n
        top = min(max(int(np.floor(beam[b, 0] + 0.5)) - half, 0), limit)
        left = min(max(int(np.floor(beam[b, 1] + 0.5)) - half, 0), limit)
        off_y, off_x = beam[b, 0] - (top + half), beam[b, 1] - (left + half)
        here_re, here_im, light = probe_re, probe_im, probe_light
        if off_y != 0.0 or off_x != 0.0:
            here_re, here_im, light = moved_re, moved_im, moved_light
            phase_ramp(off_y, off_x, n, ramp_re, ramp_im, rest)
            shift_probe(
                spectrum_re,
                spectrum_im,
                ramp_re,
                ramp_im,
                n,
                radices,
                twiddles,
                moved_re,
                moved_im,
                rest,
            )
            sum_intensity(moved_re, moved_im, moved_light)
        diffract(
            object_re[b],
            object_im[b],
            here_re,
            here_im,
            top,
            left,
            photons,
            n,
            radices,
            twiddles,
            expected,
            rest,
        )
        s0, s1 = row_stream(keys, b, _MEASUREMENT, _PHOTONS)
        fill_poisson(s0, s1, exposures[b], expected, counts[b], rest)
        s0, s1 = row_stream(keys, b, _MEASUREMENT, _READ_NOISE)
        read_out(
            s0,
            s1,
            exposures[b],
            constants[9],
            constants[10],
            mask,
            counts[b],
            known[b],
            rest[:size],
        )
        if inverse_critical.size:
            expose_patch(
                bands[b],
                fluence[b],
                object_re[b],
                object_im[b],
                light,
                photons,
                top,
                left,
                n,
                inverse_critical,
            )
        else:
            add_fluence(fluence[b], light, photons, top, left, n)
        time_s[b] += before + dwell_s[b]
        dose[b] += photons
        exposures[b] += 1
        path_m[b] += way * constants[3]
