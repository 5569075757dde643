"""Progress of a scan, hidden from agents: agreement with the specimen, discovery, damage."""

import numpy as np

from microgym.envs.ptycho.state import PtychoState, ScanConstants
from microgym.instruments.ptychography.state import Measurement, PtychographyState
from microgym.jit import inline_kernel, kernel
from microgym.metrics.incremental import masked_sums, plane_sums, snr_db, truth_sums
from microgym.numerics.array_views import BLOCK, any_nonzero, view1d
from microgym.reconstruction.ptychography.observation_models import RunningScan
from microgym.specimens.sample import Sample
from microgym.state import Float64, Int64

SEEN_EXPOSURES = 0.5
"""Fluence from which a pixel counts as seen, as a part of the mean fluence under the probe of one
nominal exposure (design choice: inside the disk of the beam, not in its skirts)."""


@inline_kernel
def _score(b, state):
    """Signal-to-noise ratio of row b from its agreement, dB."""
    sums = state.agreement[b]
    state.snr_db[b] = snr_db(
        sums[0], sums[1], sums[2], state.truth_power[b], state.truth_contrast[b]
    )


@inline_kernel
def _add_patch(b, sign, measurement, scan, sample, n, state, columns):
    """Add `sign` times the agreement over the latest patch of row b to its sums."""
    top, left = measurement.corner[b, 0], measurement.corner[b, 1]
    true_re, true_im, inside = sample.pristine_re[b], sample.pristine_im[b], sample.structure[b]
    a_re, a_im, power = masked_sums(
        scan.re[b], scan.im[b], true_re, true_im, inside, top, left, n, columns
    )
    state.agreement[b, 0] += sign * a_re
    state.agreement[b, 1] += sign * a_im
    state.agreement[b, 2] += sign * power


@kernel
def subtract_rows(
    rows: Int64,
    columns: Float64,
    measurement: Measurement,
    scan: RunningScan,
    sample: Sample,
    constants: ScanConstants,
    state: PtychoState,
) -> None:
    """Take the latest patch of each row out of its agreement, before the estimate changes there.

    Args:
        rows: (k,).
        columns: (3, n), overwritten.
        measurement, scan, sample, constants: of all rows.
        state: updated.
    """
    for k in range(rows.size):
        _add_patch(rows[k], -1.0, measurement, scan, sample, constants.n, state, columns)


@kernel
def evaluate_rows(
    rows: Int64,
    columns: Float64,
    microscopes: PtychographyState,
    scan: RunningScan,
    sample: Sample,
    constants: ScanConstants,
    state: PtychoState,
) -> None:
    """Update the progress of each row after its latest exposure.

    Args:
        rows: (k,).
        columns: (3, n), overwritten.
        microscopes, scan, sample, constants: of all rows, after the exposure.
        state: updated.
    """
    n, height, width = constants.n, sample.fluence.shape[1], sample.fluence.shape[2]
    for k in range(rows.size):
        b = rows[k]
        _add_patch(b, 1.0, microscopes.measurement, scan, sample, n, state, columns)
        _score(b, state)
        # Patch on which the beam truly fell.
        beam = microscopes.beam[b]
        top = min(max(int(np.floor(beam[0] + 0.5)) - n // 2, 0), height - n)
        left = min(max(int(np.floor(beam[1] + 0.5)) - n // 2, 0), height - n)
        seen, destroyed, lost = 0, 0, 0.0
        for i in range(top, top + n):
            for start in range(0, n, BLOCK):
                at, count = (b * height + i) * width + left + start, min(BLOCK, n - start)
                inside = view1d(sample.structure, at, count)
                if not any_nonzero(inside):
                    continue
                status, faded = view1d(state.status, at, count), view1d(state.lost, at, count)
                flux = view1d(sample.fluence, at, count)
                o_re = view1d(sample.object_re, at, count)
                o_im = view1d(sample.object_im, at, count)
                p_re = view1d(sample.pristine_re, at, count)
                p_im = view1d(sample.pristine_im, at, count)
                for j in range(count):
                    if inside[j]:
                        # Seen and destroyed pixels are counted once: 0 unseen, 1 seen, 2 destroyed.
                        shows, dies = flux[j] >= constants.seen, flux[j] >= constants.fatal
                        seen += shows and status[j] == 0
                        destroyed += dies and status[j] < 2
                        status[j] = 2 if dies else max(status[j], np.uint8(shows))
                        # Squared contrast lost: |O - O_pristine|^2.
                        d_re, d_im = o_re[j] - p_re[j], o_im[j] - p_im[j]
                        now = d_re * d_re + d_im * d_im
                        lost += now - faded[j]
                        faded[j] = now
        state.seen_px[b] += seen
        state.destroyed_px[b] = destroyed
        state.contrast_lost[b] += lost / state.vacuum_contrast[b]


@kernel
def measure_rows(rows: Int64, columns: Float64, sample: Sample, state: PtychoState) -> None:
    """Write the constants of each row's specimen that progress is measured by.

    Args:
        rows: (k,).
        columns: (4, W), overwritten.
        sample: unexposed.
        state: power, contrast, squared contrast to vacuum and pixels of the structure are written.
    """
    height, width = sample.structure.shape[1], sample.structure.shape[2]
    for k in range(rows.size):
        b = rows[k]
        state.truth_power[b], state.truth_contrast[b] = truth_sums(
            sample.pristine_re[b], sample.pristine_im[b], sample.structure[b], columns
        )
        pixels, vacuum = 0.0, 0.0
        for i in range(height):
            for start in range(0, width, BLOCK):
                at, count = (b * height + i) * width + start, min(BLOCK, width - start)
                inside = view1d(sample.structure, at, count)
                if not any_nonzero(inside):
                    continue
                re = view1d(sample.pristine_re, at, count)
                im = view1d(sample.pristine_im, at, count)
                for j in range(count):
                    # Squared contrast to vacuum: |O - 1|^2.
                    weight = np.float64(inside[j])
                    d_re = np.float64(re[j]) - 1.0
                    pixels += weight
                    vacuum += weight * (d_re * d_re + np.float64(im[j]) * np.float64(im[j]))
        state.vacuum_contrast[b], state.structure_px[b] = max(vacuum, 1e-12), pixels


@kernel
def agree_rows(
    rows: Int64, columns: Float64, scan: RunningScan, sample: Sample, state: PtychoState
) -> None:
    """Sum the agreement over each row's whole field afresh, and score it.

    Args:
        rows: (k,).
        columns: (3, W), overwritten.
        scan, sample: of all rows.
        state: updated.
    """
    for k in range(rows.size):
        b = rows[k]
        true_re, true_im, inside = sample.pristine_re[b], sample.pristine_im[b], sample.structure[b]
        a_re, a_im, power = plane_sums(scan.re[b], scan.im[b], true_re, true_im, inside, columns)
        state.agreement[b, 0], state.agreement[b, 1], state.agreement[b, 2] = a_re, a_im, power
        _score(b, state)
